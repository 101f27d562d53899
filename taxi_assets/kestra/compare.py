"""The same months on both sides, and what differs: tables, labels, seconds.

Who runs a month, Dagster or Kestra, is the callers' business; this module goes through the months and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from psycopg import Connection, sql

from taxi_assets.errors import SettingsError
from taxi_assets.kestra.table_diff import TableComparison, compare_table
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import table_columns
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

LABELS = ("file", "taxi")
"""The labels that a flow sets, and a run carries as tags."""


@dataclass(frozen=True, slots=True)
class MonthRun:
    """What one side says about its run of a month. `error` is one line, None when it succeeded."""

    seconds: float
    labels: Mapping[str, str]
    error: str | None = None


RunMonth: TypeAlias = Callable[[Dataset, Month], MonthRun]


class KestraSide(Protocol):
    """Kestra's side: a server or a replay."""

    @property
    def how(self) -> str:
        """What this side is, in one sentence: the first line of every report."""

    @property
    def backfilling(self) -> bool:
        """Whether months are run by `run_months`, all at once."""

    def run_month(self, dataset: Dataset, month: Month) -> MonthRun: ...

    def run_months(self, dataset: Dataset, months: Sequence[Month]) -> Mapping[Month, MonthRun]: ...


@dataclass(frozen=True, slots=True)
class MonthComparison:
    """One month on both sides. `rows` is how many its file brought, by our side's staging or trips table."""

    month: Month
    ours: MonthRun
    kestra: MonthRun
    tables: tuple[TableComparison, ...]

    @property
    def rows(self) -> int:
        first = self.tables[0].ours
        return first.rows if first else 0

    @property
    def label_differences(self) -> tuple[str, ...]:
        pairs = ((name, self.ours.labels.get(name), self.kestra.labels.get(name)) for name in LABELS)
        return tuple(f"{name}: {ours} in Dagster, {kestra} in Kestra" for name, ours, kestra in pairs if ours != kestra)

    @property
    def same(self) -> bool:
        """Whether both sides succeeded and left the same."""
        succeeded = self.ours.error is None and self.kestra.error is None
        return succeeded and not self.label_differences and all(table.same for table in self.tables)


@dataclass(frozen=True, slots=True)
class Comparison:
    dataset: Dataset
    how: str
    """What Kestra's side was."""
    months: tuple[MonthComparison, ...]

    @property
    def same(self) -> bool:
        return bool(self.months) and all(month.same for month in self.months)


@dataclass(frozen=True, slots=True)
class Sides:
    """The two databases, each filled by one side alone."""

    ours: Warehouse
    kestra: Warehouse
    on_month: Callable[[MonthComparison], None] = field(default=lambda _month: None)

    def compare(self, dataset: Dataset, months: Sequence[Month], ours: RunMonth, kestra: KestraSide) -> Comparison:
        """Run the months on both sides and compare what they leave.

        Raises SettingsError when a database holds trips already, or both are the same one: both sides must start from
        nothing and leave each other alone.
        """
        _refuse_one_database(self.ours, self.kestra)
        for warehouse in (self.ours, self.kestra):
            _refuse_filled(warehouse, dataset)
        run = self._backfill if kestra.backfilling else self._month_by_month
        return Comparison(dataset, kestra.how, tuple(run(dataset, months, ours, kestra)))

    def _month_by_month(
        self, dataset: Dataset, months: Sequence[Month], ours: RunMonth, kestra: KestraSide
    ) -> Iterator[MonthComparison]:
        """Compare staging and trips after each month."""
        for month in months:
            runs = ours(dataset, month), kestra.run_month(dataset, month)
            tables = self._tables((dataset.staging_table, None), (dataset.table, None))
            yield self._told(MonthComparison(month, *runs, tables))

    def _backfill(
        self, dataset: Dataset, months: Sequence[Month], ours: RunMonth, kestra: KestraSide
    ) -> Iterator[MonthComparison]:
        """Compare the rows that each month's file brought once all are in.

        Staging holds the last month only, so it is compared there, together with all of trips.
        """
        mine = {month: ours(dataset, month) for month in months}
        others = kestra.run_months(dataset, months)
        for month in months:
            tables: list[tuple[str, str | None]] = [(dataset.table, dataset.file_name(month))]
            if month == months[-1]:
                tables += [(dataset.staging_table, None), (dataset.table, None)]
            yield self._told(MonthComparison(month, mine[month], others[month], self._tables(*tables)))

    def _tables(self, *tables: tuple[str, str | None]) -> tuple[TableComparison, ...]:
        with self.ours.connect() as ours, self.kestra.connect() as kestra:
            return tuple(compare_table(ours, kestra, f"public.{name}", filename) for name, filename in tables)

    def _told(self, month: MonthComparison) -> MonthComparison:
        self.on_month(month)
        return month


def _refuse_one_database(ours: Warehouse, kestra: Warehouse) -> None:
    """URLs may differ and mean the same, so the servers are asked: when they started, and which database this is."""
    identity = "SELECT pg_postmaster_start_time(), oid FROM pg_database WHERE datname = current_database()"
    with ours.connect() as one, kestra.connect() as other:
        if one.execute(identity).fetchone() == other.execute(identity).fetchone():
            raise SettingsError(
                f"both sides of the comparison are the database {ours.display}: give Kestra's side one of its own "
                "with --kestra-database-url"
            )


def _refuse_filled(warehouse: Warehouse, dataset: Dataset) -> None:
    with warehouse.connect() as connection:
        for table in (dataset.staging_table, dataset.table):
            if table_columns(connection, f"public.{table}") and _has_rows(connection, table):
                raise SettingsError(
                    f"public.{table} at {warehouse.display} holds rows already: "
                    "give a database without them, so that both sides start from nothing"
                )


def _has_rows(connection: Connection, table: str) -> bool:
    found = connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier("public", table)))
    return found.fetchone() is not None
