"""A month's load: the file into a work table, then one transaction that merges it into trips and publishes staging."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, errors, sql
from psycopg.types.string import TextLoader

from taxi_assets.errors import FileError, WarehouseError
from taxi_assets.postgres.connection import Warehouse, statement, told_plainly
from taxi_assets.postgres.locks import lock_table
from taxi_assets.postgres.matching import PickupRanges, pickup_ranges, summarize
from taxi_assets.postgres.merge import merge
from taxi_assets.postgres.records import LoadRecord, forget_record, loaded_from, write_record
from taxi_assets.postgres.staging import publish_staging
from taxi_assets.postgres.tables import TripTables, prepare
from taxi_assets.postgres.work import WorkTable, fill, work_table
from taxi_assets.settings import Settings
from taxi_assets.trips.csvfile import TripCsv
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile

_BYTES_PER_STREAM = 500_000
"""Gzipped bytes that make another connection worth its start (about 10 ms)."""


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
    preview: list[tuple[Any, ...]] = field(default_factory=list)
    header: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    """By phase: copy, index (a part of copy, beside it), match, lock, merge, staging, commit."""

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
        load = Load(dataset.file_name(month))
        file = TripCsv(raw.path, dataset, max_bytes=self.settings.max_csv_mb * 1_000_000)
        load.header = tuple(column.name for column in file.columns)
        with told_plainly(f"loading {load.filename}"), ExitStack() as stack:
            connections = self._connect(stack, f"taxi_assets {dataset.taxi} {month}", raw)
            tables = prepare(connections[0], dataset)
            work = stack.enter_context(work_table(connections[0], tables, month))
            with load.timed("copy"):
                fill(connections, work, file, progress, first=lambda connection: _summarize(connection, tables, load))
            load.rows_read, load.csv_bytes = work.rows, file.size
            with told_plainly(f"merging {load.filename}", tables.write_grant(connections[0].info.user)):
                ranges = self._look_at(connections[0], tables, work, month, load)
                replace = self._keep_generated_apart(connections[0], tables, load.filename, raw) or replace
                with ThreadPoolExecutor(1) as pool, connections[0].transaction():
                    self._publish(pool, connections, tables, work, ranges, load, replace=replace)
                    write_record(connections[0], _record(dataset, month, raw, load, run_id))
                    done = time.perf_counter()
                load.seconds["commit"] = time.perf_counter() - done
        return load

    def remove(self, dataset: Dataset, month: Month) -> int:
        """Take out of both tables the rows that a month's file brought, in one transaction; return how many of trips.

        A trip that two files hold was loaded from the first of them only, and goes with that one.
        """
        filename = dataset.file_name(month)
        with (
            told_plainly(f"removing {filename}"),
            self.warehouse.connect(f"taxi_assets {dataset.taxi} {month}") as connection,
        ):
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
        connections = [stack.enter_context(self.warehouse.connect(name)) for _ in range(streams)]
        limits = sql.SQL("SET work_mem = {}; SET lock_timeout = {}").format(
            sql.Literal(f"{self.settings.work_mem_mb}MB"), sql.Literal(int(self.settings.lock_timeout * 1000))
        )
        for connection in connections:
            connection.execute(limits)
        for connection in connections[1:]:  # these work beside the first one and leave the other cores to it
            connection.execute("SET max_parallel_workers_per_gather = 0")
        return connections

    def _look_at(
        self, connection: Connection, tables: TripTables, work: WorkTable, month: Month, load: Load
    ) -> PickupRanges:
        """Find the month's strays, and refuse a file that is mostly strays."""
        with load.timed("match"):
            ranges = pickup_ranges(connection, tables, work.identifier, month)
        load.rows_outside_month = ranges.outside
        if ranges.outside > self.settings.max_outside_share * work.rows:
            raise FileError(
                f"{work.filename}: {ranges.outside / work.rows:.0%} of its pickups lie outside {month}, so it looks "
                "like the file of another month; check the source, or raise TAXI_MAX_OUTSIDE_SHARE if it is right"
            )
        return ranges

    def _keep_generated_apart(self, connection: Connection, tables: TripTables, filename: str, raw: RawFile) -> bool:
        """Whether the month's rows so far are generated ones that a real file now replaces.

        Raises WarehouseError when it is the other way round: made-up trips never join real ones.
        """
        generated = self.settings.generated_dir.as_uri()
        before = loaded_from(connection, filename)
        if not raw.url.startswith(generated):
            return before is not None and before.startswith(generated)
        if (before is None or not before.startswith(generated)) and holds_file(connection, tables.trips, filename):
            raise WarehouseError(
                f"public.{tables.dataset.table} holds real trips of {filename}: generated ones are not mixed in; "
                "use another database (TAXI_POSTGRES_URL) to play with them"
            )
        return False

    def _publish(
        self,
        pool: ThreadPoolExecutor,
        connections: list[Connection],
        tables: TripTables,
        work: WorkTable,
        ranges: PickupRanges,
        load: Load,
        *,
        replace: bool,
    ) -> None:
        """Merge and publish inside the open transaction of the first connection."""
        connection = connections[0]
        with load.timed("lock"):
            lock_table(connection, tables.trips, "SHARE ROW EXCLUSIVE", self.settings.lock_timeout)
        # The INSERT keeps one core busy; a second connection, where there is one, reads and counts on another.
        reading = pool.submit(_read, connections[-1], tables, work, load)
        if connections[-1] is connection:
            wait([reading])
        with load.timed("merge"):
            removed = delete_file(connection, tables.trips, work.filename) if replace else 0
            load.rows_inserted = merge(connection, tables, work.identifier, work.rows, ranges)
        if (before := reading.result()) is not None:
            load.total_rows = before - removed + load.rows_inserted
        with (
            load.timed("staging"),
            told_plainly(f"publishing {work.filename}", tables.staging_grant(connection.info.user)),
        ):
            lock_table(connection, tables.staging, "ACCESS EXCLUSIVE", self.settings.lock_timeout)
            if replace:
                delete_file(connection, tables.staging_others, work.filename)
            load.staging_kept, attached = publish_staging(connection, tables, work, ranges.month)
            if not attached:
                load.staging_rows = count_file(connection, tables.staging, work.filename)
        if load.staging_rows != load.rows_read:
            raise WarehouseError(
                f"public.{tables.dataset.staging_table} would hold {load.staging_rows} rows of {work.filename}, which "
                f"has {load.rows_read}; empty it (TRUNCATE) if no other load is at work, then run the month again"
            )


