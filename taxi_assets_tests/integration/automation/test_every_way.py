"""Months asked for in every way at once, on real processes: they are one flow, and labelled alike."""

from __future__ import annotations

import ast
import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from taxi_assets.assets.flow import FLOW_TAG, SCHEDULED_FLOW
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.flow_limit import Asker, FlowLimit, Surplus, slot
from taxi_assets.settings import project_dir
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror, write_month
from taxi_assets_tests.integration.automation.conftest import months
from taxi_assets_tests.shared import shared_path
from taxi_assets_tests.stack import ROWS, Stack, file_of, running_stack, wait_for

pytestmark = pytest.mark.xdist_group("stack")

UI = ["green 2019-01", "green 2019-02", "green 2019-03"]
SHELLS = ["green 2020-04", "green 2020-05", "yellow 2020-03..2020-04"]
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } } }"""
REEXECUTE = """mutation ($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } } }"""
TERMINATE = "mutation ($run: String!) { terminateRun(runId: $run) { __typename } }"
RUNS = """{ runsOrError { ... on Runs { results {
  runId status jobName creationTime tags { key value } assetMaterializations { timestamp partition } } } } }"""

ROWS_BY_FILE = """SELECT filename, count(*) FROM public.green_tripdata GROUP BY 1
  UNION ALL SELECT filename, count(*) FROM public.yellow_tripdata GROUP BY 1"""


@dataclass(frozen=True)
class Run:
    """A run as the UI shows it."""

    run_id: str
    status: str
    job: str
    created: float
    tags: dict[str, str]
    loaded: list[tuple[float, str]]
    """When, and which month, of each materialization."""


def runs_of(stack: Stack) -> list[Run]:
    """All runs, in the order they were requested."""
    found: list[dict[str, Any]] = stack.graphql(RUNS)["runsOrError"]["results"]
    runs = [
        Run(
            run["runId"],
            run["status"],
            run["jobName"],
            run["creationTime"],
            {tag["key"]: tag["value"] for tag in run["tags"]},
            sorted((float(event["timestamp"]), event["partition"]) for event in run["assetMaterializations"]),
        )
        for run in found
    ]
    return sorted(runs, key=lambda run: run.created)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Up, with a yellow file that is cut short, and one that ends with a line of nonsense."""
    own = {"TAXI_BACKFILL_POLICY": "per_month", "TAXI_FIRST_MONTH": "2019-01"}
    with running_stack(**own) as stack:
        write_mirror(stack.mirror, months("2019-01", "2019-03"), ROWS, datasets=[DATASETS["green"]])
        short, odd = (file_of(stack, "yellow", month) for month in ("2020-01", "2020-02"))
        short.write_bytes(short.read_bytes()[:-2000])
        odd.write_bytes(odd.read_bytes() + gzip.compress(b"no,trip" + b"," * 16 + b"\n"))
        stack.up()
        yield stack


@pytest.fixture(scope="module")
def warehouse(stack: Stack) -> Warehouse:
    return Warehouse(stack.command("db", "url").strip())


