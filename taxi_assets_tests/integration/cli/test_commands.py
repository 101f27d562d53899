"""The commands of `taxi-assets`, as processes with an environment of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import project_dir
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def taxi_assets(tmp_path: Path, data_dir: Path) -> Command:
    """Runs `taxi-assets` in an empty folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "TAXI_DATA_DIR": str(data_dir), "COLUMNS": "200", **environment}
        command = [str(Path(sys.executable).parent / "taxi-assets"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def mirror(tmp_path: Path) -> str:
    folder = tmp_path / "mirror"
    write_mirror(folder, [Month(2020, 4), Month(2020, 6)], 300)
    return folder.as_uri()


def test_demo_with_a_source_and_again(taxi_assets: Command, mirror: str) -> None:
    first = taxi_assets("demo", TAXI_SOURCE_URL=mirror)
    assert first.returncode == 0, first.stdout + first.stderr
    assert mirror in first.stdout
    assert "generated" not in first.stdout
    again = taxi_assets("demo", TAXI_SOURCE_URL=mirror)
    assert "this run changed nothing" in again.stdout
    assert "green_tripdata_2020-06.csv" in again.stdout


def test_demo_without_a_source_uses_generated_months(taxi_assets: Command) -> None:
    done = taxi_assets("demo", TAXI_SOURCE_URL="http://127.0.0.1:1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "cannot get http://127.0.0.1:1" in done.stdout
    assert "generated months are used" in done.stdout
    assert "20,000    20,000" in done.stdout


@pytest.mark.parametrize(
    "command", [("up",), ("backfill", "green", "--from", "2020-04"), ("month", "replace", "green", "2020-04")]
)
def test_storage_that_does_not_answer_is_told_in_one_line(
    taxi_assets: Command, tmp_path: Path, warehouse: Warehouse, command: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    if command != ("up",):  # which is to move the storage there
        shutil.copy(project_dir() / "deploy" / "dagster.yaml", home)
    url = "postgresql+psycopg2://me:secret@127.0.0.1:9/dagster"
    variables = {"TAXI_POSTGRES_URL": warehouse.url, "DAGSTER_HOME": str(home), "DAGSTER_POSTGRES_URL": url}
    done = taxi_assets(*command, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Dagster's storage in PostgreSQL does not answer: ")
    assert line.endswith("; check DAGSTER_POSTGRES_URL and its server")
    assert "secret" not in line


def test_backfill_goes_past_a_failed_month_and_says_so(taxi_assets: Command, mirror: str, warehouse: Warehouse) -> None:
    done = taxi_assets(
        "backfill", "green", "--from", "2020-04", "--to", "2020-06",
        TAXI_SOURCE_URL=mirror, TAXI_POSTGRES_URL=warehouse.url,
    )  # fmt: skip
    assert done.returncode == 1
    assert "green 2020-05: green_tripdata_2020-05.csv.gz is not published" in done.stdout
    with psycopg.connect(warehouse.url) as connection:
        rows = connection.execute("SELECT filename, count(*) FROM public.green_tripdata GROUP BY 1 ORDER BY 1")
        assert rows.fetchall() == [("green_tripdata_2020-04.csv", 300), ("green_tripdata_2020-06.csv", 300)]


def test_month_and_clean(taxi_assets: Command, mirror: str, warehouse: Warehouse, tmp_path: Path) -> None:
    environment = {"TAXI_SOURCE_URL": mirror, "TAXI_POSTGRES_URL": warehouse.url}
    assert taxi_assets("backfill", "green", "--from", "2020-04", "--to", "2020-04", **environment).returncode == 0
    write_mirror(tmp_path / "mirror", [Month(2020, 4)], 200, seed=5)
    replaced = taxi_assets("month", "replace", "green", "2020-04", **environment)
    assert replaced.returncode == 0, replaced.stdout + replaced.stderr
    with psycopg.connect(warehouse.url) as connection:
        assert connection.execute("SELECT count(*) FROM public.green_tripdata").fetchone() == (200,)
    assert "1 raw files removed" in taxi_assets("clean", **environment).stdout
    removed = taxi_assets("month", "remove", "green", "2020-04", **environment)
    assert "200 rows removed from public.green_tripdata" in removed.stdout


def test_database_commands(taxi_assets: Command) -> None:
    assert taxi_assets("db", "status").returncode == 1
    assert "answers at postgresql://taxi@127.0.0.1" in taxi_assets("db", "start").stdout
    url = taxi_assets("db", "url").stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.info.dbname == "ny_taxi"
    assert taxi_assets("db", "stop").stdout == "stopped\n"
    assert taxi_assets("db", "stop").stdout == "was not running\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backfill", "black", "--from", "2020-04"], "unknown taxi 'black': choose yellow or green"),
        (["backfill", "green", "--from", "2035-04"], "there is no month 2035-04"),
        (["backfill", "green", "--from", "2020-05", "--to", "2020-04"], "2020-05 is after"),
        (["db", "status"], "cannot connect to PostgreSQL"),
    ],
)
def test_what_is_wrong_is_one_line(taxi_assets: Command, arguments: list[str], said: str) -> None:
    failed = taxi_assets(*arguments, TAXI_POSTGRES_URL="postgresql://me:s3cret@127.0.0.1:1/x")
    assert failed.returncode != 0
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "s3cret" not in failed.stderr + failed.stdout
