"""Marked secrets, searched in everything that loads write: good ones and failed ones."""

from __future__ import annotations

import logging
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance

from taxi_assets.automation.instance import dagster_home
from taxi_assets.definitions import build_defs
from taxi_assets.errors import TaxiAssetsError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, csv_of, packed
from taxi_assets_tests.integration.faults.test_outages import elsewhere
from taxi_assets_tests.integration.trips.web import serving

MARK = "m4rk3d"
DATABASE, WEB, WRONG = f"{MARK}-database", f"{MARK}-web", f"{MARK}-wrong"


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
        admin.execute(f"DROP DATABASE IF EXISTS {role_url.rpartition('/')[2]} WITH (FORCE)".encode())
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
