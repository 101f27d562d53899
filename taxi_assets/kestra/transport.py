"""One HTTP exchange with a Kestra server, and what goes wrong in it told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from taxi_assets.errors import KestraError, KestraSilentError

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer")

_LOGIN = "set KESTRA_USER and KESTRA_PASSWORD, or give the options for user and password"


_SILENT = {502, 503, 504}
"""What stands before a server answers while the server itself does not."""
_FORM = "write it as http://localhost:8080"


class Transport:
    """Sends requests below `{url}/api/v1/{tenant}`. The password stays inside the HTTP client."""

    def __init__(self, url: str, user: str | None, password: str | None, *, tenant: str, timeout: float) -> None:
        import httpx

        try:
            given = httpx.URL(url)
        except httpx.InvalidURL:  # its own words may hold a piece of the password
            raise KestraError(f"{_without_login(url)!r} is not a URL of a Kestra server: {_FORM}") from None
        if given.scheme not in {"http", "https"} or not given.host:
            raise KestraError(f"{_without_login(url)!r} is not a URL of a Kestra server: {_FORM}")
        self.url = _shown(given)
        self.timeout = timeout
        user, password = user or given.username or None, password or given.password or None
        self._client = httpx.Client(
            base_url=f"{self.url}/api/v1/{quote(tenant, safe='')}",
            auth=httpx.BasicAuth(user, password or "") if user else None,
            timeout=timeout,
        )

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, *path: str, doing: str, **request: Any) -> httpx.Response:
        """Send and return what Kestra answers. `doing` begins an error: "updating flow zoomcamp.04_postgres_taxi"."""
        response = self._exchange(method, path, doing, request)
        if not response.is_success:
            raise self._refusal(response, doing)
        return response

    def read(self, shape: TypeAdapter[Answer], method: str, *path: str, doing: str, **request: Any) -> Answer:
        """Send, and return the JSON of the answer as `shape`."""
        return self._parsed(shape, self.send(method, *path, doing=doing, **request), doing)

    def find(self, shape: TypeAdapter[Answer], *path: str, doing: str, **request: Any) -> Answer | None:
        """GET what may not be there: None for a 404."""
        response = self._exchange("GET", path, doing, request)
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise self._refusal(response, doing)
        return self._parsed(shape, response, doing)

    def _parsed(self, shape: TypeAdapter[Answer], response: httpx.Response, doing: str) -> Answer:
        try:
            return shape.validate_json(response.content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"]) or "the answer"
            raise KestraError(
                f"{doing}: {self.url} does not answer as Kestra 1.1 does ({where}: {first['msg']}); check the URL"
            ) from None

    def _exchange(self, method: str, path: tuple[str, ...], doing: str, request: dict[str, Any]) -> httpx.Response:
        import httpx

        try:
            return self._client.request(method, "/" + "/".join(quote(part, safe="") for part in path), **request)
        except httpx.TimeoutException:
            raise KestraSilentError(
                f"{doing}: Kestra at {self.url} did not answer within {self.timeout:g} s; "
                "look at its log, then run it again"
            ) from None
        except httpx.TransportError as error:
            raise self._unreachable(error, doing) from None

    def _unreachable(self, error: httpx.TransportError, doing: str) -> KestraError:
        said = " ".join(str(error).split()) or type(error).__name__
        if "SSL" in said or "TLS" in said or "CERTIFICATE" in said:
            return KestraError(
                f"{doing}: no TLS connection to Kestra at {self.url} ({said}); "
                "check http:// or https://, and that SSL_CERT_FILE names the authority of its certificate"
            )
        return KestraSilentError(f"{doing}: cannot reach Kestra at {self.url} ({said}); check that it runs and the URL")

    def _refusal(self, response: httpx.Response, doing: str) -> KestraError:
        said = _message(response)
        if response.status_code in {401, 403}:
            said = f"user or password refused ({response.status_code}): {_LOGIN}"
        kind = KestraSilentError if response.status_code in _SILENT else KestraError
        return kind(f"{doing}: Kestra at {self.url}: {said}")


def _without_login(text: str) -> str:
    """Text that may not even be a URL, without what stands before its last `@`."""
    scheme, separator, _ = text.partition("://")
    return text if "@" not in text else f"{scheme + separator if separator else ''}{text.rpartition('@')[2]}"


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None)).rstrip("/")


def _message(response: httpx.Response) -> str:
    """The server's own words, on one line, with the status."""
    try:
        said = response.json()["message"]
    except (ValueError, KeyError, TypeError):
        said = response.reason_phrase
    return f"{' '.join(str(said).split())} ({response.status_code})"
