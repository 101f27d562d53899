"""`taxi-assets doctor`: one line for each thing, and exit status 1 when one is wrong."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import psycopg
import pytest
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo
from psycopg import sql
from typer.testing import CliRunner

from taxi_assets.automation.instance import open_instance
from taxi_assets.cli import app
from taxi_assets.cli.doctor import Finding, examine
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings, get_settings, project_dir
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.trips.web import serving
from taxi_assets_tests.kestra_server import PASSWORD, USER, kestra_answering, recorded

NOBODY = "127.0.0.1:9"


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))  # opening the instance sets it
    monkeypatch.delenv("KESTRA_URL", raising=False)
    write_mirror(tmp_path / "mirror", [Month(2020, 4)], 10)
    return make_settings(source_url=(tmp_path / "mirror").as_uri())


@pytest.fixture
def in_postgres(settings: Settings, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same with Dagster's storage as on a server."""
    configure(tmp_path, (project_dir() / "deploy" / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", warehouse.url.replace("postgresql:", "postgresql+psycopg2:"))
    return Settings(
        data_dir=settings.data_dir, postgres_url=settings.postgres_url, source_url=settings.source_url, _env_file=None
    )


def found(settings: Settings) -> dict[str, Finding]:
    findings = {finding.name: finding for finding in examine(settings)}
    assert all("\n" not in finding.said for finding in findings.values())
    return findings


def configure(tmp_path: Path, text: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(text)


def beat(settings: Settings, seconds_ago: float, **parts: list[SerializableErrorInfo] | float | None) -> None:
    """A heartbeat of each part that the daemon must have; of those named with these errors, so long ago, or none."""
    with open_instance(settings) as instance:
        for part in instance.get_required_daemon_types():
            given = parts.get(part, [])
            ago, errors = (given, []) if isinstance(given, float) else (seconds_ago, given)
            if errors is not None:
                instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, part, "a-daemon", errors))


def test_all_is_right_on_a_laptop_that_only_uses_the_shell(settings: Settings) -> None:
    findings = found(settings)
    assert all(finding.ok for finding in findings.values()), findings
    assert list(findings) == ["source", "database", "storage", "daemon", "kestra"]
    assert findings["storage"].said.startswith("0 runs in ")


def test_source_that_is_not_there(settings: Settings) -> None:
    finding = found(settings.model_copy(update={"source_url": "file:///no/such/folder"}))["source"]
    assert not finding.ok
    assert "check TAXI_SOURCE_URL" in finding.said


def test_source_that_answers_and_has_no_month(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with serving(lambda answer: answer.error(404)) as web:
        for url in ((tmp_path / "empty").as_uri(), web.url):
            finding = found(settings.model_copy(update={"source_url": url}))["source"]
            assert not finding.ok
            assert "has no month of 2019-01..2021-07; check TAXI_SOURCE_URL" in finding.said


def test_source_that_answers_with_errors_is_asked_once(settings: Settings) -> None:
    with serving(lambda answer: answer.error(500)) as web:
        finding = found(settings.model_copy(update={"source_url": web.url}))["source"]
    assert not finding.ok
    assert "500" in finding.said
    assert len(web.requests) == 1


@pytest.mark.parametrize("right", ["CREATE ON DATABASE", "CREATE ON SCHEMA public"])
def test_database_in_which_nothing_can_be_made(make_settings: MakeSettings, warehouse: Warehouse, right: str) -> None:
    with psycopg.connect(warehouse.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        try:
            given = make_settings(postgres_url=re.sub("//[^@]*@", "//guest:guest@", warehouse.url))
            if right != "CREATE ON DATABASE":
                admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO guest").format(sql.Identifier(admin.info.dbname)))
            finding = found(given)["database"]
            assert not finding.ok
            (grant,) = re.findall("ask the owner for: (GRANT .*)", finding.said)
            assert grant.startswith(f"GRANT {right}")
            admin.execute(grant)
            assert grant not in found(given)["database"].said
        finally:
            admin.execute("DROP OWNED BY guest; DROP ROLE guest")


def test_database_that_does_not_answer_and_its_password_is_not_shown(make_settings: MakeSettings) -> None:
    finding = found(make_settings(postgres_url=f"postgresql://me:secret@{NOBODY}/trips"))["database"]
    assert not finding.ok
    assert "TAXI_POSTGRES_URL" in finding.said
    assert "secret" not in finding.said


def test_embedded_database_is_not_started_by_looking(make_settings: MakeSettings, tmp_path: Path) -> None:
    finding = found(make_settings(postgres_url=None))["database"]
    assert not finding.ok
    assert finding.said.endswith("start it: taxi-assets db start")
    assert not (tmp_path / "data" / "postgres").exists()


def test_storage_that_does_not_answer(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, "storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n")
    url = f"postgresql+psycopg2://me:secret@{NOBODY}/dagster"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    given = Settings(data_dir=settings.data_dir, postgres_url=settings.postgres_url, _env_file=None)
    findings = found(given)
    assert not findings["storage"].ok
    assert not findings["daemon"].ok
    assert "check DAGSTER_POSTGRES_URL" in findings["storage"].said
    assert "secret" not in findings["storage"].said


@pytest.mark.parametrize(
    "text", ["storage: [", "storag: {}\n", "- storage\n", "telemetry: {enabled: {env: NOT_SET}}\n"]
)
def test_dagster_yaml_that_dagster_does_not_take(settings: Settings, tmp_path: Path, text: str) -> None:
    configure(tmp_path, text)
    findings = found(settings)
    for name in ("storage", "daemon"):
        assert not findings[name].ok
        assert findings[name].said.startswith(f"{tmp_path}/home/dagster.yaml: ")
        assert findings[name].said.endswith("compare it with deploy/dagster.yaml")


def test_daemon_that_ended_lately_on_a_server(in_postgres: Settings) -> None:
    beat(in_postgres, seconds_ago=600)
    finding = found(in_postgres)["daemon"]
    assert not finding.ok
    assert finding.said.startswith("gave its last heartbeat 10 minutes ago")
    assert "start it: taxi-assets up" in finding.said


def test_daemon_of_a_ui_that_was_closed_again_on_a_laptop(settings: Settings) -> None:
    beat(settings, seconds_ago=600)
    finding = found(settings)["daemon"]
    assert finding.ok
    assert finding.said.startswith("gave its last heartbeat 10 minutes ago; schedules")


def test_daemon_with_a_part_that_hangs(settings: Settings) -> None:
    beat(settings, 20, SENSOR=600.0)
    finding = found(settings)["daemon"]
    assert not finding.ok
    assert finding.said.startswith("its part SENSOR: gave its last heartbeat 10 minutes ago")


def test_daemon_that_lives(settings: Settings) -> None:
    beat(settings, seconds_ago=20)
    finding = found(settings)["daemon"]
    assert finding.ok
    assert finding.said.startswith("last heartbeat 2")


def test_daemon_with_a_part_that_fails(settings: Settings) -> None:
    beat(settings, 20, SENSOR=[SerializableErrorInfo("Exception: disk full\nand more", [], "Exception")])
    finding = found(settings)["daemon"]
    assert not finding.ok
    assert finding.said == "its part SENSOR: Exception: disk full; see the daemon's log, and restart it"


def test_daemon_with_a_part_that_never_came_up(settings: Settings) -> None:
    beat(settings, 20, SENSOR=None)
    finding = found(settings)["daemon"]
    assert not finding.ok
    assert finding.said.startswith("its part SENSOR: gives no heartbeat")


def test_daemon_that_never_started_on_a_server(in_postgres: Settings) -> None:
    findings = found(in_postgres)
    assert findings["storage"].said == "0 runs in PostgreSQL (DAGSTER_POSTGRES_URL)"
    assert not findings["daemon"].ok
    assert findings["daemon"].said.endswith("docker compose up -d dagster_daemon")


def test_kestra_that_refuses_the_password(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {**recorded("flow_get_missing")["request"], "path": "/api/v1/main/flows/zoomcamp/04_postgres_taxi"}
    with kestra_answering({**recorded("flows_search_unauthenticated"), "request": asked}) as kestra:
        for name, value in {"URL": kestra.url, "USER": USER, "PASSWORD": PASSWORD}.items():
            monkeypatch.setenv(f"KESTRA_{name}", value)
        finding = found(settings)["kestra"]
    assert not finding.ok
    assert "user or password refused (401): set KESTRA_USER and KESTRA_PASSWORD" in finding.said
    assert PASSWORD not in finding.said


def test_kestra_is_not_in_use_where_its_variable_is_empty(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_URL", "")
    assert found(settings)["kestra"].ok


def test_kestra_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_URL", f"http://{NOBODY}")
    finding = found(settings)["kestra"]
    assert not finding.ok
    assert NOBODY in finding.said


def test_exit_status_and_json(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.postgres_url is not None
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TAXI_POSTGRES_URL", settings.postgres_url.get_secret_value())
    for source, status in ((settings.source_url, 0), ("file:///no/such/folder", 1)):
        monkeypatch.setenv("TAXI_SOURCE_URL", source)
        get_settings.cache_clear()
        result = CliRunner().invoke(app, ["doctor", "--json"])
        assert result.exit_code == status, result.output
        findings = json.loads(result.stdout)
        assert [finding["ok"] for finding in findings] == [status == 0, True, True, True, True]
    get_settings.cache_clear()
