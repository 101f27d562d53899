"""A table's content as one md5, equal wherever the same rows stand, in whatever order and under whatever collation."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from psycopg import Connection, sql

from taxi_assets.errors import WarehouseError

_PINS = ("SET LOCAL TimeZone = 'UTC'", "SET LOCAL DateStyle = 'ISO, MDY'", "SET LOCAL extra_float_digits = 1")
_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod), attcollation <> 0
    FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


class TableColumn(NamedTuple):
    name: str
    type: str
    collated: bool
    """Whether its order depends on a collation, as that of text does."""


class Digest(NamedTuple):
    rows: int
    md5: str


def table_columns(connection: Connection, table: str) -> tuple[TableColumn, ...]:
    """The columns of a table, in its order; none when there is no such table. `table` may be `schema.name`."""
    return tuple(TableColumn(*row) for row in connection.execute(_COLUMNS, [table]))


def digest(connection: Connection, table: str, filename: str | None = None) -> Digest:
    """Rows and md5 of `COPY (SELECT * FROM table ORDER BY every column) TO STDOUT`, of one file's rows if given.

    Text is ordered by its bytes, as it is in a database with collation C.UTF-8. Raises WarehouseError when there is no
    such table.
    """
    columns = table_columns(connection, table)
    if not columns:
        raise WarehouseError(f"there is no table {table} in database {connection.info.dbname}")
    order = [
        sql.SQL('{} COLLATE "C"' if column.collated else "{}").format(sql.Identifier(column.name)) for column in columns
    ]
    copy = sql.SQL("COPY (SELECT * FROM {table}{where} ORDER BY {order}) TO STDOUT").format(
        table=sql.Identifier(*table.split(".")),
        where=sql.SQL(" WHERE filename = {}").format(filename) if filename is not None else sql.SQL(""),
        order=sql.SQL(", ").join(order),
    )
    rows, md5 = 0, hashlib.md5(usedforsecurity=False)
    with connection.transaction():
        for pin in _PINS:
            connection.execute(pin)
        with connection.cursor().copy(copy) as lines:
            for line in lines:
                rows += 1  # the server sends a row at a time
                md5.update(line)
    return Digest(rows, md5.hexdigest())
