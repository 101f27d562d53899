"""A Kestra server for tests: it answers on loopback what a real one answered, and to the recorded requests only."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from taxi_assets_tests.shared import kestra_truth

USER = "admin@kestra.io"
PASSWORD = "Admin1234!-not-to-be-seen"  # noqa: S105  of a server that only tests talk to

Exchange = dict[str, Any]


def recorded(name: str) -> Exchange:
    """The request and response that were recorded under this name."""
    return next(dict(exchange) for exchange in kestra_truth("rest-transcripts.json") if exchange["name"] == name)


@dataclass
class RecordedServer:
    """Expects the given exchanges in their order."""

    url: str
    expected: list[Exchange]
    mismatches: list[str] = field(default_factory=list)

    def answer(self, request: Exchange) -> Exchange:
        if not self.expected:
            return self._refuse(f"unexpected {request['method']} {request['path']}")
        exchange = self.expected.pop(0)
        wanted, got = comparable(exchange["request"]), comparable(request)
        if wanted != got:
            return self._refuse(f"{exchange['name']}: recorded {wanted}, got {got}")
        return dict(exchange["response"])

    def _refuse(self, reason: str) -> Exchange:
        self.mismatches.append(reason)
        return {"status": 500, "content_type": "application/json", "body": {"message": reason}}


def comparable(request: Exchange) -> Exchange:
    """A request without what may vary: boundaries, JSON spacing, the order of the query, the size of a page."""
    url = urlsplit(request["path"])
    query = sorted((key, value) for key, value in parse_qsl(url.query) if key not in {"size", "page"})
    content_type = request["content_type"]
    body = request["body"]
    if content_type and content_type.startswith("multipart/form-data"):
        body = body.replace(content_type.partition("boundary=")[2], "BOUNDARY")
        content_type = "multipart/form-data"
    elif content_type == "application/json":
        body = json.loads(body)
    return {**request, "path": url.path, "query": query, "content_type": content_type, "body": body}


@contextmanager
def kestra_answering(*names: str | Exchange) -> Iterator[RecordedServer]:
    """Serve the named exchanges, then check that each was asked for as recorded, in this order."""
    expected = [recorded(name) if isinstance(name, str) else name for name in names]
    with serving(_Handler) as httpd:
        server = RecordedServer(f"http://127.0.0.1:{httpd.server_address[1]}", expected)
        httpd.recorded = server  # type: ignore[attr-defined]
        yield server
    assert server.mismatches == []
    assert [exchange["name"] for exchange in server.expected] == [], "recorded exchanges that nobody asked for"


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """An HTTP server on a free port of loopback, in a thread of its own."""
    with _Server(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield httpd
        finally:
            httpd.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is part of some tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode() or None
        request = {
            "method": self.command,
            "path": self.path,
            "auth": self._auth(),
            "content_type": self.headers.get("Content-Type"),
            "body": body,
        }
        response = self.server.recorded.answer(request)  # type: ignore[attr-defined]
        content = b"" if response["body"] is None else json.dumps(response["body"]).encode()
        self.send_response(response["status"])
        if response["content_type"]:
            self.send_header("Content-Type", response["content_type"])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _exchange  # noqa: N815  the names that http.server calls

    def _auth(self) -> str | None:
        given = self.headers.get("Authorization")
        if given is None:
            return None
        right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return "basic" if given == f"Basic {right}" else re.sub(r" .*", " wrong", given)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as http.server names it
        """Nothing on the test's output."""
