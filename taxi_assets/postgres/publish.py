"""The transaction that makes a copied month a part of trips and the content of staging, and what is read beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from psycopg import Connection, errors, sql
from psycopg.types.string import TextLoader

from taxi_assets.errors import FileError, WarehouseError
from taxi_assets.postgres.connection import statement, told_plainly
from taxi_assets.postgres.copied import CopiedMonth, Load
from taxi_assets.postgres.locks import lock_table
from taxi_assets.postgres.matching import pickup_ranges, summarize
from taxi_assets.postgres.merge import merge
from taxi_assets.postgres.records import LoadRecord, newest_file, record_of, write_record
from taxi_assets.postgres.staging import publish_staging
from taxi_assets.postgres.tables import TripTables
from taxi_assets.settings import Settings

_Result = TypeVar("_Result")


def publish(copied: CopiedMonth, settings: Settings, *, run_id: str, replace: bool) -> Load:
    """Merge and publish a month; return what its load did. Raises FileError, BusyError and WarehouseError.

    With `replace`, rows that came from the same file before are taken out in the same transaction.
    """
    connection, tables, load = copied.connections[0], copied.tables, copied.load
    with (
        told_plainly(f"loading {load.filename}"),
        told_plainly(f"merging {load.filename}", tables.write_grant(connection.info.user)),
        ThreadPoolExecutor(1) as pool,
    ):
        indexing = _beside(pool, copied, _index, "match")
        reading = _beside(pool, copied, _read, "checks")
        with load.timed("match"):
            ranges = pickup_ranges(connection, tables, copied.work.identifier, copied.month)
            indexing.result()
        load.rows_outside_month = ranges.outside
        _refuse_another_month(copied, settings)
        replace = _keep_generated_apart(copied, settings) or replace
        with connection.transaction():
            with load.timed("lock"):
                lock_table(connection, tables.trips, "SHARE ROW EXCLUSIVE", settings.lock_timeout)
            counting = _beside(pool, copied, _count_trips, "checks")
            with load.timed("merge"):
                removed = delete_file(connection, tables.trips, load.filename) if replace else 0
                load.rows_inserted = merge(
                    connection, tables, copied.work, ranges, same_file=copied.same_file and not replace
                )
            with load.timed("checks"):
                reading.result()
                if (rows_before := counting.result()) is not None:
                    load.total_rows = rows_before - removed + load.rows_inserted
            with load.timed("staging"):
                _publish_staging(copied, settings, replace=replace)
            write_record(connection, _record(copied, run_id))
            done = time.perf_counter()
        load.seconds["commit"] = time.perf_counter() - done
    return load


def _beside(
    pool: ThreadPoolExecutor, copied: CopiedMonth, work: Callable[[Connection, CopiedMonth], _Result], phase: str
) -> Future[_Result]:
    """Do something on the last connection beside what the first one does. With a single connection it is waited for, in
    the given phase."""
    future = pool.submit(work, copied.connections[-1], copied)
    if len(copied.connections) == 1:
        with copied.load.timed(phase):
            wait([future])
    return future


def _index(connection: Connection, copied: CopiedMonth) -> None:
    """For rows that came while the file was copied, or when a single connection had no time for it."""
    index_new_rows(copied.tables, copied.load, copied.same_file, connection)


def index_new_rows(tables: TripTables, load: Load, same_file: bool, connection: Connection) -> None:
    """Bring what came into trips since the last load into the BRIN index, so that this one need not read it along.

    When the last load of all was of the same file, those are the rows that this one is going to read anyway.
    """
    if same_file and newest_file(connection, tables.dataset.taxi) == load.filename:
        return
    with load.timed("index"), told_plainly(f"indexing public.{tables.dataset.table}"):
        summarize(connection, tables)


def _refuse_another_month(copied: CopiedMonth, settings: Settings) -> None:
    """Raise FileError for a file that is mostly strays."""
    rows, outside = copied.work.rows, copied.load.rows_outside_month
    if outside > settings.max_outside_share * rows:
        raise FileError(
            f"{copied.work.filename}: {outside / rows:.0%} of its pickups lie outside {copied.month}, so it looks "
            "like the file of another month; check the source, or raise TAXI_MAX_OUTSIDE_SHARE if it is right"
        )


def _keep_generated_apart(copied: CopiedMonth, settings: Settings) -> bool:
    """Whether the month's rows so far are generated ones that a real file now replaces.

    Raises WarehouseError when it is the other way round: made-up trips never join real ones.
    """
    connection, tables, filename = copied.connections[0], copied.tables, copied.work.filename
    generated = settings.generated_dir.as_uri()
    record = record_of(connection, filename)
    was_generated = record is not None and record.url.startswith(generated)
    if not copied.raw.url.startswith(generated):
        return was_generated
    if not was_generated and holds_file(connection, tables.trips, filename):
        raise WarehouseError(
            f"public.{tables.dataset.table} holds real trips of {filename}: generated ones are not mixed in; "
            "use another database (TAXI_POSTGRES_URL) to play with them"
        )
    return False


def _publish_staging(copied: CopiedMonth, settings: Settings, *, replace: bool) -> None:
    """Make the month staging's content, inside the open transaction."""
    connection, tables, load = copied.connections[0], copied.tables, copied.load
    with told_plainly(f"publishing {load.filename}", tables.staging_grant(connection.info.user)):
        lock_table(connection, tables.staging, "ACCESS EXCLUSIVE", settings.lock_timeout)
        if replace:
            delete_file(connection, tables.staging_others, load.filename)
        load.staging_kept, attached = publish_staging(connection, tables, copied.work, copied.month)
        if not attached:
            load.staging_rows = count_file(connection, tables.staging, load.filename)
    if load.staging_rows != load.rows_read:
        raise WarehouseError(
            f"public.{tables.dataset.staging_table} would hold {load.staging_rows} rows of {load.filename}, which "
            f"has {load.rows_read}; empty it (TRUNCATE) if no other load is at work, then run the month again"
        )


