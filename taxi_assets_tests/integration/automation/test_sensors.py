"""The sensors, evaluated on a real instance, warehouse, source and web server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, Definitions, ExecuteInProcessResult, build_sensor_context
from dagster._core.definitions.sensor_definition import SensorExecutionData

from taxi_assets.automation.release_sensor import RUNS_PER_TICK
from taxi_assets.postgres.backfills import live_backfill
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.integration.automation.conftest import LoadDefs, months

GREEN = DATASETS["green"]


@dataclass
class Place:
    """A code location with its instance and source; sensors keep their cursors between looks."""

    defs: Definitions
    instance: DagsterInstance
    mirror: Path
    cursors: dict[str, str | None] = field(default_factory=dict)

    def publish(self, first: str, last: str, rows: int = 30) -> None:
        write_mirror(self.mirror, months(first, last), rows, datasets=[GREEN])

    def load(self, month: str, job: str = "green_postgres_taxi_scheduled") -> ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            partition_key=month, instance=self.instance, raise_on_error=False
        )

    def look(self, sensor: str) -> SensorExecutionData:
        """What the daemon asks of a sensor, every time in a process that knows nothing but the cursor."""
        context = build_sensor_context(
            self.instance, self.cursors.get(sensor), repository_def=self.defs.get_repository_def(), sensor_name=sensor
        )
        with context:
            data = self.defs.resolve_sensor_def(sensor).evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        return data


@pytest.fixture
def place(load_defs: LoadDefs, instance: DagsterInstance, warehouse: Warehouse, tmp_path: Path) -> Place:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    defs = load_defs(TAXI_POSTGRES_URL=warehouse.url, TAXI_SOURCE_URL=mirror.as_uri(), TAXI_SCHEDULE_LABELS="team=data")
    return Place(defs, instance, mirror)


def requested(data: SensorExecutionData) -> list[str]:
    return [str(request.partition_key) for request in data.run_requests or []]


def test_published_months_that_are_missing_are_requested_oldest_first_a_few_at_a_time(place: Place) -> None:
    place.publish("2019-01", "2019-09")
    place.load("2019-02", "green_postgres_taxi")
    first, second, third = (place.look("release_sensor") for _ in range(3))
    assert requested(first) == ["2019-01", "2019-03", "2019-04", "2019-05", "2019-06", "2019-07"]
    assert len(requested(first)) == RUNS_PER_TICK
    assert requested(second) == ["2019-08", "2019-09"]
    assert requested(third) == []
    assert "9 published months, the last 2019-09; 8 not loaded, 0 changed" in str(third.skip_message)
    request = (first.run_requests or [])[0]
    assert (request.job_name, request.partition_key) == ("green_postgres_taxi_scheduled", "2019-01")
    assert request.tags["team"] == "data"
    place.publish("2019-10", "2019-10")
    assert requested(place.look("release_sensor")) == ["2019-10"]


def test_changed_file_is_reported_and_reloaded_only_when_a_setting_says_so(place: Place, load_defs: LoadDefs) -> None:
    place.publish("2019-01", "2019-01")
    place.load("2019-01")
    assert "0 not loaded, 0 changed" in str(place.look("release_sensor").skip_message)
    place.publish("2019-01", "2019-01", rows=40)
    for _ in range(2):
        looked = place.look("release_sensor")
        assert requested(looked) == []
        assert "1 changed (green_tripdata_2019-01.csv: TAXI_RELOAD_CHANGED)" in str(looked.skip_message)
    place.defs = load_defs(TAXI_RELOAD_CHANGED="true")
    (request,) = place.look("release_sensor").run_requests or []
    assert request.tags["taxi_assets/replace"] == "true"
    assert requested(place.look("release_sensor")) == []


def test_source_that_does_not_answer_is_a_skip(place: Place) -> None:
    place.mirror.rmdir()
    assert "there is no folder" in str(place.look("release_sensor").skip_message)


def test_downstream_is_started_once_for_all_months_newly_loaded(place: Place) -> None:
    assert "no month was loaded" in str(place.look("trips_changed").skip_message)
    place.publish("2019-01", "2019-03")
    for month in ("2019-01", "2019-02"):
        place.load(month)
    (request,) = place.look("trips_changed").run_requests or []
    assert request.tags["taxi_assets/months"] == "green 2019-01, green 2019-02"
    assert "no month was loaded" in str(place.look("trips_changed").skip_message)
    place.load("2019-02")
    assert "1 loads that added no row" in str(place.look("trips_changed").skip_message)
    place.load("2019-03")
    (request,) = place.look("trips_changed").run_requests or []
    assert request.tags["taxi_assets/months"] == "green 2019-03"
    assert place.defs.resolve_job_def("analyze_trips").execute_in_process(instance=place.instance).success


def test_downstream_waits_while_a_backfill_runs(place: Place) -> None:
    place.publish("2019-01", "2019-01")
    place.load("2019-01")
    job = place.defs.resolve_job_def("green_postgres_taxi_scheduled")
    tags = {"file": "green_tripdata_2019-02.csv"}
    place.instance.create_run_for_job(job)  # of a request that broke off
    other = place.instance.create_run_for_job(job, tags=tags, status=DagsterRunStatus.STARTED)
    looked = place.look("trips_changed")
    assert requested(looked) == []
    assert "1 months were loaded; waiting for run" in str(looked.skip_message)
    place.instance.report_run_failed(other)
    assert len(place.look("trips_changed").run_requests or []) == 1


def test_downstream_waits_for_a_backfill_of_a_shell_that_rests_between_two_months(
    place: Place, warehouse: Warehouse
) -> None:
    place.publish("2019-01", "2019-01")
    place.load("2019-01")
    with live_backfill(warehouse, "green", ["2019-01", "2019-02"], {}):
        looked = place.look("trips_changed")
        assert requested(looked) == []
        assert "waiting for backfill 1 of green 2019-01..2019-02: running" in str(looked.skip_message)
    assert len(place.look("trips_changed").run_requests or []) == 1


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server and what was posted to it. It refuses all that is posted to /full, and the first post to /late."""
    posted: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            refused = self.path == "/full" or (self.path == "/late" and len(posted) == 1)
            self.send_response(302 if self.path == "/moved" else 500 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    server.server_close()


Fail = Callable[[str], ExecuteInProcessResult]


@pytest.fixture
def fail(place: Place, load_defs: LoadDefs, monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Sets the webhook's URL, switches the sensor on, where its cursor starts, and lets a run fail."""

    def with_webhook(url: str) -> ExecuteInProcessResult:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        place.defs = load_defs(TAXI_FAILURE_WEBHOOK_URL=url)
        place.look("failure_sensor")
        return place.load("2019-01")

    return with_webhook


def test_failed_run_is_posted(place: Place, webhook: tuple[str, list[dict[str, str]]], fail: Fail) -> None:
    url, posted = webhook
    failed = fail(f"{url}/secret")
    place.look("failure_sensor")
    place.look("failure_sensor")
    (message,) = posted
    assert message["run_id"] == failed.run_id
    assert (message["job"], message["taxi"], message["month"]) == ("green_postgres_taxi_scheduled", "green", "2019-01")
    assert message["file"] == "green_tripdata_2019-01.csv"
    assert "green_tripdata_2019-01.csv.gz is not published" in message["error"]


def test_webhook_that_is_late_is_tried_again(
    place: Place, webhook: tuple[str, list[dict[str, str]]], fail: Fail
) -> None:
    url, posted = webhook
    failed = fail(f"{url}/late")
    place.look("failure_sensor")
    assert [message["run_id"] for message in posted] == [failed.run_id] * 2


@pytest.mark.parametrize("path", ["/full", "/moved", None])
def test_webhook_url_is_never_told(
    place: Place,
    webhook: tuple[str, list[dict[str, str]]],
    fail: Fail,
    path: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"{webhook[0]}{path}" if path else "http://127.0.0.1:9/secret"
    fail(url)
    try:
        told = str(place.look("failure_sensor"))
    except Exception as error:
        told = str(error)
    assert url not in told + caplog.text


def test_without_a_webhook_nobody_is_told(place: Place) -> None:
    place.look("failure_sensor")
    place.load("2019-01")
    assert "TAXI_FAILURE_WEBHOOK_URL is not set" in str(place.look("failure_sensor"))
