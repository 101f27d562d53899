"""The schedules of flow 05: each tick loads the month it lies in, and ticks missed are made up for.

Dagster evaluates the latest missed tick of a schedule only, so that one's evaluation requests the others' runs too.
How far a schedule has come is read from Dagster's own tick history, so it survives restarts and no clock is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.scheduler.instigation import InstigatorState, ScheduleInstigatorData, TickStatus
from dagster._core.storage.tags import RUN_KEY_TAG, SCHEDULE_NAME_TAG, SCHEDULED_EXECUTION_TIME_TAG
from dagster._time import get_current_timestamp

from taxi_assets.assets.request import run_labels
from taxi_assets.assets.ticks import Tick, ticks_after
from taxi_assets.automation.published import unpublished
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset

_ON_TIME = 120
"""Seconds after which a tick counts as missed. The scheduler looks every minute."""


def taxi_schedule(
    dataset: Dataset, job: UnresolvedAssetJobDefinition, settings: Settings, flow: str = ""
) -> ScheduleDefinition:
    """A taxi's schedule, stopped until a person switches it on; `flow` tells it from that of flow 05."""
    name = f"{dataset.taxi}_{flow}_schedule" if flow else f"{dataset.taxi}_schedule"

    def evaluate(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        ticks = _due(context, name, dataset.cron, settings)
        if not ticks:
            yield SkipReason("missed, and TAXI_RECOVER_MISSED_SCHEDULES is NONE")
            return
        reasons = unpublished(dataset, [tick.month for tick in ticks], settings)
        told = [f"tick {tick}: {reasons[tick.month]}" for tick in ticks if tick.month in reasons]
        if len(told) == len(ticks):
            yield SkipReason("; ".join(told))
            return
        for reason in told:
            context.log.info(f"skipped {reason}")
        yield from (_request(tick, dataset, settings) for tick in ticks if tick.month not in reasons)

    return ScheduleDefinition(
        name=name,
        cron_schedule=dataset.cron,
        job=job,
        execution_fn=evaluate,
        execution_timezone=settings.schedule_timezone,
        default_status=DefaultScheduleStatus.STOPPED,
        description=f"Runs {job.name} for the month that the tick lies in, and for those of missed ticks "
        f"({settings.recover_missed_schedules}, TAXI_RECOVER_MISSED_SCHEDULES).",
    )


def _request(tick: Tick, dataset: Dataset, settings: Settings) -> RunRequest:
    return RunRequest(
        run_key=str(tick),
        partition_key=str(tick.month),
        tags={**settings.schedule_labels, **tick.labels, **run_labels(dataset, (tick.month,))},
    )


def _due(context: ScheduleEvaluationContext, name: str, cron: str, settings: Settings) -> list[Tick]:
    """The ticks whose runs are to be requested now, oldest first; empty when the only one is missed and stays so."""
    date, timezone = context.scheduled_execution_time, settings.schedule_timezone
    this = Tick.at(cron, timezone, date)
    state = _state(context.instance, name, date.timestamp())
    if state is None:  # a person tries the schedule out in the UI
        return [this]
    match settings.recover_missed_schedules:
        case "NONE":
            return [this] if get_current_timestamp() - date.timestamp() <= _ON_TIME else []
        case "LAST":
            return [this]
        case "ALL":
            position = _position(context.instance, state, date.timestamp())
            missed = [tick for tick in ticks_after(cron, timezone, position, date) if tick.date < this.date]
            return [*_not_requested(context.instance, name, this, missed), this]


def _state(instance: DagsterInstance, name: str, timestamp: float) -> InstigatorState | None:
    """The schedule's state in the instance: of this name, and with this tick under way."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
        if state.instigator_name == name:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if ticks and ticks[0].timestamp == timestamp and ticks[0].status == TickStatus.STARTED:
                return state
    return None


def _position(instance: DagsterInstance, state: InstigatorState, before: float) -> float:
    """The moment up to which nothing is missed: the last tick that was dealt with, or when it was switched on."""
    done = instance.get_ticks(
        state.instigator_origin_id,
        state.selector_id,
        before=before,
        limit=1,
        statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED],
    )
    data = state.instigator_data
    switched_on = data.start_timestamp or 0.0 if isinstance(data, ScheduleInstigatorData) else 0.0
    return max(switched_on, done[0].timestamp if done else 0.0)


def _not_requested(instance: DagsterInstance, name: str, this: Tick, missed: Iterable[Tick]) -> list[Tick]:
    """Without the ticks whose runs an earlier, interrupted evaluation has already submitted.

    Those of this very evaluation stay: Dagster knows them by their run key, and submits those that it had only created.
    """
    keys = {str(tick): tick for tick in missed}
    if not keys:
        return []
    requested = set()
    for run in instance.get_runs(RunsFilter(tags={SCHEDULE_NAME_TAG: name, RUN_KEY_TAG: list(keys)})):
        of_this = datetime.fromisoformat(run.tags[SCHEDULED_EXECUTION_TIME_TAG]) == this.date
        if run.status != DagsterRunStatus.NOT_STARTED and not of_this:
            requested.add(run.tags[RUN_KEY_TAG])
    return [tick for key, tick in keys.items() if key not in requested]
