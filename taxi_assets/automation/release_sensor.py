"""`release_sensor`: asks the source which months are published, and requests those that are not in the tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from taxi_assets.assets.flow import scheduled_job_name
from taxi_assets.assets.request import REPLACE_TAG, run_labels
from taxi_assets.errors import TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Published, Source

RUNS_PER_TICK = 6
"""Requests of one look at the source: enough to keep the queue busy, few enough to watch."""
_INTERVAL = 3600
_PROBES = 8
"""Questions to the source at once."""

Version = str
"""What tells a published file from its predecessor: its ETag, else its size."""


def release_sensor(jobs: Mapping[str, UnresolvedAssetJobDefinition], settings: Settings) -> SensorDefinition:
    """Looks every hour. Stopped until a person switches it on. Its cursor is what it has requested and reported."""

    @sensor(
        name="release_sensor",
        jobs=list(jobs.values()),
        minimum_interval_seconds=_INTERVAL,
        default_status=DefaultSensorStatus.STOPPED,
        description="Requests published months that are not in the tables, oldest first, "
        f"{RUNS_PER_TICK} at a time, and reports files that have changed.",
    )
    def look(context: SensorEvaluationContext) -> SensorResult:
        try:
            return _Look(settings, json.loads(context.cursor or '{"requested": {}, "reported": {}}')).result(context)
        except TaxiAssetsError as error:
            return SensorResult(skip_reason=str(error))

    return look


class _Look:
    """One look at the source."""

    def __init__(self, settings: Settings, cursor: dict[str, dict[str, Version]]) -> None:
        self.settings = settings
        self.cursor = cursor
        self.requested = cursor["requested"]
        """By file: the version whose run was last requested."""
        self.reported = cursor["reported"]
        """By file: the version that was last reported as changed."""

    def result(self, context: SensorEvaluationContext) -> SensorResult:
        loaded = _loaded(self.settings)
        published = _published(self.settings)
        if not published:
            return SensorResult(skip_reason=f"the source has none of the months: {self.settings.source_shown}")
        missing, changed = [], []
        for dataset, month, found in published:
            file = dataset.file_name(month)
            version = _version(found)
            if file not in loaded:
                missing.append((dataset, month, version))
            elif _differs(found, *loaded[file]):
                changed.append((dataset, month, version))
        requests = list(self._requests(missing, changed))
        for dataset, month, version in changed:
            if self.reported.get(dataset.file_name(month)) != version and not self.settings.reload_changed:
                self.reported[dataset.file_name(month)] = version
                context.log.warning(_advice(dataset, month))
        newest = max(month for _, month, _ in published)
        seen = (
            f"{len(published)} published months, the last {newest}; {len(missing)} not loaded, {len(changed)} changed"
        )
        if changed and not self.settings.reload_changed:
            seen += f" ({', '.join(dataset.file_name(month) for dataset, month, _ in changed)}: TAXI_RELOAD_CHANGED)"
        if missing and not requests:
            seen += "; their runs were requested before: load them with `taxi-assets backfill … --only missing`"
        return SensorResult(
            run_requests=requests,
            skip_reason=None if requests else SkipReason(seen),
            cursor=json.dumps(self.cursor, sort_keys=True),
        )

    def _requests(
        self, missing: list[tuple[Dataset, Month, Version]], changed: list[tuple[Dataset, Month, Version]]
    ) -> Iterator[RunRequest]:
        """Oldest month first. A file's version is requested once: what failed is for a person to run again."""
        wanted: list[tuple[Dataset, Month, Version, dict[str, str]]] = [(*item, {}) for item in missing]
        if self.settings.reload_changed:
            wanted += [(*item, {REPLACE_TAG: "true"}) for item in changed]
        wanted.sort(key=lambda item: (item[1], item[0].taxi))
        new = [item for item in wanted if self.requested.get(item[0].file_name(item[1])) != item[2]]
        for dataset, month, version, tags in new[:RUNS_PER_TICK]:
            file = dataset.file_name(month)
            self.requested[file] = version
            yield RunRequest(
                run_key=f"{file} {version}",
                job_name=scheduled_job_name(dataset),
                partition_key=str(month),
                tags={**self.settings.schedule_labels, **run_labels(dataset, (month,)), **tags},
            )


def _published(settings: Settings) -> list[tuple[Dataset, Month, Published]]:
    """What the source has of the months, oldest first. Raises SourceError."""
    source = Source.from_settings(settings)
    source.check()
    asked = [(dataset, month) for month in settings.months for dataset in DATASETS.values()]
    with ThreadPoolExecutor(_PROBES) as pool:
        found = pool.map(lambda one: source.probe(*one), asked)
        return [(*one, published) for one, published in zip(asked, found, strict=True) if published is not None]


def _loaded(settings: Settings) -> dict[str, tuple[str | None, int]]:
    """ETag and bytes of each file that is in the tables. Raises WarehouseError."""
    from taxi_assets.postgres.connection import Warehouse
    from taxi_assets.postgres.records import loaded_files

    with Warehouse.from_settings(settings).connect() as connection:
        return {record.filename: (record.etag, record.bytes) for record in loaded_files(connection)}


def _version(found: Published) -> Version:
    return found.etag or str(found.size)


def _differs(found: Published, etag: str | None, size: int) -> bool:
    if found.etag and etag:
        return found.etag != etag
    return found.size is not None and found.size != size


def _advice(dataset: Dataset, month: Month) -> str:
    return (
        f"{dataset.file_name(month)} has changed at the source since it was loaded; put it in place of the old one "
        f"with: taxi-assets month replace {dataset.taxi} {month}"
    )
