"""A mirror whose files a test writes, and a month's run over it as the assets do it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from taxi_assets.errors import FileError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Load, Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.quirks import PUBLISHED, Quirks
from taxi_assets.trips.sample import csv_chunks
from taxi_assets.trips.source import RawFile, Source

YELLOW, GREEN = DATASETS["yellow"], DATASETS["green"]
APRIL = Month(2019, 4)


@lru_cache(maxsize=32)
def csv_of(dataset: Dataset, month: Month, rows: int, seed: int = 0, quirks: Quirks = PUBLISHED) -> bytes:
    """A generated month's CSV."""
    return b"".join(csv_chunks(dataset, month, rows, seed=seed, quirks=quirks))


def packed(csv: bytes) -> bytes:
    return gzip.compress(csv, compresslevel=1, mtime=0)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A folder that is a source."""

    folder: Path

    @property
    def url(self) -> str:
        return self.folder.as_uri()

    def path(self, dataset: Dataset, month: Month) -> Path:
        return self.folder / dataset.taxi / f"{dataset.file_name(month)}.gz"

    def publish(self, dataset: Dataset, month: Month, body: bytes | None) -> Path:
        """Put the bytes in the month's place; None takes the month away."""
        path = self.path(dataset, month)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if body is not None:
            path.write_bytes(body)
        return path


def fetched(settings: Settings, dataset: Dataset, month: Month) -> RawFile:
    return Source.from_settings(settings).fetch(dataset, month)


def load_month(settings: Settings, dataset: Dataset, month: Month) -> Load:
    """Fetch and load; a file that turns out bad is not kept, so that a repaired one is fetched next time."""
    source = Source.from_settings(settings)
    raw = source.fetch(dataset, month)
    try:
        return Loader(Warehouse.from_settings(settings), settings).load(dataset, month, raw)
    except FileError:
        source.discard(dataset, month)
        raise
