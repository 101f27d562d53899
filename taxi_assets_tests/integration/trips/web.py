"""A real HTTP server on loopback whose answers a test writes itself, and the file it serves."""

from __future__ import annotations

import gzip
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month

GREEN = DATASETS["green"]
APRIL = Month(2020, 4)
NAME = "green/green_tripdata_2020-04.csv.gz"


def csv_gz(seed: int = 1, size: int = 400_000) -> bytes:
    """A gzip file of about `size` bytes that compresses little, so that it comes in many pieces."""
    return gzip.compress(random.Random(seed).randbytes(size), compresslevel=1, mtime=0)  # noqa: S311 - no secret


class Answer(BaseHTTPRequestHandler):
    """What a test's script answers with: one request, and shorthands for the usual answers."""

    protocol_version = "HTTP/1.1"
    server: WebServer
    number: int
    """Which request of its method this is, from 1."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def _serve(self) -> None:
        web = self.server.web
        with web.lock:
            web.requests.append(Request(self.command, self.path, dict(self.headers.items()), time.monotonic()))
            self.number = sum(request.method == self.command for request in web.requests)
        web.script(self)

    def whole(self, body: bytes, status: int = 200, /, **headers: str) -> None:
        """All of the body; its headers alone for HEAD."""
        self.start(len(body), status, **headers)
        if self.command == "GET":
            self.wfile.write(body)

    def ranged(self, body: bytes, /, **headers: str) -> None:
        """As a good server does it: the part asked for, or all of it when If-Range names another version."""
        versions = {headers.get("ETag"), headers.get("Last_Modified")}
        if "Range" not in self.headers or self.headers["If-Range"] not in versions:
            self.whole(body, **headers)
            return
        first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        content_range = f"bytes {first}-{len(body) - 1}/{len(body)}"
        self.whole(body[first:], 206, Content_Range=content_range, **headers)

    def broken(self, body: bytes, /, **headers: str) -> None:
        """Half of the body, then the connection is reset."""
        self.start(len(body), **headers)
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        time.sleep(0.1)  # lets the half arrive
        self.reset()

    def error(self, status: int, /, **headers: str) -> None:
        self.whole(b"<html>sorry</html>", status, **headers)

    def redirect(self, location: str) -> None:
        self.error(302, Location=location)

    def start(self, length: int | None, status: int = 200, /, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def reset(self) -> None:
        """RST, not FIN: what a broken router or a killed server gives."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            return  # the client or the script closed the connection

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing on the test's output."""


Script = Callable[[Answer], None]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    at: float
    """Seconds on the monotonic clock."""


@dataclass
class Web:
    script: Script
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gets(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]


class WebServer(ThreadingHTTPServer):
    daemon_threads = True
    web: Web

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what several tests are about."""


@contextmanager
def serving(script: Script) -> Iterator[Web]:
    web = Web(script)
    with WebServer(("127.0.0.1", 0), Answer) as server:
        server.web = web
        web.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    """A port of loopback on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
