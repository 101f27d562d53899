"""The jobs a person runs by name. Flow 04_postgres_taxi is the job `{taxi}_postgres_taxi`."""

from __future__ import annotations

from dagster import AssetsDefinition, AssetSelection, define_asset_job, in_process_executor
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from taxi_assets.trips.datasets import Dataset


def postgres_job(dataset: Dataset, assets: AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """Load one month of a taxi, or a range of months, into PostgreSQL."""
    return define_asset_job(
        f"{dataset.taxi}_postgres_taxi",
        selection=AssetSelection.assets(*assets.keys),
        description=f"Load {dataset.taxi} months into PostgreSQL: raw CSV, staging, trips. Kestra: 04_postgres_taxi.",
        executor_def=in_process_executor,
    )
