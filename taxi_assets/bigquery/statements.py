"""The SQL that is sent, from `sql/*.sql` and the dataset's columns. Tables are given already quoted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from importlib.resources import files

from taxi_assets.trips.contents import compared_columns
from taxi_assets.trips.datasets import Column, Dataset


@cache
def _text(name: str) -> str:
    return files("taxi_assets.bigquery").joinpath("sql", name).read_text(encoding="utf-8").strip()


def statement(name: str, **parts: str) -> str:
    """The statement in `sql/{name}`, with its `{placeholders}` filled by quoted names, literals or built SQL."""
    return _text(name).format(**parts)


def literal(text: str) -> str:
    """A string literal of GoogleSQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def main_table(dataset: Dataset, table: str, *, partition_filter: bool = False) -> str:
    """Make the trips table if it is not there, a partition for each day of pickup."""
    options = "\nOPTIONS (require_partition_filter = TRUE)" if partition_filter else ""
    columns = _definitions(dataset.table_columns)
    return statement("main_table.sql", table=table, columns=columns, pickup=dataset.pickup.name, options=options)


def external_table(columns: Sequence[Column], table: str, uri: str) -> str:
    """Let BigQuery read a CSV where it lies; its columns by position, so in the file's own order."""
    return statement("external_table.sql", table=table, columns=_definitions(columns), uri=literal(uri))


def month_table(dataset: Dataset, table: str, source: str, values: Iterable[str], filename: str, options: str) -> str:
    """Make the month's own table: the id and the file's name, then `values` of the source, a column each."""
    return statement(
        "month_table.sql",
        table=table,
        options=options,
        id=row_id(dataset),
        filename=filename,
        columns=_listed(column.name for column in dataset.columns),
        values=",\n  ".join(values),
        source=source,
    )


def merge(dataset: Dataset, trips: str, month: str, partitions: str) -> str:
    """Insert the month's rows whose id is not in the given partitions of trips."""
    return statement("merge.sql", trips=trips, month=month, partitions=_and(partitions), **_inserted(dataset))


def replace(dataset: Dataset, trips: str, month: str, partitions: str, filename: str) -> str:
    """Delete what the file brought before, and insert the month's rows whose id no other file brought."""
    return statement(
        "replace.sql",
        trips=trips,
        month=month,
        filename=literal(filename),
        partitions=_and(partitions),
        every_partition=every_partition(dataset),
        **_inserted(dataset),
    )


def _inserted(dataset: Dataset) -> dict[str, str]:
    names = [column.name for column in dataset.table_columns]
    return {"columns": _listed(names), "values": _listed(f"S.{name}" for name in names)}


def _and(condition: str) -> str:
    return f"\n  AND ({condition})" if condition else ""


def of_file(name: str, dataset: Dataset, trips: str, filename: str) -> str:
    """The statement in `sql/{name}` about the rows that a file brought to trips."""
    return statement(name, trips=trips, filename=literal(filename), every_partition=every_partition(dataset))


def loaded_files(dataset: Dataset, trips: str) -> str:
    """The files that brought rows to trips."""
    return statement("loaded_files.sql", trips=trips, every_partition=every_partition(dataset))


def contents(dataset: Dataset, trips: str, filenames: Iterable[str]) -> str:
    """Of each file in trips: rows, repeated ids, and the checksum over the rows' text."""
    return statement(
        "contents.sql",
        trips=trips,
        texts=", '|', ".join(f"COALESCE({_told(column)}, r'\\N')" for column in compared_columns(dataset)),
        filenames=_listed(map(literal, filenames)),
        every_partition=every_partition(dataset),
    )


def file_rows(dataset: Dataset, trips: str, filename: str) -> str:
    """A file's rows in trips, each column as text."""
    columns = compared_columns(dataset)
    return statement(
        "file_rows.sql",
        trips=trips,
        texts=_listed(f"{_told(column)} AS text_{number}" for number, column in enumerate(columns)),
        filename=literal(filename),
        every_partition=every_partition(dataset),
        order=_listed(f"text_{number} NULLS LAST" for number in range(len(columns))),
    )


def _told(column: Column) -> str:
    """A column as trips/contents.py says that its kind is told."""
    if column.bigquery == "NUMERIC":
        return f"FORMAT('%.9f', {column.name})"
    return column.name if column.bigquery == "STRING" else f"CAST({column.name} AS STRING)"


def row_id(dataset: Dataset) -> str:
    """The id over the five columns' text, as the flow computes it; a TIMESTAMP's is `2020-04-01 00:44:02+00`."""
    texts = (
        f"COALESCE({c.name if c.bigquery == 'STRING' else f'CAST({c.name} AS STRING)'}, '')"
        for c in dataset.bigquery_id_columns
    )
    return f"MD5(CONCAT({', '.join(texts)}))"


def external_values(dataset: Dataset) -> list[str]:
    """What to take from an external table, typed already: an empty cell is NULL, as it is in PostgreSQL."""
    return [f"NULLIF({c.name}, '') AS {c.name}" if c.bigquery == "STRING" else c.name for c in dataset.columns]


def loaded_values(dataset: Dataset) -> list[str]:
    """What to take from a table whose types BigQuery guessed.

    They differ between months: a column without values is a STRING, whole numbers beside empty cells may be FLOAT64,
    Y and N are a BOOL, times a DATETIME or TIMESTAMP. So all goes through text.
    """
    return [f"{_from_text(c)} AS {c.name}" for c in dataset.columns]


def _from_text(column: Column) -> str:
    text = f"NULLIF(CAST({column.name} AS STRING), '')"
    if column.name == "store_and_fwd_flag":
        return f"CASE LOWER({text}) WHEN 'true' THEN 'Y' WHEN 'false' THEN 'N' ELSE {text} END"
    if column.bigquery == "STRING":
        return f"REGEXP_REPLACE({text}, r'\\.0$', '')"
    if column.bigquery == "INTEGER":
        return f"CAST(CAST({text} AS NUMERIC) AS INT64)"
    return f"CAST({text} AS {column.bigquery})"


def pickup_partitions(dataset: Dataset, days: Sequence[date], *, null_pickups: bool) -> str:
    """The condition for the partitions of these days, by constants: only those let BigQuery skip the others."""
    pickup = f"T.{dataset.pickup.name}"
    parts = [
        f"({pickup} >= TIMESTAMP '{first}' AND {pickup} < TIMESTAMP '{last + timedelta(1)}')"
        for first, last in _stretches(days)
    ]
    return "\n    OR ".join([*parts, f"{pickup} IS NULL"] if null_pickups else parts) or "FALSE"


def every_partition(dataset: Dataset) -> str:
    """A condition that is always true, for a trips table that refuses statements which do not limit the pickup."""
    pickup = f"T.{dataset.pickup.name}"
    return f"{pickup} >= TIMESTAMP '0001-01-01' OR {pickup} IS NULL"


def _stretches(days: Iterable[date]) -> list[tuple[date, date]]:
    """First and last of each run of days without a gap."""
    stretches: list[tuple[date, date]] = []
    for day in sorted(days):
        if stretches and day - stretches[-1][1] == timedelta(1):
            stretches[-1] = (stretches[-1][0], day)
        else:
            stretches.append((day, day))
    return stretches


def _definitions(columns: Iterable[Column]) -> str:
    return ",\n  ".join(f"{c.name} {c.bigquery} OPTIONS (description = {literal(c.description)})" for c in columns)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
