"""What PostgreSQL holds of months' files, to be laid beside another warehouse or another database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from psycopg import Connection, sql

from taxi_assets.postgres.connection import statement, told_plainly
from taxi_assets.postgres.digest import table_columns
from taxi_assets.trips.contents import Contents, Row, compared_columns
from taxi_assets.trips.datasets import Column, Dataset

_FETCHED = 10_000
"""Rows in memory at a time."""


def contents(connection: Connection, dataset: Dataset, filenames: Sequence[str]) -> dict[str, Contents]:
    """By file, for those that brought rows to the trips table; of none when there is no such table."""
    table = f"public.{dataset.table}"
    if not table_columns(connection, table):
        return {}
    texts = sql.SQL(", ").join(sql.SQL("coalesce({}, '\\N')").format(_text(c)) for c in compared_columns(dataset))
    query = statement("contents.sql", texts=texts, table=sql.Identifier("public", dataset.table))
    with told_plainly(f"reading {table}"):
        found = connection.execute(query, [list(filenames)]).fetchall()
    return {filename: Contents(*figures) for filename, *figures in found}


def file_rows(connection: Connection, dataset: Dataset, filename: str) -> Iterator[Row]:
    """A file's rows in the trips table, ordered by the bytes of their text."""
    texts = {column.sql_name: _text(column) for column in compared_columns(dataset)}
    return ordered_rows(connection, f"public.{dataset.table}", texts, filename)


def ordered_rows(
    connection: Connection, table: str, texts: Mapping[str, sql.Composable], filename: str | None = None
) -> Iterator[Row]:
    """Columns of a table, each given as an expression of text, ordered by the bytes of that text, NULL last."""
    query = sql.SQL("SELECT {} FROM {}{} ORDER BY {}").format(
        sql.SQL(", ").join(texts.values()),
        sql.Identifier(*table.split(".")),
        sql.SQL("") if filename is None else sql.SQL(" WHERE filename = {}").format(filename),
        sql.SQL(", ").join(sql.SQL('({}) COLLATE "C"').format(text) for text in texts.values()),
    )
    with told_plainly(f"reading {table}"), connection.transaction(), connection.cursor("rows") as cursor:
        cursor.itersize = _FETCHED
        yield from cursor.execute(query)


def _text(column: Column) -> sql.Composed:
    """A column as its kind is told; a whole number that BigQuery keeps as text is told as text."""
    form = {"NUMERIC": "round({}::numeric, 9)::text", "TIMESTAMP": "({} AT TIME ZONE 'UTC')::text"}
    return sql.SQL(form.get(column.bigquery, "{}::text")).format(sql.Identifier(column.sql_name))
