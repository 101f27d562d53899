"""The merge: what the flow's MERGE inserts, in the transaction that publishes the month."""

from __future__ import annotations

from psycopg import Connection, sql

from taxi_assets.postgres.connection import statement
from taxi_assets.postgres.matching import PickupRanges
from taxi_assets.postgres.tables import TripTables


def count_matched(connection: Connection, tables: TripTables, rows: sql.Identifier, ranges: PickupRanges) -> int:
    """How many of the rows have an id that the trips table holds already."""
    _steer_planner(connection)
    query = statement("count_matched.sql", rows=rows, trips=tables.trips, candidates=ranges.candidates(tables))
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def merge(connection: Connection, tables: TripTables, rows: sql.Identifier, count: int, ranges: PickupRanges) -> int:
    """Insert into trips the rows whose id it does not hold, and return how many those are.

    Counting first pays: the count runs in parallel, which an INSERT cannot, and in nearly every month nothing or
    everything matches. The caller holds a lock on trips that keeps other writers out.
    """
    matched = count_matched(connection, tables, rows, ranges)
    if matched == count:
        return 0
    into = {"table": tables.trips, "rows": rows, "columns": tables.columns}
    if matched == 0:
        inserts = [statement("insert_all.sql", part=part, **into) for part in ranges.parts(tables)]
    else:
        candidates = ranges.candidates(tables)
        inserts = [
            statement("insert_unmatched.sql", part=part, candidates=candidates, **into) for part in ranges.parts(tables)
        ]
    return sum(connection.execute(insert).rowcount for insert in inserts)


def _steer_planner(connection: Connection) -> None:
    """Without statistics of a table just filled, the planner may loop over a million rows for each of a million."""
    connection.execute(
        "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off"
    )