@pytest.fixture(scope="module")
def runs(stack: Stack, warehouse: Warehouse) -> dict[str, Run]:
    """The runs by what they load, after all had asked while another run of the flow was at work, and one was killed."""
    holder = Asker("holder", "green 2019-12", datetime.now(UTC), print)
    shell = ("-m", "taxi_assets.definitions")
    with slot(warehouse, FlowLimit(SCHEDULED_FLOW, 1, Surplus.QUEUE), holder):
        launched = stack.graphql(
            LAUNCH,
            params={
                "assetSelection": [{"path": [f"green_{name}"]} for name in ("raw_csv", "staging", "trips")],
                "partitionNames": ["2019-03", "2019-01", "2019-02"],
                "tags": [{"key": "backfill", "value": "true"}],
            },
        )
        assert launched["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"
        wait_for(lambda: waiting(warehouse) >= set(UI), 120, f"those of the UI wait: {UI}")
        executed = stack.start(
            "dagster", "job", "execute", *shell, "-j", "green_postgres_taxi_scheduled",
            "--tags", '{"dagster/partition": "2020-04"}',
        )  # fmt: skip
        others = [
            stack.start(
                "dagster", "job", "backfill", "-w", str(project_dir() / "workspace.yaml"), "--noprompt",
                "-j", "yellow_postgres_taxi_scheduled", "--from", "2020-01", "--to", "2020-02",
            ),
            stack.start("taxi-assets", "backfill", "green", "--from", "2020-05", "--to", "2020-05"),
            stack.start(
                "dagster", "asset", "materialize", *shell, "--select", "yellow_trips",
                "--partition-range", "2020-03...2020-04", TAXI_BACKFILL_POLICY="single_run",
            ),
        ]  # fmt: skip
        wait_for(lambda: waiting(warehouse) >= {*UI, *SHELLS}, 120, f"those of shells wait: {SHELLS}")
        stack.end(others.pop(0))
        executed.kill()
        executed.communicate()
        assert not any(run.loaded for run in runs_of(stack)), "nobody works while another run does"
    for process in others:
        stack.end(process)
    wait_for(lambda: all(run.status in ENDED for run in runs_of(stack)), 120, "all runs have ended")
    return {f"{run.tags['taxi']} {run.tags['file'][-11:-4]}": run for run in runs_of(stack)}


def waiting(warehouse: Warehouse) -> set[str]:
    with warehouse.connect() as connection:
        rows = connection.execute("SELECT what FROM taxi_assets.flow_queue WHERE started_at IS NULL").fetchall()
        return {str(row[0]) for row in rows}


def test_backfill_of_the_ui_runs_as_the_real_engine_ran_it(runs: dict[str, Run]) -> None:
    """A run per month, oldest first, with its labels."""
    with shared_path("kestra-truth/backfills.tsv").open() as file:
        executions = [row for row in csv.DictReader(file, delimiter="\t") if row["backfill"].startswith("exact_bounds")]
    expected = [
        {
            "trigger.date": row["trigger.date"],
            "file": row["file_label"],
            **ast.literal_eval(row["labels"]),
            "state": row["state"],
        }
        for row in executions
    ]
    found = [run for run in runs.values() if run.tags["file"].startswith("green_tripdata_2019")]
    labels = ("trigger.date", "file", "taxi", "backfill")
    assert [{key: run.tags[key] for key in labels} | {"state": run.status} for run in found] == expected
    assert [run.loaded for run in found] == sorted(run.loaded for run in found)


def test_dagster_job_backfill_is_a_run_per_month(runs: dict[str, Run]) -> None:
    found = [runs[f"yellow 2020-0{n}"] for n in (1, 2)]
    assert [run.status for run in found] == ["FAILURE", "FAILURE"], "as their files are"
    assert {run.job for run in found} == {"yellow_postgres_taxi_scheduled"}
    assert [run.tags["trigger.date"] for run in found] == ["2020-01-01T10:00:00Z", "2020-02-01T10:00:00Z"]


def test_range_of_a_shell_is_one_run_without_a_tick(runs: dict[str, Run]) -> None:
    run = runs["yellow 2020-04"]
    assert run.status == "SUCCESS"
    assert [month for _, month in run.loaded] == ["2020-03"] * 3 + ["2020-04"] * 3
    assert run.tags["file"] == "yellow_tripdata_2020-03.csv..yellow_tripdata_2020-04.csv"
    assert "trigger.date" not in run.tags


def test_no_two_of_them_were_at_work_at_once(runs: dict[str, Run]) -> None:
    spans = sorted((run.loaded[0][0], run.loaded[-1][0], what) for what, run in runs.items() if run.loaded)
    assert len(spans) == len(runs) - 2
    for (_, ended, one), (began, _, other) in pairwise(spans):
        assert ended <= began, f"{one} and {other}"


def test_killed_run_of_a_shell_holds_up_neither_the_slot_nor_the_queue(runs: dict[str, Run]) -> None:
    """Dagster's own queue counts runs of a tag, dead ones too."""
    killed, queued = runs["green 2020-04"], runs["yellow 2020-02"]
    assert (killed.status, killed.loaded) == ("FAILURE", [])
    assert queued.loaded
    assert queued.tags[FLOW_TAG] == SCHEDULED_FLOW


def test_failed_months_run_again_in_the_ui_take_the_repaired_files(stack: Stack, runs: dict[str, Run]) -> None:
    """By either of the buttons that the UI has for a failed run."""
    started = {}
    for month, strategy in (("yellow 2020-01", "FROM_FAILURE"), ("yellow 2020-02", "FROM_ASSET_FAILURE")):
        taxi, _, name = month.partition(" ")
        write_month(DATASETS[taxi], Month.parse(name), file_of(stack, taxi, name), ROWS)
        params = {"parentRunId": runs[month].run_id, "strategy": strategy}
        answer = stack.graphql(REEXECUTE, params=params)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        started[answer["run"]["runId"]] = runs[month]

    wait_for(lambda: all(run.status in ENDED for run in runs_of(stack)), 120, "they have ended")
    loaded = stack.query(ROWS_BY_FILE)
    for run in runs_of(stack):
        if failed := started.get(run.run_id):
            assert run.status == "SUCCESS"
            assert run.tags["trigger.date"] == failed.tags["trigger.date"]
            assert (run.tags["file"], ROWS) in loaded


def test_run_terminated_in_the_ui_ends_the_servers_work_too(
    stack: Stack, runs: dict[str, Run], warehouse: Warehouse
) -> None:
    with psycopg.connect(warehouse.url) as reader, warehouse.connect() as looking:
        reader.execute("LOCK TABLE public.green_tripdata IN SHARE MODE")  # as a dump or an index build does
        params = {"parentRunId": runs["green 2019-01"].run_id, "strategy": "ALL_STEPS"}
        run_id = stack.graphql(REEXECUTE, params=params)["launchRunReexecution"]["run"]["runId"]
        wait_for(
            lambda: looking.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None, 60, "it loads"
        )
        assert stack.graphql(TERMINATE, run=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
        wait_for(lambda: {run.run_id: run.status for run in runs_of(stack)}[run_id] == "CANCELED", 60, "it has ended")
        at_work = "SELECT FROM pg_stat_activity WHERE application_name = 'taxi_assets green 2019-01'"
        assert looking.execute(at_work).fetchone() is None
