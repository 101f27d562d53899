"""Months taken out of BigQuery, and put in the place of what their files brought before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.load import Load, MonthLoad
from taxi_assets.cli import app
from taxi_assets.settings import Settings
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import Quirks, write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, MAY, LoadMonth, rows, trips
from taxi_assets_tests.integration.bigquery.wire import Wire

ROWS = 300
FILES = "SELECT filename, COUNT(*) FROM `{d}.green_tripdata` GROUP BY filename ORDER BY filename"
APRIL_FILE, MAY_FILE = GREEN.file_name(APRIL), GREEN.file_name(MAY)

pytestmark = pytest.mark.usefixtures("command_line")


@pytest.fixture
def loaded(tmp_path: Path, load_month: LoadMonth) -> None:
    """Green April and May, which share no trip."""
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS)
    for month in (APRIL, MAY):
        load_month(GREEN, month)


def remove(month: str = "2020-04") -> Result:
    return CliRunner().invoke(app, ("month", "remove", "green", month, "--warehouse", "bigquery"))


def table_names(clients: Clients) -> set[str]:
    return {table.table_id for table in clients.bigquery.list_tables(clients.display)}


@pytest.mark.usefixtures("loaded")
def test_removed_month_leaves_the_others_and_its_file(clients: Clients) -> None:
    before = trips(clients, GREEN)
    result = remove()
    assert result.exit_code == 0, result.output
    assert f"{APRIL_FILE}: {ROWS} rows removed from {clients.display}.green_tripdata" in result.output
    assert f"gs://{clients.target.bucket}/{APRIL_FILE} is left in the bucket" in result.output
    assert rows(clients, FILES) == [(MAY_FILE, ROWS)]
    assert all(row in before for row in trips(clients, GREEN))
    assert table_names(clients) == {"green_tripdata", "green_tripdata_2020_05", "green_tripdata_2020_05_ext"}
    assert [blob.name for blob in clients.storage.list_blobs(clients.target.bucket)] == [APRIL_FILE, MAY_FILE]


@pytest.mark.usefixtures("loaded")
def test_removal_is_one_statement(bigquery_wire: Wire) -> None:
    assert remove().exit_code == 0
    assert sum(request.says("DELETE FROM") for request in bigquery_wire.seen) == 1


@pytest.mark.usefixtures("loaded")
def test_month_may_be_removed_again_and_loaded_again(clients: Clients, load_month: LoadMonth) -> None:
    before = trips(clients, GREEN)
    assert remove().exit_code == 0
    again = remove()
    assert again.exit_code == 0
    assert "0 rows removed" in again.output
    assert load_month(GREEN, APRIL).rows_inserted == ROWS
    assert trips(clients, GREEN) == before


def test_month_of_a_taxi_that_was_never_loaded(clients: Clients) -> None:
    result = remove()
    assert result.exit_code == 0, result.output
    assert "0 rows removed" in result.output
    assert table_names(clients) == set()


def test_missing_dataset_is_told(clients: Clients) -> None:
    clients.bigquery.delete_dataset(clients.display)
    result = remove()
    assert result.exit_code == 1
    assert f"looking for dataset {clients.display}: Not found" in str(result.exception)


@pytest.mark.usefixtures("loaded")
def test_replaced_month_holds_the_corrected_file(clients: Clients, tmp_path: Path) -> None:
    """By the command, whose run sends the corrected file to the bucket first."""
    write_mirror(tmp_path / "mirror", [APRIL], ROWS - 100, seed=5)
    command = [str(Path(sys.executable).parent / "taxi-assets"), "month", "replace", "green", "2020-04"]
    done = subprocess.run(
        [*command, "--warehouse", "bigquery"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ROWS - 100} rows, {ROWS - 100} inserted" in done.stdout
    assert rows(clients, FILES) == [(APRIL_FILE, ROWS - 100), (MAY_FILE, ROWS)]


@pytest.mark.usefixtures("loaded")
def test_replacing_takes_a_changed_fare_of_a_known_trip(clients: Clients, settings: Settings) -> None:
    """A merge would leave it, since BigQuery's id holds no fare."""
    before = trips(clients, GREEN)
    rows(clients, "UPDATE `{d}.green_tripdata` SET fare_amount = -1 WHERE filename LIKE '%2020-04%'")
    load = replaced(clients, settings)
    assert (load.rows_read, load.rows_inserted, load.rows_removed) == (ROWS, ROWS, ROWS)
    assert trips(clients, GREEN) == before


@pytest.mark.usefixtures("loaded")
def test_replacing_is_one_statement(bigquery_wire: Wire, settings: Settings) -> None:
    """Nobody reads the table without the month."""
    with open_google(settings) as clients:
        replaced(clients, settings)
    changes = [r for r in bigquery_wire.seen if r.says("MERGE INTO") and not r.says("dryRun")]
    assert len(changes) == 1
    assert not any(request.says("DELETE FROM") for request in bigquery_wire.seen)


def test_replacing_leaves_a_trip_to_the_file_that_brought_it_first(
    clients: Clients, settings: Settings, tmp_path: Path, load_month: LoadMonth
) -> None:
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS, quirks=Quirks(repeats=0.2))
    load_month(GREEN, APRIL)
    merged = load_month(GREEN, MAY)
    assert merged.rows_inserted < ROWS
    before = trips(clients, GREEN)
    load = replaced(clients, settings, MAY)
    assert (load.rows_inserted, load.rows_removed) == (merged.rows_inserted, merged.rows_inserted)
    assert trips(clients, GREEN) == before


def replaced(clients: Clients, settings: Settings, month: Month = APRIL) -> Load:
    loading = MonthLoad(clients, settings, GREEN, month, "test")
    loading.make_external(loading.inspect(Source.from_settings(settings).fetch(GREEN, month)))
    loading.make_month("external")
    loading.replace()
    return loading.load
