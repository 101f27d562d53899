"""`taxi-assets compare` from the command line, against a real PostgreSQL and, for Kestra, a replay or a server."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from taxi_assets.cli import app
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import get_settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.fake_kestra import FakeKestra, fake_kestra

NewDatabase = Callable[[], str]
MONTHS = (Month(2020, 4), Month(2020, 5), Month(2020, 6))
GREEN = ("compare", "--taxi", "green", "--from", "2020-04", "--to", "2020-06")


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, MONTHS, 500)
    return folder


@pytest.fixture(autouse=True)
def project(mirror: Path, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of the command line: a mirror in a folder, a database server, a data folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAXI_SOURCE_URL", mirror.as_uri())
    monkeypatch.setenv("TAXI_POSTGRES_URL", warehouse.url)
    monkeypatch.setenv("TAXI_DATA_DIR", str(tmp_path / "data"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def kestra_database(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture
def kestra(kestra_database: str) -> Iterator[FakeKestra]:
    with fake_kestra(kestra_database) as server:
        yield server


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def run_with(kestra: FakeKestra, *arguments: str) -> Result:
    return run(*GREEN, "--kestra-url", kestra.url, "--kestra-database-url", kestra.database_url, *arguments)


def lines_of(name: str) -> list[str]:
    return Path(name).read_text(encoding="utf-8").splitlines()


def test_a_replay_leaves_the_same_and_says_that_it_is_no_server() -> None:
    result = run(*GREEN, "--replay")
    assert result.exit_code == 0, result.output
    assert "All 3 green months are the same on both sides" in result.output
    first = lines_of("compare.md")[0]
    assert first.startswith("This is a replay of the statements of flow 04_postgres_taxi against PostgreSQL, not a")
    html = Path("compare.html").read_text(encoding="utf-8")
    assert html.index(first.replace("'", "&#x27;")) < html.index("<h1>")
    assert html.count("<svg") == 2
    assert "http" not in html


def test_a_replayed_backfill_takes_flow_05() -> None:
    result = run(*GREEN, "--replay", "--backfill")
    assert result.exit_code == 0, result.output
    assert "statements of flow 05_postgres_taxi_scheduled" in lines_of("compare.md")[0]
    assert sum("green_tripdata, rows of this file" in line for line in lines_of("compare.md")) == 3


def test_a_second_comparison_starts_from_nothing_again() -> None:
    assert run(*GREEN, "--replay").exit_code == 0
    assert run(*GREEN, "--replay").exit_code == 0


def test_executions_of_flow_04_are_compared_month_by_month(kestra: FakeKestra) -> None:
    result = run_with(kestra)
    assert result.exit_code == 0, result.output
    assert [(each["flowId"], each["inputs"]["month"]) for each in kestra.executions] == [
        ("04_postgres_taxi", "04"),
        ("04_postgres_taxi", "05"),
        ("04_postgres_taxi", "06"),
    ]
    assert f"executions of flow 04_postgres_taxi on the server at {kestra.url}" in lines_of("compare.md")[0]
    assert "- 2020-05: file=green_tripdata_2020-05.csv, taxi=green" in lines_of("compare.md")


def test_a_backfill_of_flow_05_is_followed_to_its_end(kestra: FakeKestra) -> None:
    result = run_with(kestra, "--backfill")
    assert result.exit_code == 0, result.output
    assert [each["trigger"]["variables"]["date"] for each in kestra.executions] == [
        "2020-04-01T09:00:00Z",
        "2020-05-01T09:00:00Z",
        "2020-06-01T09:00:00Z",
    ]
    assert f"a backfill of flow 05_postgres_taxi_scheduled on the server at {kestra.url}" in lines_of("compare.md")[0]


def test_flows_live_in_a_namespace_of_their_own_and_are_removed(kestra: FakeKestra) -> None:
    run_with(kestra, "--kestra-jdbc-url", "jdbc:postgresql://pgdatabase:5432/compare")
    flow = kestra.flows["zoomcamp.compare", "04_postgres_taxi"]
    assert flow["pluginDefaults"][0]["values"]["url"] == "jdbc:postgresql://pgdatabase:5432/compare"
    assert flow["variables"]["source"].startswith("http://127.0.0.1:")
    assert sorted(kestra.deleted) == sorted(kestra.flows)


def test_a_difference_is_shown_and_is_exit_status_1(kestra: FakeKestra, kestra_database: str) -> None:
    def damage() -> None:
        with psycopg.connect(kestra_database) as connection:
            connection.execute(
                "CREATE FUNCTION dearer() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.tip_amount := NEW.tip_amount + 1; RETURN NEW; END $$"
            )
            table = "CREATE TABLE green_tripdata ({})".format(
                ", ".join(f"{column.name} {column.postgres}" for column in DATASETS["green"].table_columns)
            )
            connection.execute(table.encode())
            connection.execute(
                "CREATE TRIGGER dearer BEFORE INSERT ON green_tripdata FOR EACH ROW "
                "WHEN (NEW.filename LIKE '%2020-05%' AND NEW.fare_amount > 30) EXECUTE FUNCTION dearer()"
            )

    damage()
    result = run_with(kestra)
    assert result.exit_code == 1
    assert "2020-04: same" in result.output
    assert "2020-05: DIFFERS" in result.output
    assert any("2020-05 green_tripdata: changed: tip_amount" in line for line in lines_of("compare.md"))
    assert "2 of 3 green months differ or failed." in lines_of("compare.md")


def test_a_failed_execution_shows_its_task_and_log(kestra: FakeKestra, mirror: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "green"
    broken.mkdir(parents=True)
    for month in MONTHS:
        name = f"green_tripdata_{month}.csv.gz"
        (broken / name).write_bytes((mirror / "green" / name).read_bytes())
    text = gzip.decompress((broken / "green_tripdata_2020-05.csv.gz").read_bytes())
    (broken / "green_tripdata_2020-05.csv.gz").write_bytes(gzip.compress(text + b"1,2,3\r\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAXI_SOURCE_URL", broken.parent.as_uri())
        get_settings.cache_clear()
        result = run_with(kestra)
    assert result.exit_code == 1
    report = "\n".join(lines_of("compare.md"))
    assert "2020-05: Kestra failed: FAILED at green_copy_in_to_staging_table: " in report
    assert "2020-05: Dagster failed: " in report
    assert "1 of 3 green months differ or failed." in report


def test_a_database_with_rows_is_refused(kestra: FakeKestra, kestra_database: str) -> None:
    with psycopg.connect(kestra_database) as connection:
        connection.execute("CREATE TABLE green_tripdata AS SELECT 1 AS n")
    result = run_with(kestra)
    assert "public.green_tripdata" in str(result.exception)
    assert "holds rows already" in str(result.exception)
    assert sorted(kestra.deleted) == sorted(kestra.flows)


def test_one_database_for_both_sides_is_refused(warehouse: Warehouse) -> None:
    same = f"{warehouse.url.rpartition('/')[0]}/taxi_compare_dagster?application_name=another_url"
    result = run(*GREEN, "--replay", "--kestra-database-url", same)
    assert "give Kestra's side one of its own" in str(result.exception)


def test_files_served_on_every_address_need_a_url_that_kestra_can_use(kestra: FakeKestra) -> None:
    result = run_with(kestra, "--files-bind", "0.0.0.0:0")
    assert "say with --files-url how Kestra reaches it" in str(result.exception)
    assert kestra.flows == {}


def test_a_deployment_that_fails_leaves_no_flow_behind(kestra: FakeKestra) -> None:
    kestra.refused_flow = "05_postgres_taxi_scheduled"
    result = run_with(kestra)
    assert "refused by the test" in str(result.exception)
    assert [flow_id for _, flow_id in kestra.flows] == ["04_postgres_taxi"]
    assert set(kestra.flows) <= set(kestra.deleted)


@pytest.mark.parametrize("how", [(), ("--backfill",)], ids=["executions", "backfill"])
def test_a_timeout_is_one_line_and_leaves_nothing_running(kestra: FakeKestra, how: tuple[str, ...]) -> None:
    kestra.never_ends = True
    result = run_with(kestra, "--timeout", "0.1", *how)
    assert result.exit_code == 1
    assert "wait longer with --timeout" in str(result.exception)
    assert kestra.backfills_deleted == len(how)
    assert sorted(kestra.deleted) == sorted(kestra.flows)


def test_a_wrong_database_names_its_option_and_not_the_password(kestra: FakeKestra) -> None:
    kestra.database_url = kestra.database_url.rpartition("/")[0] + "/nowhere"
    result = run_with(kestra)
    assert "create it (CREATE DATABASE …) or correct --kestra-database-url" in str(result.exception)
    assert str(urlsplit(kestra.database_url).password) not in str(result.exception) + result.output


def test_neither_server_nor_replay_is_a_usage_error() -> None:
    result = run(*GREEN)
    assert result.exit_code == 2
    assert "--replay" in result.output


def test_months_in_the_wrong_order_are_a_usage_error() -> None:
    assert run("compare", "--taxi", "green", "--from", "2020-06", "--to", "2020-04", "--replay").exit_code == 2
