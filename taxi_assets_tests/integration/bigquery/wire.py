"""A loopback server between a client and a stand-in, which answers some requests itself, as Google would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(slots=True)
class Request:
    method: str
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def says(self, text: str) -> bool:
        """Whether it is about something: in its path, or in the statement or configuration it sends."""
        return text in self.path or text.encode() in self.body


Answer = tuple[int, bytes]
Amend = Callable[[Answer], Answer]
Rule = Callable[[Request], "Answer | Request | Amend | None"]
"""What to do with a request: answer it, pass another one on, amend the stand-in's answer, or (None) pass both on."""


def google_error(code: int, reason: str, message: str) -> Answer:
    """An error in the form of Google's APIs."""
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return code, json.dumps({"error": {"code": code, "message": message, "errors": errors}}).encode()


@dataclass
class Wire:
    """The server's address, and what to do with requests."""

    url: str
    seen: list[Request] = field(default_factory=list)
    rule: Rule = lambda _request: None


@contextmanager
def wire_to(upstream: str) -> Iterator[Wire]:
    """A wire to a stand-in that at first passes everything on."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    wire = Wire(f"http://127.0.0.1:{server.server_address[1]}")
    server.wire, server.upstream = wire, urlsplit(upstream).netloc  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield wire
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self._body()
        wire: Wire = self.server.wire  # type: ignore[attr-defined]
        request = Request(self.command, self.path, body, dict(self.headers))
        wire.seen.append(request)
        ruled = wire.rule(request)
        if isinstance(ruled, tuple):
            self._answer(*ruled, {"Content-Type": "application/json"})
            return
        changed = ruled if isinstance(ruled, Request) else request
        upstream: str = self.server.upstream  # type: ignore[attr-defined]
        connection = HTTPConnection(upstream, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("content-length", "transfer-encoding")}
        connection.request(changed.method, changed.path, changed.body, {**headers, "Content-Length": len(changed.body)})
        got = connection.getresponse()
        kept = ("content-type", "location", "range", "x-goog-hash", "etag")
        headers = {name: value for name, value in got.getheaders() if name.lower() in kept}
        if "Location" in headers or "location" in headers:
            name = "Location" if "Location" in headers else "location"
            headers[name] = headers[name].replace(upstream, self.headers["Host"])
        answer = (got.status, got.read())
        self._answer(*(ruled(answer) if callable(ruled) else answer), headers)
        connection.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass_on  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Keeps quiet."""
