"""Months in order, each a Dagster run of its own, all in this process: what `taxi-assets backfill` does.

A run process costs seconds before it does anything; in one process a run costs half a second.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from dagster import AssetKey, DagsterEventType, DagsterInstance, ExecuteInProcessResult, JobDefinition
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.utils import make_new_run_id

from taxi_assets.automation.instance import STORAGE_ERRORS
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class MonthResult:
    """What came of one month's run. Counts are rows; they are 0 when the month failed."""

    dataset: Dataset
    month: Month
    run_id: str
    seconds: float
    rows_read: int = 0
    rows_inserted: int = 0
    rows_matched: int = 0
    error: str | None = None
    """Why the month failed, in one line."""

    @property
    def succeeded(self) -> bool:
        return self.error is None


def backfill(
    job: JobDefinition,
    dataset: Dataset,
    months: Iterable[Month],
    instance: DagsterInstance,
    tags: Callable[[Month], Mapping[str, str]] = lambda _month: {},
    trips: str = "trips",
) -> Iterator[MonthResult]:
    """Run the job for each month in the given order; a failed month does not stop the rest.

    `trips` is the asset that says what came of a month: `trips`, or `bq_trips` for a job that loads BigQuery.

    Raises KeyboardInterrupt when a month's run ends by it.
    """
    lost: list[str] = []
    for month in months:
        start = time.perf_counter()
        run_id = make_new_run_id()
        try:
            _end_lost_runs(instance, lost)
            result = job.execute_in_process(
                partition_key=str(month),
                run_id=run_id,
                instance=instance,
                tags=dict(tags(month)),
                run_config=_QUIET,
                raise_on_error=False,
            )
        except STORAGE_ERRORS as error:
            lost.append(run_id)
            said = _storage_lost(error)
        else:
            if _interrupted(result):
                raise KeyboardInterrupt
            asset = AssetKey(f"{dataset.taxi}_{trips}")
            yield _month_result(dataset, month, asset, result, time.perf_counter() - start)
            continue
        # The error, gone by now, left the run's generators half-way, and in them the slot that the next run waits for.
        gc.collect()
        yield MonthResult(dataset, month, run_id, time.perf_counter() - start, error=said)
    with suppress(*STORAGE_ERRORS):
        _end_lost_runs(instance, lost)


def _end_lost_runs(instance: DagsterInstance, run_ids: list[str]) -> None:
    """Mark runs as failed whose end could not be recorded, and empty the list: they would seem to be at work for ever,
    and the next ones would wait for them."""
    while run_ids:
        run = instance.get_run_by_id(run_ids[-1])
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "Dagster's own storage went away while it was at work")
        run_ids.pop()


def _interrupted(result: ExecuteInProcessResult) -> bool:
    """Whether the run ended by Ctrl-C, which Dagster turns into a failure like others."""
    for event in result.all_events:
        if event.event_type == DagsterEventType.PIPELINE_FAILURE:
            data = event.event_specific_data
            return isinstance(data, JobFailureData) and data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
    return False


def _month_result(
    dataset: Dataset, month: Month, trips: AssetKey, result: ExecuteInProcessResult, seconds: float
) -> MonthResult:
    if not result.success:
        return MonthResult(dataset, month, result.run_id, seconds, error=_reason(result))
    (metadata,) = (
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key == trips
    )
    read, inserted, matched = (
        int(str(metadata[name].value)) for name in ("rows_read", "rows_inserted", "rows_matched")
    )
    return MonthResult(dataset, month, result.run_id, seconds, read, inserted, matched)


def _storage_lost(error: Exception) -> str:
    said = str(error).splitlines()[0]
    check = "check DAGSTER_HOME or DAGSTER_POSTGRES_URL, then run the month again"
    return f"Dagster's own storage does not answer, {said}: {check}"


def _reason(result: ExecuteInProcessResult) -> str:
    """The description of the failure that ended the run."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            return " ".join((data.error_display_string or "unknown").split())[:300]
    return f"run {result.run_id} failed before its first step"
