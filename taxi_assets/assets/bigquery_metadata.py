"""What the Dagster UI shows of the BigQuery assets and of each month of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import MetadataValue, TableColumn, TableSchema

from taxi_assets.assets.metadata import Metadata, preview
from taxi_assets.trips.datasets import Column, Dataset

if TYPE_CHECKING:
    from taxi_assets.bigquery.jobs import JobFigures
    from taxi_assets.bigquery.load import Load
    from taxi_assets.bigquery.tables import MonthTables
    from taxi_assets.bigquery.upload import Upload


def table_definition(columns: Sequence[Column]) -> Metadata:
    """Of the asset itself: the columns. The table's full name is known when a month is loaded."""
    return {"dagster/column_schema": table_schema(columns)}


def upload_metadata(upload: Upload) -> Metadata:
    """Of a month's file in the bucket."""
    return {
        "uri": upload.uri,
        "bytes": upload.size,
        "md5": upload.md5,
        "crc32c": upload.crc32c,
        "generation": upload.generation,
        "reused": not upload.sent,
        "seconds": round(upload.seconds, 3),
    }


def job_metadata(figures: JobFigures, table: str) -> Metadata:
    """Of a table that one job made. What the server does not say is left out."""
    said = {
        "bytes_processed": figures.bytes_processed,
        "slot_seconds": figures.slot_seconds,
        "rows_written": figures.rows_written,
    }
    return {
        "dagster/table_name": table,
        "job_id": figures.job_id,
        "console": MetadataValue.url(figures.console),
        "seconds": round(figures.seconds, 3),
        **{name: value for name, value in said.items() if value is not None},
    }


def month_metadata(load: Load, dataset: Dataset, tables: MonthTables) -> Metadata:
    """Of a month's own table."""
    return {
        **job_metadata(load.jobs["month"], tables.month),
        "dagster/partition_row_count": load.rows_read,
        "rows_read": load.rows_read,
        "csv_bytes": load.csv_bytes,
        "preview": preview(load.preview, dataset, table_schema),
    }


def trips_metadata(load: Load, tables: MonthTables) -> Metadata:
    """Of a month in the trips table, with what the whole month cost."""
    jobs = load.jobs.values()
    slots = [job.slot_seconds for job in jobs if job.slot_seconds is not None]
    return {
        **job_metadata(load.jobs["merge"], tables.trips),
        "dagster/partition_row_count": load.rows_read,
        "rows_read": load.rows_read,
        "rows_inserted": load.rows_inserted,
        "rows_matched": load.rows_matched,
        **({"rows_removed": load.rows_removed} if load.rows_removed else {}),
        "total_rows": load.total_rows,
        "file": load.filename,
        "partitions_looked_at": load.partitions,
        **({} if load.planned_bytes is None else {"bytes_planned": load.planned_bytes}),
        "bytes_processed_in_all": sum(job.bytes_processed or 0 for job in jobs),
        **({"slot_seconds_in_all": sum(slots)} if slots else {}),
        **{f"seconds_{step}": round(seconds, 3) for step, seconds in load.seconds.items()},
    }


def table_schema(columns: Sequence[Column]) -> TableSchema:
    return TableSchema([TableColumn(c.name, c.bigquery, description=c.description) for c in columns])
