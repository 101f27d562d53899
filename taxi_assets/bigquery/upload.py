"""A month's CSV in the bucket: unpacked, whole, and sent only when it is not there yet."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from isal import igzip

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.errors import FileError, GoogleError
from taxi_assets.trips.csvfile import TripCsv
from taxi_assets.trips.datasets import Column, Dataset
from taxi_assets.trips.source import RawFile

if TYPE_CHECKING:
    from google.cloud.storage import Blob

_BLOCK = 1 << 20
_PART = 16 << 20
"""Bytes sent at a time; an upload that is cut goes on after the last part."""


@dataclass(frozen=True, slots=True)
class CsvFacts:
    """What the unpacked file must be."""

    raw: RawFile
    name: str
    columns: tuple[Column, ...]
    """In the file's order."""
    rows: int
    size: int
    md5: str
    """In base64, as Cloud Storage shows it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The file in the bucket."""

    uri: str
    size: int
    md5: str
    crc32c: str
    generation: int
    sent: bool
    """False when the same bytes were there already."""
    seconds: float


@contextmanager
def unpacked(raw: RawFile) -> Iterator[IO[bytes]]:
    """The CSV, read as it is unpacked. Raises FileError when it is gone: both warehouses use the file."""
    try:
        stream = igzip.open(raw.path, "rb")
    except FileNotFoundError:
        raise FileError(
            f"{raw.path.name} is gone from the disk, as with TAXI_KEEP_RAW=false when PostgreSQL was loaded from it "
            "meanwhile; run the month again"
        ) from None
    with stream:
        yield stream


def inspect(dataset: Dataset, raw: RawFile, name: str, max_bytes: int) -> CsvFacts:
    """Read the file through: header, rows, size, checksum. Raises FileError for a file that is not what it must be."""
    file = TripCsv(raw.path, dataset, max_bytes=max_bytes)
    for _ in file.chunks():
        pass
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with unpacked(raw) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return CsvFacts(raw, name, file.columns, file.records, size, base64.b64encode(digest.digest()).decode())


def upload(clients: Clients, file: CsvFacts) -> Upload:
    """Put the CSV into the bucket. Two at once send the same bytes; the second finds them there.

    Raises GoogleError when it cannot be sent, or does not arrive as it is.
    """
    from google.api_core.exceptions import PreconditionFailed

    start = time.perf_counter()
    bucket = clients.storage.bucket(clients.target.need_bucket())
    uri = f"gs://{bucket.name}/{file.name}"
    with told_plainly(f"uploading {uri}"):
        there = bucket.get_blob(file.name, **clients.storage_patience)
        if there is not None and there.md5_hash == file.md5:
            return _upload(uri, there, start, sent=False)
        blob = bucket.blob(file.name, chunk_size=_PART)
        try:
            with unpacked(file.raw) as stream:
                blob.upload_from_file(
                    stream,
                    content_type="text/csv",
                    checksum="crc32c",
                    if_generation_match=there.generation if there else 0,
                    **clients.storage_patience,
                )
        except PreconditionFailed:  # another run put an object there since we looked; it must hold the same
            pass
        blob.reload(**clients.storage_patience)
    if blob.md5_hash != file.md5:
        raise GoogleError(
            f"uploading {uri}: {blob.size} bytes arrived that are not those of {file.name} ({file.size} bytes); run "
            "the month again, which sends it anew"
        )
    return _upload(uri, blob, start, sent=True)


def _upload(uri: str, blob: Blob, start: float, *, sent: bool) -> Upload:
    seconds = time.perf_counter() - start
    return Upload(uri, blob.size or 0, blob.md5_hash, blob.crc32c, int(blob.generation or 0), sent, seconds)
