from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from taxi_assets.errors import KestraError
from taxi_assets.kestra.client import KestraClient
from taxi_assets_tests.kestra_server import PASSWORD, USER, Exchange, kestra_answering, recorded

BACKFILL = (
    datetime(2019, 1, 1, tzinfo=UTC),
    datetime(2019, 3, 31, 23, 59, 59, tzinfo=UTC),
    {"taxi": "green"},
    {"backfill": "true"},
)


@contextmanager
def client_of(*names: str | Exchange) -> Iterator[KestraClient]:
    """A client of a server that gives these recorded answers."""
    with kestra_answering(*names) as kestra, KestraClient(kestra.url, USER, PASSWORD, poll_seconds=0.1) as client:
        yield client


def source(name: str) -> str:
    return str(recorded(name)["request"]["body"])


def test_a_new_flow_is_created() -> None:
    with client_of("flow_get_missing", "flow_create") as client:
        assert client.create_or_update(source("flow_create")).revision == 4


def test_a_flow_that_is_there_is_updated() -> None:
    there: Exchange = {
        **recorded("flow_get_missing"),
        "response": {
            "status": 200,
            "content_type": "application/json",
            "body": recorded("flow_create")["response"]["body"],
        },
    }
    with client_of(there, "flow_update") as client:
        assert client.create_or_update(source("flow_update")).revision == 5


def test_creating_a_flow_twice_is_refused_with_the_servers_reason() -> None:
    with (
        client_of("flow_create_duplicate") as client,
        pytest.raises(KestraError, match=r"creating the flow: .*Flow id already exists \(422\)$"),
    ):
        client.create_flow(source("flow_create_duplicate"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("flow_create_unknown_task_type", r"Invalid type: io\.kestra\.plugin\.nope\.Sleep \(422\)$"),
        ("flow_create_bad_yaml", r"YAML parsing error: .* \(422\)$"),
    ],
)
def test_a_wrong_flow_is_one_line_with_the_servers_reason(name: str, reason: str) -> None:
    with client_of(name) as client, pytest.raises(KestraError, match=reason) as error:
        client.create_flow(source(name))
    assert "\n" not in str(error.value)


def test_a_flow_is_read() -> None:
    with client_of("flow_get") as client:
        flow = client.flow("parity", "monthly_probe")
    assert flow is not None
    assert (flow.namespace, flow.id, flow.revision) == ("parity", "monthly_probe", 3)


def test_a_missing_flow_is_none() -> None:
    with client_of("flow_get_missing") as client:
        assert client.flow("parity", "manual_probe") is None


def test_a_flow_is_deleted() -> None:
    with client_of("flow_delete") as client:
        client.delete_flow("parity", "manual_probe")


def test_an_execution_is_followed_to_success() -> None:
    states: list[str] = []
    with client_of("execution_create", "execution_running", "execution_success") as client:
        created = client.execute("parity", "manual_probe", {"taxi": "green", "month": "02"}, {"run": "side-by-side"})
        ended = client.follow(created.id, timeout=5, on_progress=lambda execution: states.append(execution.state))
    assert created.state == "CREATED"
    assert states == ["RUNNING", "SUCCESS"]
    assert ended.seconds == pytest.approx(1.390414)
    assert [(task.task_id, task.state) for task in ended.tasks] == [
        ("set_label", "SUCCESS"),
        ("nap", "SUCCESS"),
        ("probe", "SUCCESS"),
    ]
    assert ended.labels["file"] == "green_tripdata_2019-02.csv"
    assert (ended.labels["taxi"], ended.labels["run"]) == ("green", "side-by-side")


def test_a_moment_of_silence_does_not_end_what_is_followed() -> None:
    silent: Exchange = {
        **recorded("execution_running"),
        "response": {"status": 503, "content_type": "text/plain", "body": "no server is available"},
    }
    with client_of(silent, silent, "execution_success") as client:
        assert client.follow("5ADukpAQqMXzYzAzD0bnVg", timeout=5).state == "SUCCESS"


def test_a_failed_execution_names_its_task_and_shows_its_log() -> None:
    with client_of("execution_create_failing", "execution_failed", "logs_failed") as client:
        created = client.execute("parity", "failing_probe", {"taxi": "green", "month": "01"})
        ended = client.follow(created.id, timeout=5)
        log = client.error_logs(ended.id)
    assert (ended.state, ended.failed_tasks) == ("FAILED", ("probe",))
    assert [(line.level, line.task_id, line.message) for line in log] == [
        ("ERROR", "probe", "org.postgresql.util.PSQLException: ERROR: division by zero"),
        ("ERROR", "probe", "ERROR: division by zero"),
    ]


def test_a_scheduled_flow_by_hand_fails_at_its_first_task() -> None:
    with client_of("execution_manual_of_scheduled_flow", "execution_manual_of_scheduled_flow_failed") as client:
        created = client.execute("parity", "monthly_probe", {"taxi": "green"})
        assert client.follow(created.id, timeout=5).failed_tasks == ("set_label",)


def test_following_stops_at_the_timeout() -> None:
    running = recorded("execution_running")
    with (
        client_of(running, running) as client,
        pytest.raises(KestraError, match=r"5ADukpAQqMXzYzAzD0bnVg is still RUNNING after 0\.05 s"),
    ):
        client.follow("5ADukpAQqMXzYzAzD0bnVg", timeout=0.05)


