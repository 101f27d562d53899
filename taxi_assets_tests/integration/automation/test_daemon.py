"""Webserver and daemon as processes on PostgreSQL: a backfill from the UI, schedules, and a daemon that is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.scheduler.instigation import ScheduleInstigatorData

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import digest
from taxi_assets.trips.datasets import DATASETS
from taxi_assets_tests.integration.automation.conftest import months

pytestmark = pytest.mark.xdist_group("daemon")

_REPOSITORY = Path(__file__).parents[3]
_CONFIG = """\
telemetry: {enabled: false}
storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}
"""
_PATIENCE = 400
_BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PartitionKeysNotFoundError { message }
    ... on PythonError { message }
  }
}
"""
_WORKSPACE = """
query {
  workspaceOrError {
    ... on Workspace {
      locationEntries { locationOrLoadError { __typename ... on PythonError { errorChain { error { message } } } } }
    }
  }
}
"""
_START_SCHEDULE = "mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) { __typename } }"


class Deployment:
    """Dagster's processes over one home folder, and the instance that they share."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_text(_CONFIG)
        self.environment = {**os.environ, **variables, "DAGSTER_HOME": str(folder / "home"), "NO_PROXY": "127.0.0.1"}
        os.environ["DAGSTER_POSTGRES_URL"] = variables["DAGSTER_POSTGRES_URL"]
        self.instance = DagsterInstance.from_config(str(folder / "home"))
        self.processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name(program)), *arguments, "-w", str(_REPOSITORY / "workspace.yaml")]
        with (self.folder / f"{program}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        return process

    def daemon(self) -> subprocess.Popen[bytes]:
        return self.start("dagster-daemon", "run")

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The first field of the answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=120) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error)
        if "errors" in said:
            return {"__typename": "Error", "message": said["errors"][0]["message"]}
        first: dict[str, Any] = next(iter(said["data"].values()))
        return first

    def answers(self) -> bool:
        """Whether the webserver is up and has loaded the definitions."""
        try:
            workspace = self.graphql(_WORKSPACE)
        except OSError:
            return False
        loaded = [entry["locationOrLoadError"] for entry in workspace["locationEntries"]]
        assert not any(one and one["__typename"] == "PythonError" for one in loaded), loaded
        return bool(loaded and loaded[0])

    def switch_on(self, schedule: str, since: datetime) -> None:
        """Switch a schedule on in the UI, and let it have been on since a moment in the past."""
        selector = {
            "repositoryLocationName": "taxi_assets",
            "repositoryName": "__repository__",
            "scheduleName": schedule,
        }
        assert self.graphql(_START_SCHEDULE, selector=selector)["__typename"] == "ScheduleStateResult"
        (state,) = (s for s in self.instance.all_instigator_state() if s.instigator_name == schedule)
        data = state.instigator_data
        assert isinstance(data, ScheduleInstigatorData)
        past = ScheduleInstigatorData(data.cron_schedule, start_timestamp=since.timestamp())
        self.instance.update_instigator_state(state.with_data(past))

    def close(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()
        self.instance.dispose()
        os.environ.pop("DAGSTER_POSTGRES_URL", None)


@pytest.fixture
def deployment(tmp_path: Path, warehouse: Warehouse, shared_dir: Path) -> Iterator[Deployment]:
    made = Deployment(
        tmp_path,
        {
            "TAXI_DATA_DIR": str(tmp_path / "data"),
            "TAXI_POSTGRES_URL": warehouse.url,
            "TAXI_SOURCE_URL": (shared_dir / "data" / "trips").as_uri(),
            "TAXI_LAST_MONTH": "2020-09",
            "DAGSTER_POSTGRES_URL": warehouse.url.replace("postgresql:", "postgresql+psycopg2:"),
        },
    )
    made.start("dagster-webserver", "-h", "127.0.0.1", "-p", str(made.port))
    eventually(made.answers)
    yield made
    made.close()


def eventually(true: Callable[[], bool], seconds: float = _PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.3)


def test_two_schedules_and_a_backfill_from_the_ui_survive_a_killed_daemon(
    deployment: Deployment, warehouse: Warehouse, shared_dir: Path
) -> None:
    """Green's schedule has missed its six months and yellow's its last two, whose other ten the UI backfills."""
    instance = deployment.instance
    deployment.switch_on("green_schedule", since=datetime(2020, 3, 15, tzinfo=UTC))
    deployment.switch_on("yellow_schedule", since=datetime(2019, 10, 15, tzinfo=UTC))
    missed = {"green": month_keys("2020-04", "2020-09"), "yellow": month_keys("2019-11", "2019-12")}
    backfilled = {"green": [], "yellow": month_keys("2019-01", "2019-10")}
    assets = [{"path": [f"yellow_{name}"]} for name in ("raw_csv", "staging", "trips")]
    unknown = deployment.graphql(_BACKFILL, params={"assetSelection": assets, "partitionNames": ["2031-01"]})
    launched = deployment.graphql(_BACKFILL, params={"assetSelection": assets, "partitionNames": backfilled["yellow"]})
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    kill_between_launches(deployment.daemon(), instance)
    deployment.daemon()

    def all_done() -> bool:
        runs = instance.get_runs()
        return len(runs) >= 9 and all(run.is_finished for run in runs)

    eventually(all_done)
    runs = instance.get_runs()
    assert {run.status for run in runs} == {DagsterRunStatus.SUCCESS}
    (backfill,) = (run for run in runs if "dagster/backfill" in run.tags)
    assert backfill.tags["dagster/asset_partition_range_start"] == "2019-01"
    assert backfill.tags["file"] == "yellow_tripdata_2019-01.csv..yellow_tripdata_2019-10.csv"

    truth = json.loads((shared_dir / "kestra-truth" / "loads.json").read_text())["steps"]
    for taxi, hour in (("green", 9), ("yellow", 10)):
        scheduled = [run for run in reversed(runs) if run.tags.get("dagster/schedule_name") == f"{taxi}_schedule"]
        dates = [f"{month}-01T{hour:02}:00:00Z" for month in missed[taxi]]
        assert [run.tags["trigger.date"] for run in scheduled] == dates
        trips = AssetRecordsFilter(AssetKey(f"{taxi}_trips"))
        loads = [record.partition_key for record in instance.fetch_materializations(trips, 100, ascending=True).records]
        for asked in (missed[taxi], backfilled[taxi]):
            assert [month for month in loads if month in asked] == asked, "oldest first, each once"
        last = [step for step in truth if step["taxi"] == taxi][len(loads) - 1]
        with warehouse.connect() as connection:
            assert digest(connection, DATASETS[taxi].table) == (last["final_rows"], last["final_md5"])
    assert at_work_at_once(instance) == 1
    assert unknown["__typename"] != "LaunchBackfillSuccess", "an unknown month is refused when it is asked for"


def kill_between_launches(daemon: subprocess.Popen[bytes], instance: DagsterInstance) -> None:
    """Kill the daemon when a run is at work. A run that it was just about to launch would be taken for lost, and
    started again, only by run monitoring after minutes."""

    def stopped_in_time() -> bool:
        if not instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
            return False
        daemon.send_signal(signal.SIGSTOP)
        if not instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING])):
            return True
        daemon.send_signal(signal.SIGCONT)
        return False

    eventually(stopped_in_time)
    daemon.kill()
    daemon.wait()


def month_keys(first: str, last: str) -> list[str]:
    return list(map(str, months(first, last)))


def at_work_at_once(instance: DagsterInstance) -> int:
    """The most runs that loaded at the same time, from their first to their last materialization."""
    steps: Counter[float] = Counter()
    for run in instance.get_runs():
        events = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
        steps[events[0].timestamp] += 1
        steps[events[-1].timestamp] -= 1
    present = most = 0
    for moment in sorted(steps):
        present += steps[moment]
        most = max(most, present)
    return most
