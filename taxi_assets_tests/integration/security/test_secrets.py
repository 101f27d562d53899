"""Marked secrets, searched in everything that loads write: good ones and failed ones."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from dagster import (
    DagsterEventType,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    build_run_status_sensor_context,
)
from typer.testing import CliRunner

from taxi_assets.automation.instance import dagster_home
from taxi_assets.cli import app
from taxi_assets.cli.compare import KESTRA_DATABASE, OUR_DATABASE
from taxi_assets.definitions import build_defs
from taxi_assets.errors import TaxiAssetsError
from taxi_assets.kestra.client import KestraClient
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings, get_settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, csv_of, packed
from taxi_assets_tests.integration.faults.test_outages import elsewhere
from taxi_assets_tests.integration.trips.web import serving

MARK = "m4rk3d"
DATABASE, WEB, WRONG = f"{MARK}-database", f"{MARK}-web", f"{MARK}-wrong"
KEY = base64.b64encode(json.dumps({"type": "service_account", "private_key": f"{MARK}-key"}).encode()).decode()
OTHERS = {
    "SECRET_GCP_CREDS": KEY,
    "GCP_PROJECT_ID": "project",
    "GCP_LOCATION": "EU",
    "GCP_DATASET": "dataset",
    "TAXI_FAILURE_WEBHOOK_URL": f"http://127.0.0.1:9/{MARK}-webhook",
    "KESTRA_USER": "admin@kestra.io",
    "KESTRA_PASSWORD": f"{MARK}-kestra",
    "GEMINI_API_KEY": f"{MARK}-gemini",
    "SECRET_GEMINI_API_KEY": f"{MARK}-gemini",
}
"""Of the services beside the database and the source."""


@pytest.fixture
def role_url(warehouse: Warehouse) -> str:
    """The database, for a role with a marked password."""
    with psycopg.connect(warehouse.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE marked LOGIN SUPERUSER PASSWORD '{DATABASE}'".encode())
    return elsewhere(warehouse.url, user="marked", password=DATABASE)


@pytest.fixture(autouse=True)
def _without_role(role_url: str, server_url: str) -> object:
    yield
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute("DROP OWNED BY marked")
        for name in (role_url.rpartition("/")[2], OUR_DATABASE, KESTRA_DATABASE):
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        admin.execute("DROP ROLE marked")


def written(folder: Path) -> str:
    """Everything below a folder, names and bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in files)


def loads_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT l::text FROM taxi_assets.loads AS l").fetchall()
        comments = connection.execute("SELECT description FROM pg_description").fetchall()
    return str(rows) + str(comments)


def test_no_secret_in_anything_written(
    make_settings: MakeSettings, role_url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    body = packed(csv_of(YELLOW, APRIL, 200))
    with serving(lambda answer: answer.whole(body) if "2019-04" in answer.path else answer.error(403)) as web:
        source = web.url.replace("//", f"//somebody:{WEB}@")
        good = make_settings(source_url=source, postgres_url=role_url)
        wrong = make_settings(source_url=source, postgres_url=elsewhere(role_url, password=WRONG))
        with DagsterInstance.from_config(str(dagster_home(good))) as instance:
            results = []
            for settings, month in ((good, "2019-04"), (wrong, "2019-04"), (good, "2019-05")):
                defs = build_defs(settings)
                job = defs.resolve_job_def("yellow_postgres_taxi")
                results.append(job.execute_in_process(partition_key=month, instance=instance, raise_on_error=False))
            assert [result.success for result in results] == [True, False, False]
            told = [str(event) for result in results for event in result.all_events]
            told += [str(run) for run in instance.get_runs()]
            told += [str(spec.metadata) for spec in defs.resolve_all_asset_specs()]
        told += [repr(good), str(good), repr(Warehouse.from_settings(good)), Warehouse.from_settings(good).display]
    told += [loads_of(role_url), written(good.data_dir), caplog.text, *capfd.readouterr()]
    assert "yellow_tripdata_2019-04.csv" in "".join(told)
    assert [text for text in told if MARK in text] == []


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{MARK}@127.0.0.1:1/db",
        f"postgresql://me:{MARK}@{MARK}@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?user=me&password={MARK}",
        f"postgresql://127.0.0.1:1/db?user=me&password={MARK}&nonsense=1",
        f"host=127.0.0.1 port=1 dbname=db user=me password={MARK}",
        f"postgresql://me:{MARK}@[127.0.0.1:1/db",
    ],
)
def test_no_form_of_the_database_url_shows_its_password(url: str) -> None:
    with pytest.raises(TaxiAssetsError) as error:
        Warehouse(url, connect_timeout=1).connect()
    assert MARK not in str(error.value)
    assert MARK not in repr(Warehouse(url))


