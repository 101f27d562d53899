"""Publishing a month as the content of the staging table, in the transaction that merges it.

A Kestra flow commits each of its statements by itself, so between two of them the staging table may hold rows that
are on their way into trips. Such rows are kept: the month is put beside them, and the flow's next statements find
them. All other rows that staging held are in trips already and go.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Connection, sql

from taxi_assets.postgres.connection import statement
from taxi_assets.postgres.matching import pickup_ranges
from taxi_assets.postgres.tables import TripTables
from taxi_assets.postgres.work import WorkTable
from taxi_assets.trips.months import Month


class Published(NamedTuple):
    """How a month became staging's content."""

    kept: int
    """Rows of somebody else's unfinished load that stayed beside it, nearly always 0."""
    attached: bool
    """The work table itself is a part of staging now; else its rows were copied."""


def publish_staging(connection: Connection, tables: TripTables, work: WorkTable, month: Month) -> Published:
    """Make the month staging's content; the caller holds an exclusive lock on staging and has merged the month."""
    if tables.staging_partitioned:
        _drop_month_partitions(connection, tables)
    kept = _clear_others(connection, tables, month)
    if not tables.staging_partitioned or (kept and _others_hold(connection, tables, work.filename)):
        parts = {"table": tables.staging_others, "rows": work.identifier, "columns": tables.columns}
        connection.execute(statement("insert_all.sql", part=sql.SQL("TRUE"), **parts))
        return Published(kept, attached=False)
    connection.execute(
        statement("attach.sql", staging=tables.staging, work=work.identifier, filename=sql.Literal(work.filename))
    )
    return Published(kept, attached=True)


def _clear_others(connection: Connection, tables: TripTables, month: Month) -> int:
    """Empty what did not come through a work table, unless some of it is not in trips yet; return the rows kept."""
    others = tables.staging_others
    if connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(others)).fetchone() == (False,):
        return 0
    candidates = pickup_ranges(connection, tables, others, month).candidates(tables)
    unmerged = statement("unmerged.sql", staging=others, trips=tables.trips, candidates=candidates)
    if connection.execute(unmerged).fetchone() == (False,):
        connection.execute(sql.SQL("TRUNCATE TABLE {}").format(others))
        return 0
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(others)).fetchone()
    return int(row[0]) if row else 0


def _others_hold(connection: Connection, tables: TripTables, filename: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE filename = {})")
    return connection.execute(query.format(tables.staging_others, sql.Literal(filename))).fetchone() == (True,)


def _drop_month_partitions(connection: Connection, tables: TripTables) -> None:
    """Take the months out of staging. What a flow has put into one of them since goes to the others.

    A flow empties staging first, which gives each partition a new file on the server; the UPDATE that names the file
    then moves its rows into the partition of that name, where there is one.
    """
    partitions = connection.execute(
        "SELECT n.nspname, c.relname, pg_relation_filenode(c.oid) <> c.oid FROM pg_inherits AS i"
        " JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE i.inhparent = %s::regclass AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'",
        [tables.staging.as_string(connection)],
    ).fetchall()
    for schema, name, emptied_since in partitions:
        partition = sql.Identifier(schema, name)
        if emptied_since:
            connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(tables.staging, partition))
            parts = {"table": tables.staging_others, "rows": partition, "columns": tables.columns}
            connection.execute(statement("insert_all.sql", part=sql.SQL("TRUE"), **parts))
        connection.execute(sql.SQL("DROP TABLE {}").format(partition))