def _read(connection: Connection, copied: CopiedMonth) -> None:
    """What the checks and people want to see of the month."""
    work, load = copied.work, copied.load
    row = connection.execute(statement("stats.sql", rows=work.identifier)).fetchone()
    load.staging_rows, load.rows_without_vendor, different_ids = row or (0, 0, 0)
    load.repeated_ids = load.staging_rows - different_ids
    cursor = connection.cursor()
    cursor.adapters.register_loader("timestamp", TextLoader)  # Python has no year 10000 and no infinity
    load.preview = cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 5").format(work.identifier)).fetchall()


def _count_trips(connection: Connection, copied: CopiedMonth) -> int | None:
    """How many rows trips has before the load; None when it is locked."""
    trips = copied.tables.trips
    query = statement("total_rows.sql", trips=sql.Literal(trips.as_string(connection)), table=trips)
    # A session that waits to take the table for itself lets no other one in, and waits for the load to end.
    with suppress(errors.LockNotAvailable), connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '1s'")
        total, copied.load.total_is_estimate = connection.execute(query).fetchone() or (0, False)
        return int(total)
    return None


def _record(copied: CopiedMonth, run_id: str) -> LoadRecord:
    raw, load = copied.raw, copied.load
    return LoadRecord(
        filename=load.filename,
        taxi=copied.dataset.taxi,
        month=str(copied.month),
        url=raw.url,
        sha256=raw.sha256,
        etag=raw.etag,
        bytes=raw.size,
        rows_read=load.rows_read,
        rows_inserted=load.rows_inserted,
        rows_matched=load.rows_matched,
        run_id=run_id,
    )


def delete_file(connection: Connection, table: sql.Identifier, filename: str) -> int:
    """Delete a file's rows from a table and return how many they were."""
    return connection.execute(
        sql.SQL("DELETE FROM {} WHERE filename = {}").format(table, sql.Literal(filename))
    ).rowcount


def count_file(connection: Connection, table: sql.Identifier, filename: str) -> int:
    """How many rows of a file a table holds."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE filename = {}").format(table, sql.Literal(filename))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def holds_file(connection: Connection, table: sql.Identifier, filename: str) -> bool:
    """Whether a table holds any row of a file."""
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE filename = {})").format(table, sql.Literal(filename))
    return connection.execute(query).fetchone() == (True,)
