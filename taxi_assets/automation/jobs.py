"""The jobs a person runs by name. Kestra's flow 04 is `{taxi}_postgres_taxi`, flow 05 `{taxi}_postgres_taxi_scheduled`.

Both load the same assets; the second is what schedules, sensors and `taxi-assets backfill` run, one at a time.
"""

from __future__ import annotations

from dagster import AssetsDefinition, AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from taxi_assets.assets.flow import FLOW_TAG, SCHEDULED_FLOW, scheduled_job_name
from taxi_assets.trips.datasets import Dataset


def postgres_job(dataset: Dataset, assets: AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """Load one month of a taxi, or a range of months, into PostgreSQL."""
    return define_asset_job(
        f"{dataset.taxi}_postgres_taxi",
        selection=AssetSelection.assets(*assets.keys).without_checks(),
        description=f"Load {dataset.taxi} months into PostgreSQL: raw CSV, staging, trips. Kestra: 04_postgres_taxi.",
        executor_def=in_process_executor,
    )


def scheduled_job(dataset: Dataset, assets: AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """The same, one run at a time over both taxis; further runs wait their turn."""
    return define_asset_job(
        scheduled_job_name(dataset),
        selection=AssetSelection.assets(*assets.keys).without_checks(),
        description=f"Load {dataset.taxi} months by schedule or backfill, one run of both taxis at a time. "
        f"Kestra: {SCHEDULED_FLOW}.",
        tags={FLOW_TAG: SCHEDULED_FLOW},
        executor_def=in_process_executor,
    )