def test_settings_that_cannot_be_do_not_show_the_others() -> None:
    given = {"source_url": f"ftp://me:{MARK}@host", "postgres_url": f"postgresql://me:{MARK}@host/db"}
    with pytest.raises(ValueError, match="source_url") as error:
        Settings(_env_file=None, **given)  # type: ignore[arg-type]
    assert MARK not in str(error.value)


@pytest.fixture
def environment(role_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every secret there is, in the environment, and the database's in a `.env` beside the commands as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    here = {"TAXI_POSTGRES_URL": role_url, "TAXI_DATA_DIR": str(tmp_path / "data")}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in here.items()))
    for name, value in (OTHERS | here).items():  # what runs in this process reads no .env
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def found_in(texts: list[str]) -> list[str]:
    """Texts with a secret in it, as it is or as it is given."""
    return [text for text in texts if MARK in text or KEY[:40] in text]


def command(*arguments: str) -> str:
    """All that a command prints, and the error it ends with."""
    result = CliRunner().invoke(app, arguments)
    return f"{result.output}{result.exception!r}"


def process(*arguments: str) -> str:
    """The same of a process of its own, whose definitions are made for this environment."""
    program = Path(sys.executable).with_name("taxi-assets")
    result = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=180, check=False)
    return result.stdout + result.stderr


@pytest.mark.usefixtures("environment")
def test_no_secret_of_other_services_in_anything_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    body = packed(csv_of(YELLOW, APRIL, 200))
    with serving(lambda answer: answer.whole(body) if "2019-04" in answer.path else answer.error(403)) as web:
        monkeypatch.setenv("TAXI_SOURCE_URL", web.url.replace("//", f"//somebody:{WEB}@"))
        settings = get_settings()
        month = ("--from", "2019-04", "--to", "2019-04")
        told = {
            "settings": command("settings") + repr(settings) + str(settings),
            "doctor": command("doctor"),
            "backfill": process("backfill", "yellow", "--from", "2019-04", "--to", "2019-05"),
            "compare": command("compare", "--taxi", "yellow", *month, "--replay"),
            "kestra": command("kestra", "deploy", "--url", web.url),
            "client": repr(KestraClient(web.url, OTHERS["KESTRA_USER"], OTHERS["KESTRA_PASSWORD"])),
        }
        with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
            defs = build_defs(settings)
            google = defs.resolve_job_def("yellow_bq_load_taxi")
            refused = google.execute_in_process(partition_key="2019-04", instance=instance, raise_on_error=False)
            told["bigquery"] = str(refused.all_events)
            told["sensor"] = failure_told(defs, refused, instance)
            told["runs"] = "".join(f"{run} {run.tags} {instance.all_logs(run.run_id)}" for run in instance.get_runs())
    (tmp_path / ".env").unlink()
    told["files"] = written(tmp_path)
    told["log"] = caplog.text + "".join(capfd.readouterr())
    expected = {
        "settings": "SECRET_GCP_CREDS", "doctor": "PostgreSQL", "backfill": "answers 403", "compare": "compare.md",
        "kestra": "403", "bigquery": "SECRET_GCP_CREDS", "sensor": "WebhookError", "runs": "2019-04.csv",
        "files": "compare.html",
    }  # fmt: skip
    assert {name: text for name, text in expected.items() if text not in told[name]} == {}
    assert found_in([f"{name}: {text}" for name, text in told.items()]) == []


def failure_told(defs: Definitions, failed: ExecuteInProcessResult, instance: DagsterInstance) -> str:
    """What comes of telling the webhook of a failed run."""
    (event,) = (event for event in failed.all_events if event.event_type == DagsterEventType.RUN_FAILURE)
    run = instance.get_run_by_id(failed.run_id)
    assert run
    context = build_run_status_sensor_context(
        sensor_name="failure_sensor", dagster_event=event, dagster_instance=instance, dagster_run=run
    ).for_run_failure()
    try:
        return str(defs.resolve_sensor_def("failure_sensor")(context))
    except Exception as error:
        return f"{error!r} {error.__cause__!r}"
