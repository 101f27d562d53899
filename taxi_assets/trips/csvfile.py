"""A trip file as a stream of whole records: unpacked, its header checked, cut where several readers can share it."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import BadGzipFile
from pathlib import Path
from typing import IO

from isal import igzip, isal_zlib

from taxi_assets.errors import FileError, HeaderError
from taxi_assets.trips.datasets import DATASETS, Column, Dataset

_BLOCK = 1 << 20
_LONGEST_LINE = 64 << 20
"""Bytes. PostgreSQL takes lines up to 1 GB; a trip's line has about 100, so this only stops a runaway quote."""
_REPAIR = "repair the file at the source, then run the month again"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole records of a file, each ended by LF."""

    data: bytes
    line: int
    """Line of the file, counted from 1, where the first record stands."""
    lines: int
    """As many as records, and more where quoted text holds line ends."""
    records: int


class TripCsv:
    """One month's `.csv.gz`. Nothing is held in memory but the chunk at hand.

    Line ends may be LF, CRLF or mixed; a BOM, a missing final line end and blank lines at the end are fine. Columns
    may stand in any order. Raises FileError, one line that names file and line, for anything else.
    """

    def __init__(self, path: Path, dataset: Dataset, *, max_bytes: int) -> None:
        self.path = path
        self.dataset = dataset
        self.records = 0
        """Data rows seen so far; the file's own once `chunks` is exhausted."""
        self.size = 0
        """Bytes of CSV seen so far, unpacked."""
        self.seconds_unpacking = 0.0
        self._max_bytes = max_bytes
        self._blocks = self._unpack()
        self._rest = b""
        self._line = 1
        self.columns = self._read_header()
        """The file's columns in the file's order."""

    def chunks(self) -> Iterator[Chunk]:
        """The records, about a megabyte at a time. Raises FileError when there is none."""
        blank = b""
        for block in self._blocks:
            whole, self._rest = _split(blank + self._rest + block)
            if len(self._rest) > _LONGEST_LINE:
                raise self._error(f"line {self._line} is longer than {_LONGEST_LINE >> 20} MB or has an open quote")
            text = whole.rstrip(b"\r\n")
            blank = whole[len(text) :]
            if text:
                blank = blank.removeprefix(b"\r").removeprefix(b"\n")
                yield self._chunk(text)
        whole, self._rest = _split(blank + self._rest)
        if self._rest.count(b'"') % 2:
            line = self._line + whole.count(b"\n")
            raise self._error(f"line {line}: a quote opens here that is never closed")
        if last := (whole + self._rest).rstrip(b"\r\n"):
            yield self._chunk(last)
        if not self.records:
            raise self._error("has a header and no rows")

    def _chunk(self, text: bytes) -> Chunk:
        data, lines, records = _normalize(text + b"\n")
        chunk = Chunk(data, self._line, lines, records)
        self._line += lines
        self.records += records
        return chunk

    def _read_header(self) -> tuple[Column, ...]:
        for block in self._blocks:
            self._rest += block
            if b"\n" in self._rest or len(self._rest) > _BLOCK:
                break
        line, _, self._rest = self._rest.partition(b"\n")
        if not line.strip():
            raise self._error("is empty")
        try:
            names = next(csv.reader([line.decode("utf-8-sig").rstrip("\r")]))
        except (UnicodeDecodeError, csv.Error):
            raise self._header_error(f"line 1 is no CSV header: it begins {line[:60]!r}") from None
        self._line = 2
        return self._match(names)

    def _match(self, names: list[str]) -> tuple[Column, ...]:
        by_name = {column.sql_name: column for column in self.dataset.columns}
        found = [name.strip().lower() for name in names]
        if set(found) == set(by_name) and len(found) == len(by_name):
            return tuple(by_name[name] for name in found)
        for other in DATASETS.values():
            if other.taxi != self.dataset.taxi and found == [column.sql_name for column in other.columns]:
                raise self._header_error(f"has the header of a {other.taxi} file")
        if not set(found) & set(by_name):
            raise self._header_error(f"line 1 is not the header but {','.join(names)[:60]!r}")
        wrong = {
            "missing": [column.name for column in self.dataset.columns if column.sql_name not in found],
            "unknown": [name for name in names if name.strip().lower() not in by_name],
            "repeated": sorted({name for name in names if found.count(name.strip().lower()) > 1}),
        }
        said = "; ".join(f"{how} {', '.join(columns)}" for how, columns in wrong.items() if columns)
        raise self._header_error(f"line 1, header: {said}")

    def _unpack(self) -> Iterator[bytes]:
        try:
            with igzip.open(self.path, "rb") as stream:
                while block := self._read_block(stream):
                    self.size += len(block)
                    if self.size > self._max_bytes:
                        raise self._error(
                            f"unpacks to more than {self._max_bytes // 1_000_000} MB",
                            "if it is meant to be that large, raise TAXI_MAX_CSV_MB",
                        )
                    yield block
        except EOFError:
            raise self._error("is cut short: the gzip stream has no end", "run the month again") from None
        except (BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]  # the stub declares an instance
            raise self._error(f"is damaged gzip: {error}", "run the month again") from None
        except FileNotFoundError:
            raise self._error("is gone from the disk", "run the month again") from None

    def _read_block(self, stream: IO[bytes]) -> bytes:
        start = time.perf_counter()
        block = stream.read(_BLOCK)
        self.seconds_unpacking += time.perf_counter() - start
        return block

    def _header_error(self, what: str) -> HeaderError:
        return HeaderError(f"{self.path.name} {what}; {_REPAIR}")

    def _error(self, what: str, to_do: str = _REPAIR) -> FileError:
        return FileError(f"{self.path.name} {what}; {to_do}")


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Cut after the last line end that stands outside quotes."""
    cut = data.rfind(b"\n") + 1
    if b'"' not in data:
        return data[:cut], data[cut:]
    inside = data.count(b'"', 0, cut) % 2
    while inside and cut:
        before = data.rfind(b"\n", 0, cut - 1) + 1
        inside ^= data.count(b'"', before, cut) % 2
        cut = before
    return data[:cut], data[cut:]


def _normalize(data: bytes) -> tuple[bytes, int, int]:
    """End every record with LF alone, leave quoted text as it is, and count lines and records."""
    if b'"' not in data:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        lines = data.count(b"\n")
        return data, lines, lines
    parts = data.split(b'"')
    parts[::2] = [outside.replace(b"\r\n", b"\n") for outside in parts[::2]]
    data = b'"'.join(parts)
    return data, data.count(b"\n"), sum(outside.count(b"\n") for outside in parts[::2])
