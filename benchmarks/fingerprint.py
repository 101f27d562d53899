"""What a table holds, as numbers that do not depend on the order of its rows: cheap enough for every timed load."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Connection, sql

from taxi_assets.trips.datasets import Dataset


class Fingerprint(NamedTuple):
    """Equal for equal multisets of rows, and for others with a chance of one in 2**128."""

    rows: int
    first: int
    second: int


_HASH = sql.SQL(
    "SELECT count(*), coalesce(sum(hashtextextended(r::text, 0)), 0)::numeric::text,"
    " coalesce(sum(hashtextextended(r::text, 7)), 0)::numeric::text FROM ({}) AS r"
)


class WrongLoadError(Exception):
    """A timed load left other rows than the flow's statements would have."""


def fingerprint(connection: Connection, rows: sql.Composable) -> Fingerprint:
    """The fingerprint of a query's rows."""
    found = connection.execute(_HASH.format(rows)).fetchone()
    if found is None:
        raise WrongLoadError("no fingerprint")
    return Fingerprint(int(found[0]), int(found[1]), int(found[2]))


def of_file(connection: Connection, table: sql.Identifier, filename: str, first_page: int = 0) -> Fingerprint:
    """Of the rows that a file brought, looked for from a page of the table on."""
    return fingerprint(
        connection,
        sql.SQL("SELECT * FROM {} AS t WHERE filename = {} AND ctid >= {}::tid").format(
            table, sql.Literal(filename), sql.Literal(f"({first_page},0)")
        ),
    )


def expected(connection: Connection, dataset: Dataset, raw_rows: sql.Identifier, filename: str) -> Fingerprint:
    """Of the rows the flow makes of a month's CSV, read from a table of its bare columns."""
    parts = [sql.SQL("coalesce({}::text, '')").format(sql.Identifier(c.sql_name)) for c in dataset.postgres_id_columns]
    return fingerprint(
        connection,
        sql.SQL("SELECT md5({}) AS unique_row_id, {}::text AS filename, {} FROM {}").format(
            sql.SQL(" || ").join(parts),
            sql.Literal(filename),
            sql.SQL(", ").join(sql.Identifier(c.sql_name) for c in dataset.columns),
            raw_rows,
        ),
    )


def check(found: Fingerprint, wanted: Fingerprint, what: str) -> None:
    """Raise WrongLoadError when two fingerprints differ: a time of a wrong load is worth nothing."""
    if found != wanted:
        raise WrongLoadError(f"{what}: holds {found.rows} rows where {wanted.rows} were expected, or other ones")
