"""Limits of flows as Dagster runs meet them: small jobs for FAIL and CANCEL, the taxi jobs for QUEUE."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import (
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    JobDefinition,
    OpExecutionContext,
    job,
    op,
)

from taxi_assets.assets.flow import SCHEDULED_FLOW, flow_limit, within_limit
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.flow_limit import Asker, FlowLimit, Surplus, slot
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.automation.conftest import LoadDefs, months

NOW = datetime(2020, 1, 1, tzinfo=UTC)


def limited_job(limit: FlowLimit, settings: Settings, work: Callable[[], None]) -> JobDefinition:
    @op
    def limited(context: OpExecutionContext) -> None:
        with within_limit(context, limit, "hello", settings):
            work()

    @job
    def hello() -> None:
        limited()

    return hello


@pytest.mark.parametrize(
    ("surplus", "limit", "ends"),
    [(Surplus.FAIL, 2, DagsterRunStatus.FAILURE), (Surplus.CANCEL, 1, DagsterRunStatus.CANCELED)],
)
def test_surplus_run_ends_before_any_work_and_names_the_limit(
    make_settings: MakeSettings,
    instance: DagsterInstance,
    warehouse: Warehouse,
    surplus: Surplus,
    limit: int,
    ends: DagsterRunStatus,
) -> None:
    worked: list[int] = []
    flow = FlowLimit("01_hello_world", limit, surplus)
    hello = limited_job(flow, make_settings(), lambda: worked.append(1))
    with ExitStack() as stack:
        for n in range(limit):
            stack.enter_context(slot(warehouse, flow, Asker(f"holder{n}", "hello", NOW, print)))
        result = hello.execute_in_process(instance=instance, raise_on_error=False)
    assert worked == []
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.status is ends
    said = " ".join(f"{event.message} {event.event_specific_data}" for event in result.all_events)
    assert f"01_hello_world allows {limit} at once ({surplus})" in said
    assert hello.execute_in_process(instance=instance).success
    assert worked == [1]


@pytest.mark.parametrize(
    ("name", "tags", "limited"),
    [
        ("green_postgres_taxi", {"dagster/partition": "2019-01"}, False),
        ("__ASSET_JOB", {"dagster/partition": "2019-01"}, False),
        ("yellow_postgres_taxi_scheduled", {"dagster/partition": "2019-01"}, True),
        ("__ASSET_JOB", {"dagster/backfill": "abc"}, True),
        ("green_postgres_taxi", {"dagster/backfill": "abc", "dagster/partition": "2019-01"}, True),
        ("__ASSET_JOB", {"dagster/asset_partition_range_start": "2019-01"}, True),
    ],
)
def test_scheduled_jobs_and_backfills_are_one_flow(name: str, tags: dict[str, str], limited: bool) -> None:
    limit = flow_limit(DagsterRun(name, tags=tags))
    assert limit == (FlowLimit(SCHEDULED_FLOW, 1, Surplus.QUEUE) if limited else None)


def test_scheduled_run_waits_for_its_turn_and_the_unlimited_job_does_not(
    load_defs: LoadDefs, instance: DagsterInstance, warehouse: Warehouse, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    write_mirror(mirror, months("2019-01", "2019-01"), 20, datasets=[DATASETS["green"]])
    defs = load_defs(TAXI_POSTGRES_URL=warehouse.url, TAXI_SOURCE_URL=mirror.as_uri())
    limit = FlowLimit(SCHEDULED_FLOW, 1, Surplus.QUEUE)
    scheduled = defs.resolve_job_def("green_postgres_taxi_scheduled")
    manual = defs.resolve_job_def("green_postgres_taxi")
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with slot(warehouse, limit, Asker("other", "yellow 2019-01", NOW, print)):
            holding.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(60)
    assert manual.execute_in_process(partition_key="2019-01", instance=instance).success
    threading.Timer(3, release.set).start()
    assert scheduled.execute_in_process(partition_key="2019-01", instance=instance).success
    assert release.is_set()
    holder.join(60)
    (run,) = (run for run in instance.get_runs() if run.job_name == scheduled.name)
    assert run.status is DagsterRunStatus.SUCCESS
    told = [event.message for event in instance.all_logs(run.run_id)]
    assert any("waiting for run other (yellow 2019-01)" in message for message in told)
    materialized = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    assert len(materialized) == 3


def test_killed_run_is_marked_as_failed_by_the_next_one(
    make_settings: MakeSettings, instance: DagsterInstance, warehouse: Warehouse
) -> None:
    limit = FlowLimit("01_hello_world", 1, Surplus.QUEUE)
    hello = limited_job(limit, make_settings(), lambda: None)
    dead = instance.create_run_for_job(hello)
    hello.execute_in_process(instance=instance)  # makes the queue
    with warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO taxi_assets.flow_queue (flow, run_id, what, requested_at) VALUES ('x', %s, 'green', now())",
            [dead.run_id],
        )
    hello.execute_in_process(instance=instance)
    run = instance.get_run_by_id(dead.run_id)
    assert run is not None
    assert run.status is DagsterRunStatus.FAILURE
