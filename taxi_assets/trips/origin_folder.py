"""Trip files from a folder, `file://`: copied and checked like a download, so that all else sees one thing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from taxi_assets.errors import SettingsError, SourceError, UnreachableError
from taxi_assets.trips.origin import Progress, Published, not_published
from taxi_assets.trips.raw_folder import Part

_CHUNK = 1 << 18


def folder_of(url: str) -> Path:
    """The folder a file:// URL means, percent-escapes decoded as bytes. Raises SettingsError for another host's."""
    parts = urlsplit(url)
    folder = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.netloc not in ("", "localhost") or not folder.startswith("/") or "\0" in folder:
        raise SettingsError("TAXI_SOURCE_URL is not a folder of this machine: write it as file:///path/to/folder")
    return Path(folder)


class FolderOrigin:
    """An Origin over a folder in the layout of the mirror."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder = folder_of(url)

    def check(self) -> None:
        if not self._folder.is_dir():
            raise UnreachableError(f"there is no folder {self._folder}: check TAXI_SOURCE_URL, or mount the disk")

    def probe(self, name: str) -> Published | None:
        self.check()
        path = self._folder / name
        with self._reading(path):
            try:
                status = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(f"{path} is not a file: check TAXI_SOURCE_URL")
            return _published(status)

    def download(self, name: str, part: Part, progress: Progress) -> Published:
        before = self.probe(name)
        if before is None:
            raise not_published(f"{self._url}/{name}")
        path = self._folder / name
        with self._reading(path), path.open("rb") as file:
            while data := file.read(_CHUNK):
                part.write(data)
                progress(part.size, before.size)
            after = _published(os.fstat(file.fileno()))
        if after != before or part.size != after.size:
            raise SourceError(f"{path} changed while it was copied: run again when it is complete")
        part.finish()
        return after

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}: check its permissions") from error


def _published(status: os.stat_result) -> Published:
    changed = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds")
    return Published(status.st_size, None, changed)
