"""`taxi-assets up` and `down` with real processes on the embedded server; what is killed comes back."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from taxi_assets_tests.stack import ROWS, Stack, running_stack, wait_for

pytestmark = pytest.mark.xdist_group("stack")

MONTHS = ["2020-05", "2020-06", "2020-07"]
LAUNCH = """mutation ($months: [String!]!) {
  launchPartitionBackfill(backfillParams: {partitionNames: $months, assetSelection: [
    {path: ["green_raw_csv"]}, {path: ["green_staging"]}, {path: ["green_trips"]}]}) {
    __typename ... on LaunchBackfillSuccess { backfillId } } }"""
QUEUE = """mutation ($month: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "taxi_assets", repositoryName: "__repository__", jobName: "green_postgres_taxi"},
    runConfigData: {}, executionMetadata: {tags: [{key: "dagster/partition", value: $month}]}}) {
    __typename ... on LaunchRunSuccess { run { status } } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status rootRunId } } } }"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Up, after a month was loaded from the shell."""
    with running_stack() as stack:
        stack.command("backfill", "green", "--from", "2020-04", "--to", "2020-04")
        said = stack.up()
        assert "1 runs brought along" in said
        assert stack.ui in said
        yield stack


def test_up_keeps_what_was_run_before(stack: Stack) -> None:
    assert stack.materialized("green_trips") == {"2020-04"}
    (run,) = stack.graphql(RUNS)["runsOrError"]["results"]
    assert run["status"] == "SUCCESS"


def test_up_twice_says_so_and_starts_nothing(stack: Stack) -> None:
    before = stack.deployment.running()
    assert stack.command("up") == f"already up: {stack.ui}\n"
    assert stack.deployment.running() == before
    assert len(before) == 3


def test_up_starts_a_postgresql_that_was_stopped_and_what_lost_its_connections_with_it(stack: Stack) -> None:
    before = stack.deployment.running()
    assert stack.command("db", "stop") == "stopped\n"
    assert stack.up().startswith("   PostgreSQL, which has Dagster's storage\n")
    assert stack.deployment.running().keys() == before.keys()
    assert stack.materialized("green_trips") == {"2020-04"}


def test_daemon_that_ends_at_its_start_is_not_announced_by_the_heartbeats_of_the_last_one(stack: Stack) -> None:
    *_, daemon = stack.deployment.services
    assert daemon.stop()
    failing = stack.start("taxi-assets", "up", DAGSTER_DAEMON_HEARTBEAT_TOLERANCE="none")
    said, errors = failing.communicate(timeout=180)
    assert failing.returncode == 1
    assert "daemon" not in said
    assert errors.startswith("error: the daemon ended while it started: ValueError")
    assert stack.up().startswith("   daemon: ")


def test_doctor_finds_all_right(stack: Stack) -> None:
    said = stack.command("doctor")
    assert "WRONG" not in said
    assert "runs in PostgreSQL" in said
    assert "last heartbeat" in said


def test_queued_run_outlives_an_update(stack: Stack) -> None:
    """The steps of docs/deployment.md: end what starts runs, replace the rest, start again."""
    *_, daemon = stack.deployment.services
    assert daemon.stop()
    answer = stack.graphql(QUEUE, month="2020-08")["launchRun"]
    assert answer == {"__typename": "LaunchRunSuccess", "run": {"status": "QUEUED"}}
    stack.command("down")
    stack.up()
    wait_for(lambda: "2020-08" in stack.materialized("green_trips"), 120, "the queued run's month is materialized")


def test_backfill_survives_the_death_of_every_process(stack: Stack) -> None:
    with psycopg.connect(stack.command("db", "url").strip()) as blocker:
        blocker.execute("LOCK TABLE public.green_tripdata IN ACCESS EXCLUSIVE MODE")
        answer = stack.graphql(LAUNCH, months=MONTHS)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        wait_for(lambda: _waiting(blocker) > 0, 150, "the backfill's run waits for the lock")
        stack.kill()
        wait_for(lambda: not stack.deployment.running(), 20, "all processes are gone")
    assert stack.query("SELECT count(*) FROM public.green_tripdata") == [(2 * ROWS,)]

    stack.up()
    wait_for(lambda: set(MONTHS) <= stack.materialized("green_trips"), 240, "the backfill's months are materialized")
    rows = stack.query("SELECT filename, count(*) FROM public.green_tripdata GROUP BY filename ORDER BY filename")
    assert rows == [(f"green_tripdata_{month}.csv", ROWS) for month in ["2020-04", *MONTHS, "2020-08"]]
    lost = [run for run in stack.graphql(RUNS)["runsOrError"]["results"] if run["status"] == "FAILURE"]
    assert len(lost) == 1


def test_down_ends_every_process_and_says_when_there_is_none(stack: Stack) -> None:
    assert stack.command("down").startswith("ended: daemon, webserver, code server\n")
    assert stack.deployment.running() == {}
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.ui)
    assert stack.command("down") == "nothing was up\n"


def _waiting(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL").fetchone()
    return int(row[0]) if row else 0