@pytest.mark.parametrize(
    ("name", "flow_id", "inputs", "reason"),
    [
        ("execution_invalid_select", "manual_probe", {"taxi": "purple"}, r"must match the values .* `purple` \(422\)$"),
        ("execution_flow_missing", "no_such_flow", {"taxi": "green", "month": "01"}, r"Flow is not found\. \(404\)$"),
    ],
)
def test_an_execution_that_cannot_start_says_why(name: str, flow_id: str, inputs: dict[str, str], reason: str) -> None:
    with client_of(name) as client, pytest.raises(KestraError, match=reason):
        client.execute("parity", flow_id, inputs)


def test_a_refused_content_type_says_what_is_allowed() -> None:
    refused: Exchange = {**recorded("execution_create"), "response": recorded("execution_not_multipart")["response"]}
    with (
        client_of(refused) as client,
        pytest.raises(KestraError, match=r"Allowed types: \[multipart/form-data\] \(415\)$"),
    ):
        client.execute("parity", "manual_probe", {"taxi": "green", "month": "02"}, {"run": "side-by-side"})


def test_a_missing_execution_is_a_404() -> None:
    with (
        client_of("execution_missing") as client,
        pytest.raises(KestraError, match=r"reading execution doesnotexist: .* Not Found \(404\)$"),
    ):
        client.execution("doesnotexist")


def test_a_backfill_is_started_and_its_state_read() -> None:
    with client_of(
        "triggers_of_flow", "backfill_create", "triggers_of_flow_during_backfill", "triggers_of_flow_after_backfill"
    ) as client:
        started = client.backfill("parity", "monthly_probe", "green_schedule", *BACKFILL)
        during = client.trigger("parity", "monthly_probe", "green_schedule")
        after = client.trigger("parity", "monthly_probe", "green_schedule")
    assert started.backfill is not None
    assert started.backfill.labels == {"backfill": "true"}
    assert during is not None
    assert during.backfill is not None
    assert during.backfill.current == datetime(2019, 1, 1, 9, tzinfo=UTC)
    assert not during.backfill.paused
    assert after is not None
    assert after.backfill is None
    assert after.next_execution == datetime(2026, 12, 1, 9, tzinfo=UTC)


def test_a_second_backfill_of_a_trigger_is_refused_before_it_harms() -> None:
    with (
        client_of("triggers_of_flow_during_backfill") as client,
        pytest.raises(KestraError, match=r"parity\.monthly_probe\.green_schedule is in a backfill already"),
    ):
        client.backfill("parity", "monthly_probe", "green_schedule", *BACKFILL)


def test_a_missing_trigger_is_named() -> None:
    with (
        client_of("triggers_of_flow") as client,
        pytest.raises(KestraError, match=r"parity\.monthly_probe has no trigger nope"),
    ):
        client.backfill("parity", "monthly_probe", "nope", *BACKFILL)


def test_pausing_where_no_backfill_runs_is_a_404() -> None:
    with (
        client_of("backfill_pause_without_backfill") as client,
        pytest.raises(KestraError, match=r"asking to pause the backfill of .*green_schedule: .*\(404\)$"),
    ):
        client.pause_backfill("parity", "monthly_probe", "green_schedule")


@pytest.mark.parametrize(("change", "method"), [("pause", "PUT"), ("unpause", "PUT"), ("delete", "POST")])
def test_a_backfill_is_paused_resumed_and_deleted(change: str, method: str) -> None:
    exchange = recorded("backfill_pause_without_backfill")
    path = f"/api/v1/main/triggers/backfill/{change}"
    exchange["request"] = {**exchange["request"], "method": method, "path": path}
    exchange["response"] = recorded("backfill_create")["response"]
    with client_of(exchange) as client:
        getattr(client, f"{change}_backfill")("parity", "monthly_probe", "green_schedule")


def test_executions_are_found_by_label_with_their_trigger_dates() -> None:
    with client_of("executions_search_backfill_label") as client:
        found = client.executions("parity", {"backfill": "true"})
    body = recorded("executions_search_backfill_label")["response"]["body"]
    assert len(found) == body["total"]
    assert found[0].trigger_date == datetime(2019, 1, 1, 9, tzinfo=UTC)
    assert found[0].labels["file"] == "green_tripdata_2019-01.csv"


def test_every_page_of_a_search_is_read() -> None:
    exchange = recorded("executions_search_backfill_label")
    results = exchange["response"]["body"]["results"]
    pages = []
    for page in (results[:1], results[1:]):
        body = {"results": page, "total": len(results)}
        pages.append({**exchange, "response": {**exchange["response"], "body": body}})
    with client_of(*pages) as client:
        assert len(client.executions("parity", {"backfill": "true"})) == len(results)


def test_key_value_store() -> None:
    with client_of("kv_put", "kv_put_location", "kv_get", "kv_list", "kv_delete") as client:
        client.set_value("parity", "GCP_DATASET", "zoomcamp")
        client.set_value("parity", "GCP_LOCATION", "europe-west2")
        assert client.value("parity", "GCP_DATASET") == "zoomcamp"
        assert client.keys("parity") == ["GCP_DATASET", "GCP_LOCATION"]
        assert client.delete_value("parity", "GCP_DATASET")


def test_a_missing_key_is_named() -> None:
    with (
        client_of("kv_get_missing") as client,
        pytest.raises(KestraError, match=r"No value found for key 'GCP_DATASET' in namespace 'parity' \(404\)$"),
    ):
        client.value("parity", "GCP_DATASET")
