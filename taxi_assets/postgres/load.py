"""A month's load: the file into a work table, then one transaction that merges it into trips and publishes staging."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from psycopg import Connection, sql

from taxi_assets.postgres.connection import Warehouse, keep_open, statement, told_plainly
from taxi_assets.postgres.copied import CopiedMonth, Load
from taxi_assets.postgres.locks import lock_table
from taxi_assets.postgres.publish import delete_file, index_new_rows, publish
from taxi_assets.postgres.records import forget_record, record_of
from taxi_assets.postgres.tables import prepare
from taxi_assets.postgres.work import fill, work_table
from taxi_assets.settings import Settings
from taxi_assets.trips.csvfile import TripCsv
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile

__all__ = ["Load", "Loader"]

_BYTES_PER_STREAM = 500_000
"""Gzipped bytes that make another connection worth its start (about 10 ms)."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads months into a warehouse."""

    warehouse: Warehouse
    settings: Settings

    def load(
        self,
        dataset: Dataset,
        month: Month,
        raw: RawFile,
        *,
        run_id: str = "",
        replace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Load:
        """Load a month: staging ends with exactly its rows, trips with those added whose id was not there.

        With `replace`, rows that came from the same file before are taken out in the same transaction. All or
        nothing: on any error both tables are as they were. `progress` is told the rows read so far.

        Raises FileError for a file that does not fit, BusyError when a lock is held too long, and WarehouseError.
        """
        with self.copied(dataset, month, raw, progress) as copied:
            return publish(copied, self.settings, run_id=run_id, replace=replace)

    @contextmanager
    def copied(
        self, dataset: Dataset, month: Month, raw: RawFile, progress: Callable[[int], None] | None = None
    ) -> Iterator[CopiedMonth]:
        """The first half of `load`: the month in a work table, for as long as the context is open."""
        load = Load(dataset.file_name(month))
        file = TripCsv(raw.path, dataset, max_bytes=self.settings.max_csv_mb * 1_000_000)
        load.header = tuple(column.name for column in file.columns)
        with ExitStack() as stack:
            with told_plainly(f"loading {load.filename}"):
                connections = self._connect(stack, f"taxi_assets {dataset.taxi} {month}", raw)
                tables = prepare(connections[0], dataset)
                record = record_of(connections[0], load.filename)
                same_file = record is not None and record.sha256 == raw.sha256
                work = stack.enter_context(work_table(connections[0], tables, month))
                with load.timed("copy"):
                    fill(connections, work, file, progress, partial(index_new_rows, tables, load, same_file))
            load.rows_read, load.csv_bytes = work.rows, file.size
            load.seconds["unpack"] = file.seconds_unpacking
            yield CopiedMonth(month, raw, tables, connections, work, load, same_file)

    def remove(self, dataset: Dataset, month: Month) -> int:
        """Take out of both tables the rows that a month's file brought, in one transaction; return how many of trips.

        A trip that two files hold was loaded from the first of them only, and goes with that one.
        """
        filename = dataset.file_name(month)
        with told_plainly(f"removing {filename}"), self._session(f"taxi_assets {dataset.taxi} {month}") as connection:
            tables = prepare(connection, dataset)
            with (
                told_plainly(f"removing {filename}", tables.write_grant(connection.info.user)),
                connection.transaction(),
            ):
                lock_table(connection, tables.trips, "SHARE ROW EXCLUSIVE", self.settings.lock_timeout)
                removed = delete_file(connection, tables.trips, filename)
                delete_file(connection, tables.staging, filename)
                forget_record(connection, filename)
        return removed

    def _connect(self, stack: ExitStack, name: str, raw: RawFile) -> list[Connection]:
        streams = min(self.settings.copy_streams, 1 + raw.size // _BYTES_PER_STREAM)
        connections = [stack.enter_context(self._session(name)) for _ in range(streams)]
        for connection in connections[1:]:  # these work beside the first one and leave the other cores to it
            connection.execute("SET max_parallel_workers_per_gather = 0")
        return connections

    @contextmanager
    def _session(self, name: str) -> Iterator[Connection]:
        limits = statement(
            "limits.sql",
            work_mem=sql.Literal(f"{self.settings.work_mem_mb}MB"),
            lock_timeout=sql.Literal(int(self.settings.lock_timeout * 1000)),
        )
        with self.warehouse.connect(name) as connection:
            keep_open(connection)
            connection.execute(limits)
            yield connection
