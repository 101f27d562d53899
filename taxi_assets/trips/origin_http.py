"""Trip files from a web server. Asks again after what may pass, and goes on where a broken download stopped.

Imported only when something is fetched: httpx takes a while to import.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from threading import Event
from typing import TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from taxi_assets import __version__
from taxi_assets.errors import FileError, SourceError, UnreachableError
from taxi_assets.trips.gzip_check import CutShortError
from taxi_assets.trips.origin import Progress, Published, not_published
from taxi_assets.trips.raw_folder import Part

MAX_WAIT = 60.0
"""Most seconds to wait before another try, whatever the server asks for."""
MAX_REDIRECTS = 5

_MISSING = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
_TO_RANGE = (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
_NO_HEAD = (httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.NOT_IMPLEMENTED)

T = TypeVar("T")


class TryAgainError(Exception):
    """A try failed in a way that may pass. `wait` is in seconds; None leaves it to the backoff."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks to wait, at most MAX_WAIT. It holds seconds or a date (RFC 9110)."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}", value):
        return min(float(value), MAX_WAIT)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return min(max((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds(), 0.0), MAX_WAIT)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


class HttpOrigin:
    """An Origin over http(s). Redirects are followed to http(s) only; the password stays with the first host."""

    def __init__(
        self,
        url: str,
        login: tuple[str, str] | None,
        *,
        timeout: float,
        attempts: int,
        backoff: float,
        stopped: Event,
    ) -> None:
        """`timeout` is seconds without a byte, `backoff` the seconds that the first wait is about; it doubles then.
        There is no other try once `stopped` is set."""
        self._url = url
        self._login = login
        self._timeout = timeout
        self._attempts = attempts
        self._stopped = stopped
        self._backoff = wait_exponential(multiplier=backoff, max=MAX_WAIT) + wait_random(0, backoff)

    def check(self) -> None:
        """Ask once. Any answer will do, an error page too."""
        with self._client() as client:
            try:
                with transport_errors(self._url):
                    client.head(self._url, follow_redirects=False)
            except TryAgainError as error:
                raise self._unreachable(self._url, f"{error}") from error

    def probe(self, name: str) -> Published | None:
        url = f"{self._url}/{name}"
        with self._client() as client:
            return self._persist(url, lambda: _head(client, url))

    def download(self, name: str, part: Part, progress: Progress) -> Published:
        url = f"{self._url}/{name}"
        with self._client() as client:
            return self._persist(url, _Download(client, url, part, progress).try_once)

    def _client(self) -> httpx.Client:
        return httpx.Client(
            auth=self._login,
            verify=_tls(),
            timeout=self._timeout,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            headers={"Accept-Encoding": "identity", "User-Agent": f"taxi_assets/{__version__}"},
        )

    def _persist(self, url: str, work: Callable[[], T]) -> T:
        tries = Retrying(
            stop=stop_after_attempt(self._attempts) | stop_when_event_set(self._stopped),
            sleep=sleep_using_event(self._stopped),
            wait=self._wait,
            retry=retry_if_exception_type(TryAgainError),
            reraise=True,
        )
        try:
            return tries(work)
        except TryAgainError as error:
            raise self._unreachable(url, f"{error}, after {self._attempts} tries") from error

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.wait if isinstance(error, TryAgainError) else None
        return self._backoff(state) if asked is None else asked

    def _unreachable(self, url: str, reason: str) -> UnreachableError:
        return UnreachableError(f"cannot get {url}: {reason}: check the network and TAXI_SOURCE_URL, then run again")


class _Download:
    """One file over several tries, each of which goes on where the last one broke off if the server can do that."""

    def __init__(self, client: httpx.Client, url: str, part: Part, progress: Progress) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._progress = progress
        self._told = Published(None, None, None)
        self._resumed = False

    def try_once(self) -> Published:
        """Raises TryAgainError when another try may help."""
        try:
            self._receive()
            if self._told.size not in (None, self._part.size):
                self._part.restart()
                raise TryAgainError(
                    f"the parts it sends do not make up the {self._told.size} bytes it announced", wait=0
                )
            self._part.finish()
        except FileError as error:
            if isinstance(error, CutShortError) and self._told.size is None:
                raise TryAgainError("the connection ended in the middle of the file") from error
            if not self._resumed:
                raise
            self._part.restart()
            raise TryAgainError("the file is damaged or changed between two tries", wait=0) from error
        return Published(self._part.size, self._told.etag, self._told.last_modified)

    def _receive(self) -> None:
        asked = self._range()
        with transport_errors(self._url), self._client.stream("GET", self._url, headers=asked) as answer:
            if asked and answer.status_code in _TO_RANGE:
                self._resume(answer)
            else:
                self._start(answer)
            for data in answer.iter_raw():
                self._part.write(data)
                self._progress(self._part.size, self._told.size)

    def _range(self) -> dict[str, str]:
        """A weak ETag does not promise equal bytes, so it is no ground to go on from."""
        etag = self._told.etag
        version = etag if etag and not etag.startswith("W/") else self._told.last_modified
        if not self._part.size or version is None:
            return {}
        return {"Range": f"bytes={self._part.size}-", "If-Range": version}

    def _fits(self, answer: httpx.Response) -> bool:
        """Whether a partial answer goes on exactly here, in the same version of the file."""
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != self._part.size:
            return False
        size = None if match[2] == "*" else int(match[2])
        etag = answer.headers.get("ETag")
        return (size is None or self._told.size in (None, size)) and etag in (None, self._told.etag)

    def _resume(self, answer: httpx.Response) -> None:
        if answer.status_code != httpx.codes.PARTIAL_CONTENT or not self._fits(answer):
            self._part.restart()
            raise TryAgainError("the file changed between two tries", wait=0)
        self._resumed = True

    def _start(self, answer: httpx.Response) -> None:
        if answer.status_code in _MISSING:
            raise not_published(self._url)
        _require_ok(answer, self._url)
        self._part.restart()
        self._resumed = False
        self._told = _published(answer)


def _head(client: httpx.Client, url: str) -> Published | None:
    with transport_errors(url):
        answer = client.head(url)
        if answer.status_code in _NO_HEAD:
            with client.stream("GET", url) as answer:  # its body is not read
                pass
    if answer.status_code in _MISSING:
        return None
    _require_ok(answer, url)
    return _published(answer)


def _require_ok(answer: httpx.Response, url: str) -> None:
    status = answer.status_code
    if status == httpx.codes.OK:
        return
    said = f"the server answers {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500:
        raise TryAgainError(said, retry_after(answer.headers.get("Retry-After"), datetime.now(UTC)))
    raise SourceError(f"cannot get {url}: {said}: check TAXI_SOURCE_URL, and user and password in it if it needs them")


def _published(answer: httpx.Response) -> Published:
    size = answer.headers.get("Content-Length")
    return Published(
        int(size) if size is not None and re.fullmatch(r"\d+", size) else None,
        answer.headers.get("ETag"),
        answer.headers.get("Last-Modified"),
    )


@contextmanager
def transport_errors(url: str) -> Iterator[None]:
    """Turn httpx's errors into TryAgainError, or SourceError where trying again cannot help."""
    try:
        yield
    except httpx.InvalidURL as error:
        raise SourceError(f"cannot get {url!r}, which is not a URL: check TAXI_SOURCE_URL") from error
    except httpx.TooManyRedirects as error:
        raise SourceError(
            f"cannot get {url}: it redirects in a circle, or more than {MAX_REDIRECTS} times: check TAXI_SOURCE_URL"
        ) from error
    except httpx.UnsupportedProtocol as error:
        raise SourceError(
            f"cannot get {url}: it redirects to something that is not http(s): check TAXI_SOURCE_URL"
        ) from error
    except httpx.TimeoutException as error:
        raise TryAgainError("no answer in time (TAXI_HTTP_TIMEOUT)") from error
    except httpx.TransportError as error:
        if (fault := _tls_fault(error)) is not None:
            raise SourceError(
                f"cannot get {url}: no secure connection, {fault}: check TAXI_SOURCE_URL and the machine's certificates"
            ) from error
        raise TryAgainError(" ".join(str(error).split()) or type(error).__name__) from error


def _tls_fault(error: BaseException) -> str | None:
    """What TLS objects to, if it is that. A connection that merely broke off during the handshake is not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return (cause.reason or "TLS failed").lower().replace("_", " ")
        cause = cause.__cause__ or cause.__context__
    return None
