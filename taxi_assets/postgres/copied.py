"""A month as far as it goes without touching a table that others see: copied into its work table, on open sessions."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

from taxi_assets.postgres.tables import TripTables
from taxi_assets.postgres.work import WorkTable
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.figures import LoadFigures
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile


@dataclass(slots=True)
class Load(LoadFigures):
    """What a month's load did. Phases: copy, unpack (beside copy), index (beside copy and match), match, lock, merge,
    checks, staging, commit."""

    staging_kept: int = 0
    """Rows of another, unfinished load that were left beside the month in staging."""
    staging_rows: int = 0
    """Rows of the file in staging afterwards, counted in the table."""
    total_rows: int | None = None
    """Rows in trips afterwards; None when another session kept them from being counted."""
    total_is_estimate: bool = False
    copied_ahead: bool = False
    """Whether the copy was made while another month was published."""


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
    same_file: bool
    """Whether the month was last loaded from the very same file, so that its rows are probably all in trips."""

    @property
    def dataset(self) -> Dataset:
        return self.tables.dataset
