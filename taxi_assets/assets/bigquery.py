"""The BigQuery assets of a taxi, in one `multi_asset` that works month by month as the PostgreSQL one does.

Two ways lead to a month's table: the file in a bucket and an external table over it (`{taxi}_gcs_csv`,
`{taxi}_bq_external`), or a load job that is given the file itself (`{taxi}_bq_staging`). A run takes the way whose
assets it selects. One that selects those of both makes them all, since Dagster counts a partition without a
materialization as failed, and goes on by the way that the settings say, as does one that selects neither.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    multi_asset,
)

from taxi_assets.assets.bigquery_metadata import (
    job_metadata,
    month_metadata,
    table_definition,
    trips_metadata,
    upload_metadata,
)
from taxi_assets.assets.checks import check_specs, evaluate, failed_file
from taxi_assets.assets.metadata import Metadata
from taxi_assets.assets.months import MonthEvent, run_months
from taxi_assets.assets.partitions import monthly_partitions
from taxi_assets.assets.request import replaces
from taxi_assets.assets.specs import Described, asset_specs, backfill_policy
from taxi_assets.errors import FileError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from taxi_assets.bigquery.connection import Clients
    from taxi_assets.bigquery.load import MonthLoad
    from taxi_assets.bigquery.upload import CsvFacts

CODE_VERSION = "1"
GROUP = "bigquery"
EXTERNAL_WAY = ("gcs_csv", "bq_external")
LOAD_WAY = ("bq_staging",)
BOTH_WAYS = ("bq_month", "bq_trips")
"""The assets' names after the taxi's, in the order in which a month makes them."""


def bigquery_assets(dataset: Dataset, settings: Settings) -> AssetsDefinition:
    """A taxi's five assets. Defining them needs none of Google's libraries."""
    partitions = monthly_partitions(settings)

    @multi_asset(
        name=f"{dataset.taxi}_bigquery",
        specs=_specs(dataset),
        check_specs=check_specs(asset_key(dataset, "bq_month"), partitions),
        partitions_def=partitions,
        backfill_policy=backfill_policy(settings),
        can_subset=True,
    )
    def load_months(context: AssetExecutionContext) -> Iterator[MonthEvent]:
        def one_month(month: Month, _held: None) -> Iterator[MonthEvent]:
            return _MonthRun(context, dataset, settings, month).run()

        yield from run_months(
            context, dataset, settings, f"{dataset.taxi}_gcp_taxi", one_month, lambda _months: nullcontext()
        )

    return load_months


def asset_key(dataset: Dataset, name: str) -> AssetKey:
    """The key of a taxi's asset, such as `green_bq_month`."""
    return AssetKey(f"{dataset.taxi}_{name}")


def _specs(dataset: Dataset) -> list[AssetSpec]:
    taxi, table = dataset.taxi, dataset.table
    own, kinds = f"{table}_YYYY_MM", {"bigquery", "table"}
    raw, uploaded, external, staging, month, trips = (
        asset_key(dataset, name) for name in ("raw_csv", *EXTERNAL_WAY, *LOAD_WAY, *BOTH_WAYS)
    )
    as_read, as_kept = table_definition(dataset.columns), table_definition(dataset.table_columns)
    return asset_specs(
        dataset,
        GROUP,
        CODE_VERSION,
        [
            Described(uploaded, [raw], {"gcs", "csv"}, f"A {taxi} month's CSV in the bucket, unpacked."),
            Described(external, [uploaded], kinds, f"{own}_ext: the CSV as BigQuery reads it in the bucket.", as_read),
            Described(staging, [raw], kinds, f"{own}_staging: the CSV, loaded without a bucket."),
            Described(month, [external, staging], kinds, f"{own}: the month with row id and file name.", as_kept),
            Described(trips, [month], kinds, f"{table}: all trips, each file's new ids merged in.", as_kept),
        ],
    )


class _MonthRun:
    """One month's work inside a run, and the events that tell of it."""

    def __init__(self, context: AssetExecutionContext, dataset: Dataset, settings: Settings, month: Month) -> None:
        self.context = context
        self.dataset = dataset
        self.settings = settings
        self.month = month

    def run(self) -> Iterator[MonthEvent]:
        """Do what the selected assets need, up to the last of them. Raises TaxiAssetsError."""
        # Imported here: the definitions are loaded by every Dagster process, Google's libraries only where they work.
        from taxi_assets.assets.google import open_google
        from taxi_assets.bigquery.load import MonthLoad
        from taxi_assets.trips.source import Source

        with open_google(self.settings) as clients:
            way = self._way(clients)
            source = Source.from_settings(self.settings)
            raw = source.fetch(self.dataset, self.month)
            if raw.note:
                self.context.log.warning(raw.note)
            month = MonthLoad(clients, self.settings, self.dataset, self.month, self.context.run.run_id)
            try:
                file = month.inspect(raw)
                yield from self._source_tables(month, file, way)
                if self._wanted(*BOTH_WAYS):
                    yield from self._own_table(month, way)
            except FileError as error:
                yield failed_file(self.context.instance, self._key("bq_month"), self.month, error)
                source.discard(self.dataset, self.month)  # so that a repaired file is fetched next time
                raise
            if self._wanted("bq_trips"):
                self._into_trips(month)
                yield self._materialized("bq_trips", trips_metadata(month.load, month.tables))
                self._log(month)
            if not self.settings.keep_raw:
                source.discard(self.dataset, self.month)

    def _source_tables(self, month: "MonthLoad", file: "CsvFacts", way: str) -> Iterator[MonthEvent]:
        if way == "external" or self._wanted(*EXTERNAL_WAY):
            yield self._materialized("gcs_csv", upload_metadata(month.upload(file)))
            if self._wanted("bq_external", *BOTH_WAYS):
                yield self._materialized("bq_external", job_metadata(month.make_external(file), month.tables.external))
        if way == "load" or self._wanted(*LOAD_WAY):
            yield self._materialized("bq_staging", job_metadata(month.load_staging(file), month.tables.staging))

    def _own_table(self, month: "MonthLoad", way: str) -> Iterator[MonthEvent]:
        month.make_month(way)
        yield self._materialized("bq_month", month_metadata(month.load, self.dataset, month.tables))
        yield from evaluate(self.context.instance, self._key("bq_month"), self.dataset, self.month, month.load)

    def _into_trips(self, month: "MonthLoad") -> None:
        if replaces(self.context.run.tags):
            month.replace()
        else:
            month.merge()

    def _way(self, clients: "Clients") -> str:
        external, load = self._wanted(*EXTERNAL_WAY), self._wanted(*LOAD_WAY)
        if external != load:
            return "external" if external else "load"
        return clients.target.way(self.settings)

    def _wanted(self, *names: str) -> bool:
        """Whether the run selects any of these assets."""
        return any(self._key(name) in self.context.selected_asset_keys for name in names)

    def _log(self, month: "MonthLoad") -> None:
        self.context.log.info(
            "%s: %d rows read, %d inserted, %d already there",
            month.load.filename, month.load.rows_read, month.load.rows_inserted, month.load.rows_matched,
        )  # fmt: skip

    def _materialized(self, name: str, metadata: Metadata) -> AssetMaterialization:
        return AssetMaterialization(self._key(name), metadata=dict(metadata), partition=str(self.month))

    def _key(self, name: str) -> AssetKey:
        return asset_key(self.dataset, name)
