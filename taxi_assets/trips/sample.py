"""Deterministic trip months in the published shape, quirks included, for use without a network.

Nothing is copied from a published file; the proportions follow those of 2019 and 2020.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from taxi_assets.errors import SettingsError
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.quirks import HARD, PUBLISHED, Quirks
from taxi_assets.trips.sample_files import SampleFile, trips
from taxi_assets.trips.sample_rows import trip_table

__all__ = ["HARD", "PUBLISHED", "Quirks", "csv_chunks", "write_mirror", "write_month"]

_CHUNK = 250_000
"""Lines made at a time: enough to be fast, few enough to keep memory flat."""


def write_mirror(
    folder: Path,
    months: Iterable[Month],
    rows: int,
    *,
    datasets: Iterable[Dataset] = tuple(DATASETS.values()),
    seed: int = 0,
    quirks: Quirks = PUBLISHED,
) -> list[Path]:
    """Write a file of `rows` trips for each taxi and month, laid out so that `file://{folder}` is a source.

    Makes the folders, replaces files that are there, and returns the files' paths. See `write_month`.
    """
    paths = []
    taxis = tuple(datasets)
    for month in months:
        for dataset in taxis:
            path = folder / dataset.taxi / f"{dataset.file_name(month)}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_month(dataset, month, path, rows, seed=seed, quirks=quirks)
            paths.append(path)
    return paths


def write_month(
    dataset: Dataset, month: Month, path: Path, rows: int, *, seed: int = 0, quirks: Quirks = PUBLISHED
) -> None:
    """Write one month of `rows` trips as `.csv.gz`, replacing the file if there is one.

    The same arguments give the same content everywhere, and the same bytes wherever zlib packs alike. Raises
    SettingsError for a number of rows that cannot be.
    """
    chunks = csv_chunks(dataset, month, rows, seed=seed, quirks=quirks)
    # No time and no name inside, so that the bytes depend on nothing but the content.
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        for chunk in chunks:
            packed.write(chunk)


def csv_chunks(
    dataset: Dataset, month: Month, rows: int, *, seed: int = 0, quirks: Quirks = PUBLISHED
) -> Iterator[bytes]:
    """The month's CSV, uncompressed: the header, then chunks of whole lines. See `write_month`."""
    if not 0 <= rows < 2**31:
        raise SettingsError(f"rows is {rows}: choose a number from 0 to {2**31 - 1}")
    return _chunks(SampleFile(dataset, month, rows, seed, quirks))


def _chunks(file: SampleFile) -> Iterator[bytes]:
    yield (",".join(file.dataset.header) + file.line_ending).encode()
    for first in range(0, file.rows, _CHUNK):
        lines = np.arange(first, min(first + _CHUNK, file.rows), dtype=np.int64)
        yield _csv(trip_table(file.dataset, trips(file, lines)), file.line_ending)


def _csv(table: pa.Table, line_ending: str) -> bytes:
    sink = pa.BufferOutputStream()
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none", batch_size=50_000)
    arrow_csv.write_csv(table, sink, options)
    text: bytes = sink.getvalue().to_pybytes()
    return text if line_ending == "\n" else text.replace(b"\n", line_ending.encode())
