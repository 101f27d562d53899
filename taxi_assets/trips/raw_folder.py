"""The folder of downloaded files: `{name}`, its record `{name}.json`, and `{name}.part` and `{name}.lock` meanwhile.

A file stands under its name only when it is whole and verified. Whoever writes a name holds its lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from taxi_assets.errors import DiskError
from taxi_assets.trips.gzip_check import GzipCheck


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about a downloaded file: where it came from, and what its bytes must be."""

    url: str
    sha256: str
    size: int
    etag: str | None
    last_modified: str | None


_RECORDS = TypeAdapter(Record)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"cannot write {path}: {error.strerror or error}: free space there or set TAXI_DATA_DIR to another folder"
        ) from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the name for this process, waiting for others; what a killed one left half-written is removed.

    The system drops the lock with the process that held it. Raises DiskError when the folder cannot be written.
    """
    lock = _beside(path, ".lock")
    with _writing(path):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _acquire(lock)
    with handle:
        try:
            with _writing(path):
                _remove_unfinished(path)
            yield
        finally:
            lock.unlink(missing_ok=True)


def _acquire(lock: Path) -> TextIOWrapper:
    """The last holder removes the file, so one that waited for it may hold a file without a name: then try again."""
    while True:
        handle = lock.open("a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle.fileno()), lock.stat()):
                return handle
            handle.close()
        except FileNotFoundError:
            handle.close()
        except BaseException:
            handle.close()
            raise


def _remove_unfinished(path: Path) -> None:
    for suffix in (".part", ".json.part"):
        _beside(path, suffix).unlink(missing_ok=True)


def verified_record(path: Path) -> Record | None:
    """The record of a file whose bytes still are what it says; None when either is missing or damaged."""
    try:
        record = _RECORDS.validate_json(_beside(path, ".json").read_bytes())
        if path.stat().st_size != record.size:
            return None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValidationError):
        return None
    return record if digest == record.sha256 else None


def remove(path: Path) -> None:
    """Take the file and its record away, if there. Raises DiskError."""
    with _writing(path):
        path.unlink(missing_ok=True)
        _beside(path, ".json").unlink(missing_ok=True)


class Part:
    """The file while it is being received: written to `{name}.part`, hashed and checked as it grows.

    Leaving the `with` without `publish` removes it. Writing raises DiskError, or FileError for bad bytes.
    """

    def __init__(self, target: Path, label: str, max_csv_bytes: int) -> None:
        """`label` names the file in errors; `max_csv_bytes` is how much it may unpack to."""
        self._target = target
        self._path = _beside(target, ".part")
        self._label = label
        self._max_csv_bytes = max_csv_bytes
        with _writing(target):
            self._file = self._path.open("wb")
        self.restart()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # a full disk fails the close as well, of a file that is thrown away
            self._file.close()
        _remove_unfinished(self._target)

    def restart(self) -> None:
        """Drop everything received."""
        with _writing(self._target):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._gzip = GzipCheck(self._label, self._max_csv_bytes)

    def write(self, data: bytes) -> None:
        with _writing(self._target):
            self._file.write(data)
        self.size += len(data)
        self._sha256.update(data)
        self._gzip.feed(data)

    def finish(self) -> None:
        """Nothing more comes. Raises CutShortError when the gzip data is not whole."""
        self._gzip.finish()

    def publish(self, url: str, etag: str | None, last_modified: str | None) -> Record:
        """Put the finished file in its place, safe on the disk, and write its record."""
        record = Record(url, self._sha256.hexdigest(), self.size, etag, last_modified)
        with _writing(self._target):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._target)
            _write_record(_beside(self._target, ".json"), record)
            _sync_folder(self._target.parent)
        return record


def _write_record(path: Path, record: Record) -> None:
    part = _beside(path, ".part")
    with part.open("wb") as file:
        file.write(_RECORDS.dump_json(record, indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
