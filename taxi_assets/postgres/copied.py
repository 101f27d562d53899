"""A month as far as it goes without touching a table that others see: copied into its work table, on open sessions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from taxi_assets.postgres.tables import TripTables
from taxi_assets.postgres.work import WorkTable
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile


@dataclass(slots=True)
class Load:
    """What a month's load did. Counts are rows, times are seconds."""

    filename: str
    rows_read: int = 0
    rows_inserted: int = 0
    csv_bytes: int = 0
    rows_outside_month: int = 0
    rows_without_vendor: int = 0
    repeated_ids: int = 0
    staging_kept: int = 0
    """Rows of another, unfinished load that were left beside the month in staging."""
    staging_rows: int = 0
    """Rows of the file in staging afterwards, counted in the table."""
    total_rows: int | None = None
    """Rows in trips afterwards; None when another session kept them from being counted."""
    total_is_estimate: bool = False
    copied_ahead: bool = False
    """Whether the copy was made while another month was published."""
    preview: list[tuple[Any, ...]] = field(default_factory=list)
    header: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    """By phase: copy, match, index (beside match), lock, merge, staging, commit. Unpacking is beside copy."""

    @property
    def rows_matched(self) -> int:
        return self.rows_read - self.rows_inserted

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class CopiedMonth:
    """What the transaction that publishes a month needs."""

    month: Month
    raw: RawFile
    tables: TripTables
    connections: list[Connection]
    """The first one owns the work table and writes; the last one, another if there are several, reads beside it."""
    work: WorkTable
    load: Load

    @property
    def dataset(self) -> Dataset:
        return self.tables.dataset
