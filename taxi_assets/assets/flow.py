"""Which flow a run belongs to, and its limit. Flow 05_postgres_taxi_scheduled: scheduled jobs and all backfills."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dagster import (
    AssetExecutionContext,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Failure,
    OpExecutionContext,
    RunsFilter,
)
from dagster._core.storage.tags import GRPC_INFO_TAG

from taxi_assets.assets.request import is_backfill
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset

if TYPE_CHECKING:
    from taxi_assets.postgres.connection import Warehouse
    from taxi_assets.postgres.flow_limit import FlowLimit

SCHEDULED_FLOW = "05_postgres_taxi_scheduled"
FLOW_TAG = "taxi_assets/flow"
"""On runs of the scheduled jobs, for people to filter by. The limit looks at the job's name."""
_PATIENCE = timedelta(seconds=60)
Keep = Callable[[], None]
"""Takes a run's slot anew if the warehouse lost it. Raises WarehouseError."""


def scheduled_job_name(dataset: Dataset) -> str:
    return f"{dataset.taxi}_postgres_taxi_scheduled"


def flow_limit(run: DagsterRun) -> FlowLimit | None:
    """The limit that holds for a run of the taxi assets; None for flow 04_postgres_taxi, which has none."""
    from taxi_assets.postgres.flow_limit import FlowLimit, Surplus

    if is_backfill(run.tags) or run.job_name in map(scheduled_job_name, DATASETS.values()):
        return FlowLimit(SCHEDULED_FLOW, 1, Surplus.QUEUE)
    return None


@contextmanager
def within_limit(
    context: AssetExecutionContext | OpExecutionContext, limit: FlowLimit | None, what: str, settings: Settings
) -> Iterator[Keep]:
    """Work only while the run holds one of its flow's slots. What is yielded is to be called now and then.

    A run that its flow does not queue ends here: failed for FAIL, canceled for CANCEL, with a message that names the
    limit.
    """
    if limit is None:
        yield lambda: None
        return
    from taxi_assets.postgres.connection import Warehouse
    from taxi_assets.postgres.flow_limit import Asker, Surplus, SurplusError, slot

    if GRPC_INFO_TAG not in context.run.tags:
        # A process of a shell is not one that the run queue started, so a limit of the queue must not count it: killed,
        # it would seem to run for ever.
        context.instance.add_run_tags(context.run.run_id, {FLOW_TAG: f"{limit.flow} in a shell"})
    warehouse = Warehouse.from_settings(settings)
    bury_killed_runs(context.instance, warehouse)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    requested_at = record.create_timestamp.astimezone(UTC) if record else datetime.now(UTC)

    def awaited(present: Collection[str]) -> str | None:
        return _on_its_way(context.instance, limit, requested_at, present)

    asker = Asker(context.run.run_id, what, requested_at, context.log.info, awaited)
    with ExitStack() as stack:
        try:
            held = stack.enter_context(slot(warehouse, limit, asker))
        except SurplusError as error:
            if limit.surplus is Surplus.CANCEL:
                # A run that fails after this ends as canceled.
                context.instance.report_run_canceling(context.run, str(error))
            raise Failure(str(error)) from None
        yield held.keep


def bury_killed_runs(instance: DagsterInstance, warehouse: Warehouse) -> None:
    """Mark as failed the runs whose process was killed at work: Dagster itself would show them as running for ever."""
    from taxi_assets.postgres.flow_limit import bury

    for run_id in bury(warehouse):
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "the run's process is gone: its session with the warehouse ended")


def _on_its_way(
    instance: DagsterInstance, limit: FlowLimit, requested_at: datetime, present: Collection[str]
) -> str | None:
    """A run of the same flow that was requested earlier and whose process is starting.

    Processes started together arrive in any order. One that does not arrive soon is not waited for.
    """
    in_progress = RunsFilter(statuses=[DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
    patience = datetime.now(UTC) - _PATIENCE
    for record in instance.get_run_records(in_progress):
        run = record.dagster_run
        earlier = record.create_timestamp.astimezone(UTC) < requested_at
        starting = run.run_id not in present and record.update_timestamp.astimezone(UTC) > patience
        if earlier and starting and loads_trips(run.asset_selection) and flow_limit(run) == limit:
            return f"run {run.run_id[:8]}"
    return None


def loads_trips(selection: Collection[AssetKey] | None) -> bool:
    """Whether a run or backfill of these assets, None for all of its job's, is one of the taxi assets."""
    keys = {AssetKey(f"{taxi}_{name}") for taxi in DATASETS for name in ("raw_csv", "staging", "trips")}
    return selection is None or not keys.isdisjoint(selection)
