"""What the Dagster UI shows of an asset and of each month of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dagster import (
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableMetadataValue,
    TableRecord,
    TableSchema,
)

from taxi_assets.trips.datasets import Column, Dataset

if TYPE_CHECKING:
    from taxi_assets.postgres.load import Load
    from taxi_assets.trips.source import RawFile

Metadata = Mapping[str, Any]

_LONGEST_CELL = 80
"""Characters."""
_PREVIEWED = ("pulocationid", "dolocationid", "trip_distance", "fare_amount", "total_amount")
"""Beside the pickup: what tells a person whether these are the trips they expect. All columns do not fit a page."""


def table_schema(columns: tuple[Column, ...]) -> TableSchema:
    """The columns with PostgreSQL types and descriptions."""
    return TableSchema(
        [
            TableColumn(
                column.sql_name,
                column.postgres,
                description=column.description,
                constraints=TableColumnConstraints(nullable=True),
            )
            for column in columns
        ]
    )


def table_definition(dataset: Dataset, table: str) -> Metadata:
    """Of the asset itself: the table's name and columns."""
    return {"dagster/table_name": f"public.{table}", "dagster/column_schema": table_schema(dataset.table_columns)}


def raw_metadata(raw: RawFile, seconds: float) -> Metadata:
    """Of a month's raw file, which took so many seconds to download and verify, or to find unchanged."""
    return {
        "url": MetadataValue.url(raw.url) if raw.url.startswith("http") else raw.url,
        "path": MetadataValue.path(str(raw.path)),
        "bytes": raw.size,
        "sha256": raw.sha256,
        "etag": raw.etag or "none",
        "reused": not raw.fetched,
        "seconds_download": round(seconds, 3),
        **({"note": raw.note} if raw.note else {}),
    }


def staging_metadata(load: Load, dataset: Dataset) -> Metadata:
    """Of a month in the staging table."""
    return {
        "dagster/partition_row_count": load.rows_read,
        "rows_read": load.rows_read,
        "csv_bytes": load.csv_bytes,
        "rows_per_second": round(load.rows_read / max(load.seconds["copy"], 1e-6)),
        "preview": preview(load.preview, dataset, table_schema),
        "dagster/column_schema": table_schema(dataset.table_columns),
        **({"rows_kept_of_an_unfinished_load": load.staging_kept} if load.staging_kept else {}),
    }


def trips_metadata(load: Load, seconds_dagster: float) -> Metadata:
    """Of a month in the trips table, with where the time went; Dagster's own went into storing what came before."""
    total = {"total_rows_estimate" if load.total_is_estimate else "total_rows": load.total_rows}
    return {
        "dagster/partition_row_count": load.rows_read,
        "rows_read": load.rows_read,
        "rows_inserted": load.rows_inserted,
        "rows_matched": load.rows_matched,
        **(total if load.total_rows is not None else {}),
        "file": load.filename,
        **{f"seconds_{phase}": round(seconds, 3) for phase, seconds in load.seconds.items()},
        "seconds_dagster": round(seconds_dagster, 3),
        "copied_ahead": load.copied_ahead,
    }


def preview(
    rows: Sequence[tuple[Any, ...]], dataset: Dataset, schema: Callable[[tuple[Column, ...]], TableSchema]
) -> TableMetadataValue:
    """Rows of a table of trips, in the columns that tell most; `schema` names them as the warehouse does."""
    columns = {
        place: column
        for place, column in enumerate(dataset.table_columns)
        if column is dataset.pickup or column.sql_name in _PREVIEWED
    }
    shown = schema(tuple(columns.values()))
    return MetadataValue.table(
        records=[
            TableRecord({c.name: _cell(row[place]) for c, place in zip(shown.columns, columns, strict=True)})
            for row in rows
        ],
        schema=shown,
    )


def _cell(value: Any) -> str | int | float | bool | None:
    """JSON has no infinity and no NaN, and a person reads no megabyte of a cell."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"
