"""A server that is away, silent, not trusted, or none of Kestra's: one line, without the password."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
import trustme

from taxi_assets.errors import KestraError
from taxi_assets.kestra.client import KestraClient
from taxi_assets.kestra.transport import Transport
from taxi_assets_tests.kestra_server import PASSWORD, USER, Exchange, kestra_answering, recorded, serving


def error_of(url: str, timeout: float = 5) -> str:
    """What reading a flow fails with; checks that it is one line without the password."""
    with KestraClient(url, USER, PASSWORD, timeout=timeout) as client, pytest.raises(KestraError) as error:
        client.flow("parity", "manual_probe")
    said = str(error.value)
    assert "\n" not in said
    assert PASSWORD not in said
    return said


def test_without_a_password_the_401_says_what_to_give() -> None:
    refused: Exchange = {
        **recorded("flow_get_missing"),
        "response": recorded("flows_search_unauthenticated")["response"],
    }
    refused["request"] = {**refused["request"], "auth": None}
    with (
        kestra_answering(refused) as kestra,
        KestraClient(kestra.url) as client,
        pytest.raises(KestraError, match=r"refused \(401\): set KESTRA_USER and KESTRA_PASSWORD"),
    ):
        client.flow("parity", "manual_probe")


def test_user_and_password_in_the_url_are_used_and_not_shown() -> None:
    with kestra_answering("flow_get_missing") as kestra:
        url = kestra.url.replace("http://", f"http://{USER.replace('@', '%40')}:{PASSWORD}@")
        with KestraClient(url) as client:
            assert client.flow("parity", "manual_probe") is None
            assert client.url == kestra.url
            assert PASSWORD not in repr(client)


def test_connection_refused_is_one_line() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        assert f"cannot reach Kestra at {url} ([Errno 111] Connection refused)" in error_of(url)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_timeout_is_one_line(silent_server: str) -> None:
    start = time.monotonic()
    assert f"Kestra at {silent_server} did not answer within 0.2 s" in error_of(silent_server, timeout=0.2)
    assert time.monotonic() - start < 3


@pytest.fixture
def self_signed_server() -> Iterator[str]:
    """HTTPS with a certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(BaseHTTPRequestHandler) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        yield f"https://127.0.0.1:{httpd.server_address[1]}"


def test_an_untrusted_certificate_is_one_line(self_signed_server: str) -> None:
    said = error_of(self_signed_server)
    assert f"no TLS connection to Kestra at {self_signed_server}" in said
    assert "certificate verify failed" in said


def test_https_to_a_server_that_speaks_http_is_one_line() -> None:
    with serving(BaseHTTPRequestHandler) as httpd:
        assert "no TLS connection to Kestra" in error_of(f"https://127.0.0.1:{httpd.server_address[1]}")


class _SomeOtherServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>Welcome to nginx</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing on the test's output."""


def test_a_server_that_is_not_kestra_is_one_line() -> None:
    with serving(_SomeOtherServer) as httpd:
        assert "does not answer as Kestra 1.1 does" in error_of(f"http://127.0.0.1:{httpd.server_address[1]}")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://localhost", "http://", "http://localhost:port"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(KestraError, match="is not a URL of a Kestra server"):
        KestraClient(url)


@pytest.mark.parametrize("url", ["http://admin:Pa/ss1@host:8080", "admin:Pass1@host:8080", "ftp://admin:Pass1@host"])
def test_password_of_a_url_that_cannot_be_is_not_shown(url: str) -> None:
    with pytest.raises(KestraError, match="is not a URL of a Kestra server") as error:
        Transport(url, None, None, tenant="main", timeout=1)
    assert "Pa" not in str(error.value)
    assert "ss1" not in str(error.value)
