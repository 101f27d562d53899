"""The project's definitions loaded for settings of the test's own, and Dagster's scheduler at moments of its choice."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRun, Definitions
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import InstigatorTick
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._scheduler.scheduler import launch_scheduled_runs

from taxi_assets import definitions
from taxi_assets.settings import get_settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between

LoadDefs = Callable[..., Definitions]


@pytest.fixture
def load_defs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadDefs]:
    """`taxi_assets.definitions` as a process finds it whose environment has the given variables."""

    def load(**variables: str) -> Definitions:
        monkeypatch.chdir(tmp_path)  # away from the .env of the person who runs the tests
        for name, value in {"TAXI_DATA_DIR": str(tmp_path / "data"), **variables}.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        importlib.reload(definitions)
        return definitions.defs

    yield load
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def published(tmp_path: Path) -> Callable[[Iterable[Month]], str]:
    """Makes a source that has files of the given months, all of them empty, and returns its URL."""

    def publish(months: Iterable[Month]) -> str:
        for month in months:
            for dataset in DATASETS.values():
                path = tmp_path / "mirror" / dataset.taxi / f"{dataset.file_name(month)}.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return (tmp_path / "mirror").as_uri()

    return publish


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    home = tmp_path / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with DagsterInstance.from_config(str(home)) as made:
        yield made


@dataclass
class Scheduler:
    """Dagster's scheduler daemon, one look at a time. Requested runs stay in Dagster's queue."""

    instance: DagsterInstance
    context: WorkspaceProcessContext

    def switch(self, schedule: str, on: bool, at: datetime) -> None:
        (location,) = self.context.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        remote = repository.get_schedule(schedule)
        with freeze_time(at):
            if on:
                self.instance.start_schedule(remote)
            else:
                self.instance.stop_schedule(remote.get_remote_origin_id(), remote.selector_id, remote)

    def look(self, at: datetime, crash: dict[str, dict[str, object]] | None = None) -> None:
        """What the daemon does each minute, as a daemon that was just started does it."""
        with freeze_time(at):
            logger = logging.getLogger("scheduler")
            list(launch_scheduled_runs(self.context, logger, at, iteration_times={}, debug_crash_flags=crash))  # type: ignore[arg-type]

    def runs(self, schedule: str | None = None) -> list[DagsterRun]:
        """Oldest first."""
        runs = reversed(self.instance.get_runs())
        return [run for run in runs if schedule is None or run.tags["dagster/schedule_name"] == schedule]

    def last_tick(self, schedule: str) -> InstigatorTick:
        (state,) = (s for s in self.instance.all_instigator_state() if s.instigator_name == schedule)
        return self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)[0]


@dataclass(frozen=True)
class Flow:
    """A scheduled flow: the names of its schedule and job for a taxi."""

    kestra: str
    schedule_of: str
    job_of: str

    def schedule(self, taxi: str) -> str:
        return self.schedule_of.format(taxi)

    def job(self, taxi: str) -> str:
        return self.job_of.format(taxi)


POSTGRES = Flow("05", "{}_schedule", "{}_postgres_taxi_scheduled")
GCP = Flow("09", "{}_gcp_schedule", "{}_bigquery_taxi")


@pytest.fixture(params=[POSTGRES, GCP], ids=lambda flow: f"flow_{flow.kestra}")
def flow(request: pytest.FixtureRequest) -> Flow:
    """Each of the scheduled flows."""
    found: Flow = request.param
    return found


@pytest.fixture
def start(instance: DagsterInstance, load_defs: LoadDefs) -> Iterator[Callable[..., Scheduler]]:
    """Starts a scheduler over the definitions for given environment variables."""
    with ExitStack() as stack:

        def start_scheduler(**variables: str) -> Scheduler:
            load_defs(**variables)
            origin = LoadableTargetOrigin(
                executable_path=None, module_name="taxi_assets.definitions", attribute="defs", working_directory="."
            )
            target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, location_name="taxi_assets"))
            return Scheduler(instance, stack.enter_context(create_test_daemon_workspace_context(target, instance)))

        yield start_scheduler


def months(first: str, last: str) -> list[Month]:
    return list(months_between(Month.parse(first), Month.parse(last)))
