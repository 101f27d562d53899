"""What BigQuery holds of months' files, to be laid beside another warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import query_rows
from taxi_assets.bigquery.tables import find_table, quoted, trips_table
from taxi_assets.trips.contents import Contents, Row
from taxi_assets.trips.datasets import Dataset


def loaded_files(clients: Clients, dataset: Dataset) -> set[str]:
    """The files that brought rows to the trips table; none when there is no such table. Reads one column of it."""
    trips = trips_table(clients.target, dataset)
    if find_table(clients, trips) is None:
        return set()
    sql = statements.loaded_files(dataset, quoted(trips))
    return {row.filename for row in query_rows(clients, sql, f"reading {trips}", _labels(dataset, "backfill"))}


def contents(clients: Clients, dataset: Dataset, filenames: Sequence[str]) -> dict[str, Contents]:
    """By file, for those that brought rows to the trips table; of none when there is no such table."""
    trips = trips_table(clients.target, dataset)
    if find_table(clients, trips) is None:
        return {}
    sql = statements.contents(dataset, quoted(trips), filenames)
    found = query_rows(clients, sql, f"reading {trips}", _labels(dataset, "compare"))
    return {row.filename: Contents(row.in_all, row.repeated, row.checksum) for row in found}


def file_rows(clients: Clients, dataset: Dataset, filename: str) -> Iterator[Row]:
    """A file's rows in the trips table, ordered by the bytes of their text, NULL last."""
    trips = trips_table(clients.target, dataset)
    sql = statements.file_rows(dataset, quoted(trips), filename)
    for row in query_rows(clients, sql, f"reading {trips}", _labels(dataset, "compare")):
        yield tuple(row)


def _labels(dataset: Dataset, what: str) -> dict[str, str]:
    return {"taxi": dataset.taxi, "what": what}