def delete_file(connection: Connection, table: sql.Identifier, filename: str) -> int:
    """Delete a file's rows from a table and return how many they were."""
    return connection.execute(
        sql.SQL("DELETE FROM {} WHERE filename = {}").format(table, sql.Literal(filename))
    ).rowcount


def _summarize(connection: Connection, tables: TripTables, load: Load) -> None:
    with load.timed("index"):
        summarize(connection, tables)


def _read(connection: Connection, tables: TripTables, work: WorkTable, load: Load) -> int | None:
    """What the checks and people want to see of the month; return how many rows trips has, None when it is locked."""
    row = connection.execute(statement("stats.sql", rows=work.identifier)).fetchone()
    load.staging_rows, load.rows_without_vendor, different_ids = row or (0, 0, 0)
    load.repeated_ids = load.staging_rows - different_ids
    cursor = connection.cursor()
    cursor.adapters.register_loader("timestamp", TextLoader)  # Python has no year 10000 and no infinity
    load.preview = cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 5").format(work.identifier)).fetchall()
    query = statement("total_rows.sql", trips=sql.Literal(tables.trips.as_string(connection)), table=tables.trips)
    # A session that waits to take the table for itself lets no other one in, and waits for the load to end.
    with suppress(errors.LockNotAvailable), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        total, load.total_is_estimate = connection.execute(query).fetchone() or (0, False)
        return int(total)
    return None


def _record(dataset: Dataset, month: Month, raw: RawFile, load: Load, run_id: str) -> LoadRecord:
    return LoadRecord(
        filename=load.filename,
        taxi=dataset.taxi,
        month=str(month),
        url=raw.url,
        sha256=raw.sha256,
        etag=raw.etag,
        bytes=raw.size,
        rows_read=load.rows_read,
        rows_inserted=load.rows_inserted,
        rows_matched=load.rows_matched,
        run_id=run_id,
    )


def count_file(connection: Connection, table: sql.Identifier, filename: str) -> int:
    """How many rows of a file a table holds."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE filename = {}").format(table, sql.Literal(filename))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def holds_file(connection: Connection, table: sql.Identifier, filename: str) -> bool:
    """Whether a table holds any row of a file."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE filename = {})").format(table, sql.Literal(filename))
    return connection.execute(query).fetchone() == (True,)
