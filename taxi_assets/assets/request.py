"""Which months a run was asked for, read from its tags and checked before anything else; and the labels it gets."""

from __future__ import annotations

from collections.abc import Mapping

from taxi_assets.assets.ticks import Tick
from taxi_assets.errors import MonthError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
_BACKFILL_TAG = "dagster/backfill"
REPLACE_TAG = "taxi_assets/replace"
"""Set to `true` on a run whose months replace what their files brought before."""


def requested_months(tags: Mapping[str, str], dataset: Dataset, settings: Settings, job: str) -> tuple[Month, ...]:
    """The months of a run of that job, oldest first.

    Dagster itself looks at an unknown partition key only after the asset's body has run, so the tag is read here.
    Raises MonthError naming the command that works.
    """
    single, start, end = (tags.get(tag) for tag in (PARTITION_TAG, RANGE_START_TAG, RANGE_END_TAG))
    try:
        if single:
            return (settings.partition(single),)
        if start and end:
            return tuple(months_between(settings.partition(start), settings.partition(end)))
    except MonthError as error:
        raise MonthError(f"{error}; {_working_command(dataset, settings, job)}") from None
    raise MonthError(f"this run names no month; {_working_command(dataset, settings, job)}")


def replaces(tags: Mapping[str, str]) -> bool:
    """Whether a run's months are put in place of what their files brought before."""
    return tags.get(REPLACE_TAG) == "true"


def is_backfill(tags: Mapping[str, str]) -> bool:
    """Whether a run belongs to a backfill of Dagster's: of the UI, of `dagster job backfill`, or over a range."""
    return _BACKFILL_TAG in tags or RANGE_START_TAG in tags


def labels_at_start(
    tags: Mapping[str, str], dataset: Dataset, months: tuple[Month, ...], settings: Settings
) -> dict[str, str]:
    """The labels that a run gives itself. A backfill's run of several months has no one tick to be labelled with."""
    if is_backfill(tags) and len(months) == 1:
        return backfill_labels(dataset, months[0], settings)
    return run_labels(dataset, months)


def backfill_labels(dataset: Dataset, month: Month, settings: Settings) -> dict[str, str]:
    """The labels of a month's run in a backfill, as in Kestra: those that the flow sets, and the month's own tick."""
    tick = Tick.of_month(dataset.cron, settings.schedule_timezone, month)
    return {**tick.labels, **run_labels(dataset, (month,))}


def run_labels(dataset: Dataset, months: tuple[Month, ...]) -> dict[str, str]:
    """The labels that the flow sets: `file` and `taxi`. A range of months has `first..last` as its file."""
    names = [dataset.file_name(month) for month in (months[0], months[-1])]
    return {"file": names[0] if len(months) == 1 else "..".join(names), "taxi": dataset.taxi}


def _working_command(dataset: Dataset, settings: Settings, job: str) -> str:
    month = settings.first_month
    tags = f'{{"{PARTITION_TAG}": "{month}"}}'
    command = "backfill" if "postgres" in job else "gcp-backfill"
    return (
        f"try: dagster job execute -m taxi_assets.definitions -j {job} --tags '{tags}'"
        f", or: taxi-assets {command} {dataset.taxi} --from {month} --to {month}"
    )
