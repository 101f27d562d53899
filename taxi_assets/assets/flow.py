"""Which flow a run belongs to, and its limit. Flow 05_postgres_taxi_scheduled: scheduled jobs and all backfills."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dagster import AssetExecutionContext, DagsterRun, Failure, OpExecutionContext

from taxi_assets.assets.request import RANGE_START_TAG
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset

if TYPE_CHECKING:
    from taxi_assets.postgres.flow_limit import FlowLimit

SCHEDULED_FLOW = "05_postgres_taxi_scheduled"
FLOW_TAG = "taxi_assets/flow"
"""On runs of the scheduled jobs, for the run queue's own limit. The one that counts looks at the job's name."""
_BACKFILL_TAG = "dagster/backfill"


def scheduled_job_name(dataset: Dataset) -> str:
    return f"{dataset.taxi}_postgres_taxi_scheduled"


def flow_limit(run: DagsterRun, dataset: Dataset) -> FlowLimit | None:
    """The limit that holds for a run; None for flow 04_postgres_taxi, which has none."""
    from taxi_assets.postgres.flow_limit import FlowLimit, Surplus

    backfill = _BACKFILL_TAG in run.tags or RANGE_START_TAG in run.tags
    if backfill or run.job_name == scheduled_job_name(dataset):
        return FlowLimit(SCHEDULED_FLOW, 1, Surplus.QUEUE)
    return None


@contextmanager
def within_limit(
    context: AssetExecutionContext | OpExecutionContext, limit: FlowLimit | None, what: str, settings: Settings
) -> Iterator[None]:
    """Work only while the run holds one of its flow's slots.

    A run that its flow does not queue ends here: failed for FAIL, canceled for CANCEL, with a message that names the
    limit.
    """
    if limit is None:
        yield
        return
    from taxi_assets.postgres.connection import Warehouse
    from taxi_assets.postgres.flow_limit import Asker, Surplus, SurplusError, slot

    record = context.instance.get_run_record_by_id(context.run_id)
    requested_at = record.create_timestamp.astimezone(UTC) if record else datetime.now(UTC)
    asker = Asker(context.run_id, what, requested_at)
    with ExitStack() as stack:
        try:
            stack.enter_context(slot(Warehouse.from_settings(settings), limit, asker, context.log.info))
        except SurplusError as error:
            if limit.surplus is Surplus.CANCEL:
                # A run that fails after this ends as canceled.
                context.instance.report_run_canceling(context.run, str(error))
            raise Failure(str(error), allow_retries=False) from None
        yield
