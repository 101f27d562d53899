"""What BigQuery holds of months' files, to be laid beside another warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import query_rows
from taxi_assets.bigquery.statements import every_partition, literal, statement
from taxi_assets.bigquery.tables import find_table, quoted, trips_table
from taxi_assets.trips.contents import Contents, Row, compared_columns
from taxi_assets.trips.datasets import Column, Dataset


def contents(clients: Clients, dataset: Dataset, filenames: Sequence[str]) -> dict[str, Contents]:
    """By file, for those that brought rows to the trips table; of none when there is no such table."""
    trips = trips_table(clients.target, dataset)
    if find_table(clients, trips) is None:
        return {}
    sql = statement(
        "contents.sql",
        texts=", '|', ".join(f"COALESCE({_text(column)}, r'\\N')" for column in compared_columns(dataset)),
        trips=quoted(trips),
        filenames=", ".join(map(literal, filenames)),
        every_partition=every_partition(dataset),
    )
    found = query_rows(clients, sql, f"reading {trips}", _labels(dataset))
    return {row.filename: Contents(row.in_all, row.repeated, row.checksum) for row in found}


def file_rows(clients: Clients, dataset: Dataset, filename: str) -> Iterator[Row]:
    """A file's rows in the trips table, ordered by the bytes of their text, NULL last."""
    trips = trips_table(clients.target, dataset)
    if find_table(clients, trips) is None:
        return
    columns = compared_columns(dataset)
    sql = statement(
        "file_rows.sql",
        texts=", ".join(f"{_text(column)} AS text_{number}" for number, column in enumerate(columns)),
        trips=quoted(trips),
        filename=literal(filename),
        every_partition=every_partition(dataset),
        order=", ".join(f"text_{number} NULLS LAST" for number in range(len(columns))),
    )
    for row in query_rows(clients, sql, f"reading {trips}", _labels(dataset)):
        yield tuple(row)


def _labels(dataset: Dataset) -> dict[str, str]:
    return {"taxi": dataset.taxi, "what": "compare"}


def _text(column: Column) -> str:
    """A column as its kind is told."""
    if column.bigquery == "NUMERIC":
        return f"FORMAT('%.9f', {column.name})"
    return column.name if column.bigquery == "STRING" else f"CAST({column.name} AS STRING)"
