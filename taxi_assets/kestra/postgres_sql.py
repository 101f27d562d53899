"""The SQL of the PostgreSQL flows, with Kestra's expressions where the table and the file name go.

Identifiers stand unquoted, as the course flows spell them, so that PostgreSQL folds `VendorID` to `vendorid` and the
tables are the same whoever creates them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from taxi_assets.trips.datasets import FILENAME, UNIQUE_ROW_ID, Column, Dataset

TABLE = "{{render(vars.table)}}"
STAGING_TABLE = "{{render(vars.staging_table)}}"
FILE = "{{render(vars.file)}}"


def create_table(dataset: Dataset, table: str) -> str:
    width = max(len(column.name) for column in dataset.table_columns)
    columns = ",\n".join(f"    {column.name:{width}}  {column.postgres}" for column in dataset.table_columns)
    return f"CREATE TABLE IF NOT EXISTS {table} (\n{columns}\n);\n"


def truncate(table: str) -> str:
    return f"TRUNCATE TABLE {table};\n"


def add_unique_id_and_filename(dataset: Dataset) -> str:
    parts = " ||\n".join(f"        {_text_or_empty(column)}" for column in dataset.postgres_id_columns)
    return (
        f"UPDATE {STAGING_TABLE}\n"
        f"SET\n"
        f"    {UNIQUE_ROW_ID.name} = md5(\n{parts}\n    ),\n"
        f"    {FILENAME.name} = '{FILE}';\n"
    )


def _text_or_empty(column: Column) -> str:
    text = column.name if column.postgres == "text" else f"CAST({column.name} AS text)"
    return f"COALESCE({text}, '')"


def merge(dataset: Dataset) -> str:
    """Insert what the trips table has no id for. Nothing is updated, so a second load of a file changes nothing."""
    names = [column.name for column in dataset.table_columns]
    return (
        f"MERGE INTO {TABLE} AS T\n"  # noqa: S608  a flow's text from our own definitions, not run here
        f"USING {STAGING_TABLE} AS S\n"
        f"ON T.{UNIQUE_ROW_ID.name} = S.{UNIQUE_ROW_ID.name}\n"
        f"WHEN NOT MATCHED THEN\n"
        f"    INSERT (\n{_wrapped(names)}\n    )\n"
        f"    VALUES (\n{_wrapped(f'S.{name}' for name in names)}\n    );\n"
    )


def _wrapped(names: Iterable[str]) -> str:
    return textwrap.fill(", ".join(names), width=100, initial_indent=" " * 8, subsequent_indent=" " * 8)
