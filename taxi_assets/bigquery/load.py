"""A month's load, step by step: the file into the bucket or a staging table, the month's own table, the merge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import (
    JobFigures,
    label,
    load_figures,
    new_job_id,
    planned_bytes,
    query_rows,
    run_statement,
    wait_for,
)
from taxi_assets.bigquery.locks import merge_lock
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.bigquery.tables import MonthTables, check_dataset, month_tables, prepare_trips, quoted
from taxi_assets.bigquery.upload import CsvFacts, Upload, inspect, unpacked, upload
from taxi_assets.errors import FileError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.figures import LoadFigures
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile


@dataclass(slots=True)
class Load(LoadFigures):
    """What a month's load has done so far. Phases: inspect, upload."""

    rows_removed: int = 0
    """Rows that the file had brought before, when the month was put in their place."""
    total_rows: int = 0
    planned_bytes: int | None = None
    """What the merge was to read, by a dry run."""
    partitions: int = 0
    """Days of pickup in the month's file, which are the partitions that the merge looks at."""
    jobs: dict[str, JobFigures] = field(default_factory=dict)
    """By step: external, staging, month, merge."""


class MonthLoad:
    """One month on its way into BigQuery. Each step may be repeated, and leaves nothing half done.

    Steps raise FileError for a file that does not fit and GoogleError for what Google refuses.
    """

    def __init__(self, clients: Clients, settings: Settings, dataset: Dataset, month: Month, run_id: str = "") -> None:
        self.clients = clients
        self.settings = settings
        self.dataset = dataset
        self.month = month
        self.tables: MonthTables = month_tables(clients.target, dataset, month)
        self.load = Load(dataset.file_name(month))
        self._labels = {"taxi": dataset.taxi, "month": str(month), "run": label(run_id)}
        self._days: list[date] = []
        self._null_times = False

    def inspect(self, raw: RawFile) -> CsvFacts:
        """Read the file through and check that dataset and file are what they must be, before anything is sent."""
        check_dataset(self.clients)
        with self.load.timed("inspect"):
            file = inspect(self.dataset, raw, self.load.filename, self.settings.max_csv_mb * 1_000_000)
        self.load.header = tuple(column.name for column in file.columns)
        self.load.rows_read, self.load.csv_bytes = file.rows, file.size
        return file

    def upload(self, file: CsvFacts) -> Upload:
        """Put the CSV into the bucket, if it is not there."""
        with self.load.timed("upload"):
            return upload(self.clients, file)

    def make_external(self, file: CsvFacts) -> JobFigures:
        """The external table over the uploaded file."""
        uri = f"gs://{self.clients.target.need_bucket()}/{file.name}"
        sql = statements.external_table(file.columns, quoted(self.tables.external), uri)
        figures = self._run("external", f"reading {uri}", sql)
        self._expire(self.tables.external)
        return figures

    def load_staging(self, file: CsvFacts) -> JobFigures:
        """The staging table, by a load job that is given the file itself and guesses the types."""
        from google.cloud import bigquery

        config = bigquery.LoadJobConfig(
            source_format="CSV",
            skip_leading_rows=1,
            allow_jagged_rows=True,
            allow_quoted_newlines=True,
            autodetect=True,
            write_disposition="WRITE_TRUNCATE",
            labels=self._labels,
        )
        what = f"loading {file.name}"
        start = time.perf_counter()
        with told_plainly(what), unpacked(file.raw) as stream:
            job = self.clients.bigquery.load_table_from_file(
                stream,
                self.tables.staging,
                job_config=config,
                job_id=new_job_id(what),
                num_retries=3,
                timeout=self.clients.patience["timeout"],
            )
            wait_for(self.clients, job)
        self._expire(self.tables.staging)
        return self._remember("staging", load_figures(self.clients, job, time.perf_counter() - start))

    def make_month(self, way: str) -> JobFigures:
        """The month's own table, from either source, with id and file name; then look at what it holds."""
        external = way == "external"
        source = self.tables.external if external else self.tables.staging
        values = statements.external_values(self.dataset) if external else statements.loaded_values(self.dataset)
        sql = statements.month_table(
            self.dataset,
            quoted(self.tables.month),
            quoted(source),
            values,
            statements.literal(self.load.filename),
            self._options(),
        )
        figures = self._run("month", f"making {self.tables.month}", sql)
        self._look()
        return figures

    def merge(self) -> JobFigures:
        """Insert what trips does not hold yet, looking only at the partitions of the month's pickups."""
        sql = statements.merge(self.dataset, *self._trips_and_month, self._partitions)
        figures = self._change_trips(f"merging {self.load.filename}", sql)
        self.load.rows_inserted = figures.rows_written or 0
        return figures

    def replace(self) -> JobFigures:
        """Put the month in the place of what its file brought before, in one statement that reads all of trips."""
        what = f"replacing {self.load.filename}"
        sql = statements.replace(self.dataset, *self._trips_and_month, self._partitions, self.load.filename)
        figures = self._change_trips(what, sql)
        count = statements.of_file("count_file.sql", self.dataset, quoted(self.tables.trips), self.load.filename)
        (counted,) = query_rows(self.clients, count, what, self._labels)
        self.load.rows_inserted = counted.in_all
        self.load.rows_removed = (figures.rows_written or 0) - counted.in_all
        return figures

    @property
    def _trips_and_month(self) -> tuple[str, str]:
        return quoted(self.tables.trips), quoted(self.tables.month)

    @property
    def _partitions(self) -> str:
        return statements.pickup_partitions(self.dataset, self._days, null_pickups=self._null_times)

    def _change_trips(self, what: str, sql: str) -> JobFigures:
        """Run a statement on the trips table, which is made if it is not there, while no other merge does."""
        trips, keep_filter = self.tables.trips, self.settings.bigquery_partition_filter
        prepare_trips(self.clients, self.dataset, trips, self._labels, partition_filter=keep_filter)
        self.load.planned_bytes = planned_bytes(self.clients, sql, what)
        with merge_lock(self.clients, trips, what, self.settings.lock_timeout) as job_ids:
            figures = self._run("merge", what, sql, job_ids)
        with told_plainly(what):
            self.load.total_rows = int(self.clients.bigquery.get_table(trips, **self.clients.patience).num_rows or 0)
        return figures

    def _look(self) -> None:
        """Count what the checks report, and refuse a month that is not its file, or not of its month."""
        month, what = quoted(self.tables.month), f"checking {self.tables.month}"
        sql = statements.statement(
            "month_days.sql",
            month=month,
            pickup=self.dataset.pickup.name,
            dropoff=self.dataset.dropoff.name,
            start=str(self.month.start.date()),
            end=str(self.month.next.start.date()),
        )
        days = list(query_rows(self.clients, sql, what, self._labels))
        self._days = [row.day for row in days if row.day is not None]
        self._null_times = any(row.without_a_time for row in days)
        self.load.partitions = len(self._days)
        self.load.rows_outside_month = sum(row.outside for row in days)
        self.load.rows_without_vendor = sum(row.without_vendor for row in days)
        (repeated,) = query_rows(
            self.clients, statements.statement("repeated_ids.sql", month=month), what, self._labels
        )
        self.load.repeated_ids = repeated.repeated
        with told_plainly(what):
            rows = self.clients.bigquery.list_rows(self.tables.month, max_results=5, **self.clients.patience)
            self.load.preview = [tuple(row) for row in rows]
        self._check(sum(row.in_all for row in days))

    def _check(self, rows: int) -> None:
        if rows != self.load.rows_read:
            raise FileError(
                f"{self.load.filename}: {self.tables.month} holds {rows} rows, the file {self.load.rows_read}; "
                "look for quotes with line ends between them in the file, which BigQuery cuts differently"
            )
        if self.load.rows_outside_month > self.settings.max_outside_share * rows:
            raise FileError(
                f"{self.load.filename}: {self.load.rows_outside_month / rows:.0%} of its pickups lie outside "
                f"{self.month}, so it looks like the file of another month; check the source, or raise "
                "TAXI_MAX_OUTSIDE_SHARE if it is right"
            )

    def _run(self, step: str, what: str, sql: str, job_ids: Iterator[str] | None = None) -> JobFigures:
        return self._remember(step, run_statement(self.clients, sql, what, self._labels, job_ids))

    def _remember(self, step: str, figures: JobFigures) -> JobFigures:
        self.load.jobs[step] = figures
        self.load.seconds[step] = figures.seconds
        return figures

    def _options(self) -> str:
        days = self.settings.bigquery_expire_days
        if days is None:
            return ""
        return f"\nOPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL {days} DAY))"

    def _expire(self, name: str) -> None:
        """Let a table go when the setting says so; neither an external table nor a load job takes that option."""
        from datetime import UTC, datetime, timedelta

        days = self.settings.bigquery_expire_days
        if days is None:
            return
        with told_plainly(f"setting when {name} expires"):
            table = self.clients.bigquery.get_table(name, **self.clients.patience)
            table.expires = datetime.now(UTC) + timedelta(days=days)
            self.clients.bigquery.update_table(table, ["expires"], **self.clients.patience)
