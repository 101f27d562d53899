"""What stands in the tables, in forms that tests compare."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from psycopg import Connection, sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.trips.datasets import Dataset


@dataclass(frozen=True, slots=True)
class Contents:
    """A table as a multiset of rows, file names included. Equal when the rows are, whatever their order."""

    rows: int
    md5: str


@dataclass(frozen=True, slots=True)
class Both:
    """Staging and trips."""

    staging: Contents
    trips: Contents


def contents(connection: Connection, table: str) -> Contents:
    """The digest of the Kestra measurements: md5 of COPY's text, ordered by every column.

    A table that is not there is empty.
    """
    name = sql.Identifier("public", table)
    if connection.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone() == (None,):
        return Contents(0, hashlib.md5(usedforsecurity=False).hexdigest())
    row = connection.execute(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0", [f"public.{table}"]
    ).fetchone()
    assert row
    order = sql.SQL(", ").join(sql.SQL(str(position)) for position in range(1, row[0] + 1))
    md5, rows = hashlib.md5(usedforsecurity=False), 0
    with connection.cursor().copy(
        sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(name, order)
    ) as lines:
        for line in lines:
            md5.update(line)
            rows += bytes(line).count(b"\n")
    return Contents(rows, md5.hexdigest())


def both(warehouse: Warehouse, dataset: Dataset) -> Both:
    with warehouse.connect() as connection:
        return Both(contents(connection, dataset.staging_table), contents(connection, dataset.table))


def rows_of(warehouse: Warehouse, dataset: Dataset) -> Counter[str]:
    """The rows of trips, each as text with how often it is there."""
    with warehouse.connect() as connection:
        query = sql.SQL("SELECT md5(t::text), count(*) FROM {} AS t GROUP BY 1").format(sql.Identifier(dataset.table))
        return Counter(dict(connection.execute(query).fetchall()))


def rows_by_file(warehouse: Warehouse, dataset: Dataset) -> dict[str, int]:
    query = sql.SQL("SELECT filename, count(*) FROM {} GROUP BY 1").format(sql.Identifier(dataset.table))
    with warehouse.connect() as connection:
        return dict(connection.execute(query).fetchall())


def leftovers(warehouse: Warehouse) -> list[str]:
    """Work tables that are no part of staging, functions of work tables, and advisory locks that somebody holds."""
    with warehouse.connect() as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'work\\_%' AND relkind = 'r' AND NOT relispartition"
            " UNION ALL SELECT proname || '()' FROM pg_proc WHERE proname LIKE 'work\\_%'"
        ).fetchall()
        locks = connection.execute(
            "SELECT 'advisory lock of ' || pid FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchall()
    return [name for (name,) in [*tables, *locks]]
