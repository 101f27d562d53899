"""The merge: what the flow's MERGE inserts, in the transaction that publishes the month."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from taxi_assets.postgres.connection import statement
from taxi_assets.postgres.matching import PickupRanges
from taxi_assets.postgres.tables import TripTables
from taxi_assets.postgres.work import WorkTable


def merge(connection: Connection, tables: TripTables, work: WorkTable, ranges: PickupRanges, *, same_file: bool) -> int:
    """Insert into trips the rows whose id it does not hold, and return how many those are.

    Counting first pays: the count runs in parallel, which an INSERT cannot, and in nearly every month nothing or
    everything matches. `same_file` says that the month was last loaded from the very same file, so that its rows are
    probably all there; hashes of the ids on both sides prove it sooner than matching them, and where they differ the
    rows are matched. The caller holds a lock on trips that keeps other writers out.
    """
    _steer_planner(connection)
    candidates = ranges.candidates(tables)
    of = {"rows": work.identifier, "trips": tables.trips, "candidates": candidates}
    if (
        same_file
        and not ranges.everywhere
        and _same_ids(connection, statement("same_ids.sql", filename=sql.Literal(work.filename), **of))
    ):
        return 0
    matched = _value(connection, statement("count_matched.sql", **of))
    if matched == work.rows:
        return 0
    into = {"table": tables.trips, "rows": work.identifier, "columns": tables.columns}
    if matched == 0:
        inserts = [statement("insert_all.sql", part=part, **into) for part in ranges.parts(tables)]
    else:
        inserts = [
            statement("insert_unmatched.sql", part=part, candidates=candidates, **into) for part in ranges.parts(tables)
        ]
    return sum(connection.execute(insert).rowcount for insert in inserts)


def _same_ids(connection: Connection, query: sql.Composed) -> bool:
    # On one core: another one is reading the month's figures for the checks, and that takes twice as long as this.
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
    same: bool = _value(connection, query)
    connection.execute("SET LOCAL max_parallel_workers_per_gather TO DEFAULT")
    return same


def _value(connection: Connection, query: sql.Composed) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _steer_planner(connection: Connection) -> None:
    """Without statistics of a table just filled, the planner may loop over a million rows for each of a million."""
    connection.execute(
        "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"
    )
