"""Which months of a range a backfill is to load, and what each of its runs is labelled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dagster import AssetKey, DagsterInstance
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from taxi_assets.assets.partitions import monthly_partitions
from taxi_assets.assets.request import backfill_labels
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.records import loaded_files
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month


def missing_months(dataset: Dataset, months: Sequence[Month], settings: Settings) -> list[Month]:
    """Those of which no file is in the tables. Raises WarehouseError."""
    with Warehouse.from_settings(settings).connect() as connection:
        loaded = {record.filename for record in loaded_files(connection)}
    return [month for month in months if dataset.file_name(month) not in loaded]


def failed_months(asset: str, months: Sequence[Month], settings: Settings, instance: DagsterInstance) -> list[Month]:
    """Those whose last run for an asset failed, whatever started it."""
    states = instance.get_status_by_partition(
        AssetKey(asset), [str(month) for month in months], monthly_partitions(settings)
    )
    failed = {key for key, state in (states or {}).items() if state is AssetPartitionStatus.FAILED}
    return [month for month in months if str(month) in failed]


def backfill_tags(dataset: Dataset, month: Month, labels: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """A month's tags: the labels given, and those of every backfill."""
    return {**labels, **backfill_labels(dataset, month, settings)}
