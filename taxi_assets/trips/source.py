"""Where the trip files come from: a mirror on the web or in a folder, onto the disk, verified.

This is the only room's door: what is published, what is already here, and fetching what is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

from taxi_assets.errors import SettingsError, UnreachableError
from taxi_assets.settings import Settings
from taxi_assets.trips import raw_folder
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.origin import Origin, Progress, Published, not_published
from taxi_assets.trips.origin_folder import FolderOrigin, folder_of

__all__ = ["Published", "RawFile", "Source"]


@dataclass(frozen=True, slots=True)
class RawFile:
    """A month's .csv.gz on the disk, whole and verified."""

    path: Path
    url: str
    """Where it is published; never with a password."""
    sha256: str
    """Of the .gz, in hex."""
    size: int
    """Bytes of the .gz."""
    etag: str | None
    last_modified: str | None
    """As the server writes it; ISO 8601 in UTC for a file:// source."""
    fetched: bool
    """False when the copy on the disk was used again."""
    note: str | None
    """What a person should know about it, such as that the source did not answer."""


class Source:
    """A mirror, `{url}/{taxi}/{taxi}_tripdata_{YYYY-MM}.csv.gz`, and the folder that keeps what came from it."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        timeout: float,
        attempts: int,
        max_csv_bytes: int,
        backoff: float = 1.0,
        stopped: Event | None = None,
    ) -> None:
        """`timeout` is seconds without a byte; `backoff` about the seconds before the second try, doubling from there.
        Once `stopped` is set, there is no other try.

        Raises SettingsError for a URL that cannot be a source. Touches neither disk nor network.
        """
        self._url, self._login = _split_login(url)
        self._folder = folder
        self._timeout = timeout
        self._attempts = attempts
        self._max_csv_bytes = max_csv_bytes
        self._backoff = backoff
        self._stopped = stopped or Event()
        if self._is_folder and folder_of(self._url).resolve() == folder.resolve():
            raise SettingsError(f"TAXI_SOURCE_URL is {folder}, where downloads are kept: point it to another folder")

    @classmethod
    def from_settings(cls, settings: Settings, stopped: Event | None = None) -> Self:
        return cls(
            settings.source_url,
            settings.data_dir / "raw",
            timeout=settings.http_timeout,
            attempts=settings.http_attempts,
            max_csv_bytes=settings.max_csv_mb * 1_000_000,
            stopped=stopped,
        )

    def url_of(self, dataset: Dataset, month: Month) -> str:
        """Where a month is published, without user and password."""
        return f"{self._url}/{_name(dataset, month)}"

    def path_of(self, dataset: Dataset, month: Month) -> Path:
        """Where a month's file is kept once fetched."""
        return self._folder / _name(dataset, month)

    def check(self) -> None:
        """Raises UnreachableError or SourceError when nothing answers, asked once; an HTTP error is an answer."""
        self._origin.check()

    def probe(self, dataset: Dataset, month: Month) -> Published | None:
        """What is published for a month, without fetching it; None when there is nothing (404, 410, no file).

        Raises UnreachableError when the source does not answer, SourceError when it refuses.
        """
        return self._origin.probe(_name(dataset, month))

    def fetch(self, dataset: Dataset, month: Month, progress: Progress | None = None) -> RawFile:
        """The month's file on the disk: the copy there if the source still has the same, else a new download.

        The copy is also used, with a note, when the source does not answer. Other processes that fetch the same
        month wait for this one. `progress` gets the bytes received and expected during a download.

        Raises NotPublishedError; UnreachableError or another SourceError; FileError for a damaged file, of which
        nothing is kept; DiskError.
        """
        path = self.path_of(dataset, month)
        with raw_folder.locked(path):
            kept = self._kept(dataset, month)
            return kept or self._download(dataset, month, progress or _silent)

    def discard(self, dataset: Dataset, month: Month) -> None:
        """Remove a month's file and record, if there, so that the next fetch downloads it. Raises DiskError."""
        path = self.path_of(dataset, month)
        if path.parent.is_dir():
            with raw_folder.locked(path):
                raw_folder.remove(path)

    def _kept(self, dataset: Dataset, month: Month) -> RawFile | None:
        """The copy on the disk, if its bytes are right and it is what the source has now."""
        path = self.path_of(dataset, month)
        record = raw_folder.verified_record(path)
        if record is None or record.url != self.url_of(dataset, month):
            return None
        try:
            published = self.probe(dataset, month)
        except UnreachableError as error:
            return _raw_file(path, record, fetched=False, note=f"{error}; using the copy downloaded before")
        if published is None:
            raise not_published(record.url)
        same = published.same_as(Published(record.size, record.etag, record.last_modified))
        return _raw_file(path, record, fetched=False) if same else None

    def _download(self, dataset: Dataset, month: Month, progress: Progress) -> RawFile:
        path, url = self.path_of(dataset, month), self.url_of(dataset, month)
        with raw_folder.Part(path, url, self._max_csv_bytes) as part:
            published = self._origin.download(_name(dataset, month), part, progress)
            record = part.publish(url, published.etag, published.last_modified)
        return _raw_file(path, record, fetched=True)

    @property
    def _is_folder(self) -> bool:
        return self._url.startswith("file:")

    @cached_property
    def _origin(self) -> Origin:
        if self._is_folder:
            return FolderOrigin(self._url)
        from taxi_assets.trips.origin_http import HttpOrigin

        return HttpOrigin(
            self._url,
            self._login,
            timeout=self._timeout,
            attempts=self._attempts,
            backoff=self._backoff,
            stopped=self._stopped,
        )


def _name(dataset: Dataset, month: Month) -> str:
    return f"{dataset.taxi}/{dataset.file_name(month)}.gz"


def _raw_file(path: Path, record: raw_folder.Record, *, fetched: bool, note: str | None = None) -> RawFile:
    return RawFile(path, record.url, record.sha256, record.size, record.etag, record.last_modified, fetched, note)


def _silent(_received: int, _expected: int | None) -> None:
    """Tells nobody."""


def _split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without user and password, and these. The messages do not show the URL, as it may hold a password."""
    try:
        parts = urlsplit(url.rstrip("/"))
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not url.startswith(("http://", "https://", "file://")) or (parts.scheme != "file" and not host):
        raise SettingsError(
            "TAXI_SOURCE_URL is not a http://, https:// or file:// URL "
            "(special characters in a password must be written as %xx)"
        )
    if parts.query or parts.fragment:
        raise SettingsError(
            "TAXI_SOURCE_URL has a ? or # in it: give the address of the folder, write these as %3F, %23"
        )
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.username is None and parts.password is None:
        return plain, None
    return plain, (unquote(parts.username or ""), unquote(parts.password or ""))
