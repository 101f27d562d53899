"""Checking a gzip file while it streams by, in bounded memory. Knows nothing of where the bytes come from or go."""

from __future__ import annotations

import zlib

from taxi_assets.errors import FileError

_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31
_HEAD = 64
"""Bytes to look at before saying what a file is that is not gzip."""
_STEP = 1 << 20
"""Most bytes unpacked at a time, however well they were packed."""
_OVERHEAD = 1 << 16
"""Bytes by which gzip may exceed what it holds, before it counts as a bomb of empty members."""
_ANOTHER_SOURCE = "try again later, or set TAXI_SOURCE_URL to another source"


class CutShortError(FileError):
    """The bytes end before the gzip data does, or there are none."""


class GzipCheck:
    """Takes the bytes of one `.gz` in any portions: `feed` each, then `finish` once.

    Several members after one another are one file, as for gunzip; zeros or anything else behind them are not.
    Checksum and length of every member are verified (by zlib, RFC 1952).
    """

    def __init__(self, label: str, max_csv_bytes: int) -> None:
        """`label` names the file in errors; `max_csv_bytes` is how much it may unpack to."""
        self._label = label
        self._limit = max_csv_bytes
        self._head = b""
        self._begun = False
        self._members = 0
        self._between_members = True
        self._member = zlib.decompressobj(wbits=_GZIP_WBITS)
        self._packed = 0
        self._unpacked = 0

    def feed(self, data: bytes) -> None:
        """Raises FileError as soon as the bytes cannot be a gzip file within the limit."""
        self._packed += len(data)
        if self._begun:
            self._unpack(data)
            return
        self._head += data
        if len(self._head) >= _HEAD:
            self._begin()

    def finish(self) -> None:
        """Raises CutShortError when the file is empty or not whole."""
        if not self._head:
            raise CutShortError(f"{self._label} is empty (0 bytes): {_ANOTHER_SOURCE}")
        if not self._begun:
            self._begin()
        if not self._between_members:
            raise CutShortError(f"{self._label} is cut short, its gzip data has no end: {_ANOTHER_SOURCE}")

    def _begin(self) -> None:
        if not self._head.startswith(_MAGIC[: len(self._head)]):
            raise FileError(
                f"{self._label} is {_kind(self._head)}: check that TAXI_SOURCE_URL is where the .csv.gz are"
            )
        self._begun = True
        self._unpack(self._head)

    def _unpack(self, data: bytes) -> None:
        while data:
            try:
                self._unpacked += len(self._member.decompress(data, _STEP))
            except zlib.error as error:
                raise FileError(f"{self._label} is damaged, {self._damage(error)}: {_ANOTHER_SOURCE}") from error
            self._refuse_bomb()
            self._between_members = self._member.eof
            if self._member.eof:
                self._members += 1
                data = self._member.unused_data
                self._member = zlib.decompressobj(wbits=_GZIP_WBITS)
            else:
                data = self._member.unconsumed_tail

    def _damage(self, error: zlib.error) -> str:
        if self._between_members and self._members:
            return "other bytes follow its gzip data"
        return f"zlib says {str(error).rpartition(': ')[2]!r}"

    def _refuse_bomb(self) -> None:
        if self._unpacked > self._limit or self._packed > self._limit + _OVERHEAD:
            raise FileError(
                f"{self._label} unpacks to more than {self._limit:,} bytes: "
                "raise TAXI_MAX_CSV_MB if such a big file is expected"
            )


def _kind(head: bytes) -> str:
    if head.lstrip().startswith(b"<"):
        return "a web page (HTML), not gzip"
    return f"not gzip, it starts with {head[:24]!r}"
