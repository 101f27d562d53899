"""`taxi-assets compare --warehouses`: a real PostgreSQL beside the stand-in, differences put in by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taxi_assets.bigquery.connection import Clients
from taxi_assets.cli import app
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.sample import PUBLISHED, Quirks, write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, MAY, YELLOW, rows, run_month

ROWS = 300

pytestmark = pytest.mark.usefixtures("command_line")


@pytest.fixture
def loaded(settings: Settings, clients: Clients, warehouse: Warehouse, tmp_path: Path) -> None:
    """April and May of both taxis in both warehouses."""
    load(settings, clients, warehouse, tmp_path)


def load(
    settings: Settings, clients: Clients, warehouse: Warehouse, tmp_path: Path, quirks: Quirks = PUBLISHED
) -> None:
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS, quirks=quirks)
    for dataset in (GREEN, YELLOW):
        for month in (APRIL, MAY):
            raw = Source.from_settings(settings).fetch(dataset, month)
            Loader(warehouse, settings).load(dataset, month, raw)
            run_month(clients, settings, dataset, month)


def compare(dataset: Dataset = GREEN, *arguments: str, last: str = "2020-05") -> Result:
    months = ("--from", "2020-04", "--to", last)
    return CliRunner().invoke(app, ("compare", "--warehouses", "--taxi", dataset.taxi, *months, *arguments))


def written() -> list[str]:
    return Path("compare.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("dataset", [GREEN, YELLOW], ids=lambda dataset: dataset.taxi)
def test_same_rows_are_said_to_be_the_same(dataset: Dataset) -> None:
    result = compare(dataset)
    assert result.exit_code == 0, result.output
    assert f"All 2 {dataset.taxi} months have the same rows in both." in result.output
    months = [line for line in written() if line.startswith("| 2020-")]
    assert [line.count(f"| {ROWS} |") + line.count(f" {ROWS} |") for line in months] == [3, 3]
    assert all(line.endswith("| same |") for line in months)
    html = Path("compare.html").read_text(encoding="utf-8")
    assert f"<title>BigQuery 2020-05: {ROWS}</title>" in html


@pytest.mark.usefixtures("loaded")
def test_changed_row_shows_both_values_and_is_exit_status_1(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "UPDATE green_tripdata SET tip_amount = 77.25 WHERE ctid = "
            "(SELECT min(ctid) FROM green_tripdata WHERE filename LIKE '%2020-05%')"
        )
    result = compare()
    assert result.exit_code == 1
    assert "1 of 2 green months differ." in result.output
    (line,) = (line for line in written() if "changed: tip_amount" in line)
    assert line.startswith("- 2020-05: changed: tip_amount 77.250000000 ≠ ")
    assert "(PostgreSQL ≠ BigQuery) in VendorID " in line


@pytest.mark.usefixtures("loaded")
def test_row_that_bigquery_lacks(clients: Clients) -> None:
    one = "SELECT MIN(unique_row_id) FROM `{d}.green_tripdata` WHERE filename LIKE '%2020-04%'"
    rows(clients, f"DELETE FROM `{{d}}.green_tripdata` WHERE unique_row_id = ({one})")  # noqa: S608
    result = compare()
    assert result.exit_code == 1
    assert "- 2020-04: rows extra: 1" in written()
    assert any(line.startswith("- 2020-04: missing in BigQuery: VendorID ") for line in written())
    assert any(line.startswith(f"| 2020-04 | {ROWS} | {ROWS - 1} |") for line in written())


@pytest.mark.usefixtures("loaded")
def test_value_against_null(clients: Clients) -> None:
    rows(clients, "UPDATE `{d}.green_tripdata` SET trip_distance = NULL WHERE filename LIKE '%2020-04%'")
    assert compare().exit_code == 1
    assert "- 2020-04: rows changed: 300" in written()
    assert any("≠ NULL (PostgreSQL ≠ BigQuery)" in line for line in written())


def test_repeated_ids_are_reported_and_no_difference(
    settings: Settings, clients: Clients, warehouse: Warehouse, tmp_path: Path
) -> None:
    """Trips that differ only in fare or distance share BigQuery's id, not PostgreSQL's."""
    load(settings, clients, warehouse, tmp_path, Quirks(refared=0.2))
    result = compare(last="2020-04")
    assert result.exit_code == 0, result.output
    (line,) = (line for line in written() if line.startswith("| 2020-04"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3] == "0"
    assert int(cells[4]) > 0


@pytest.mark.usefixtures("loaded")
def test_month_of_one_warehouse_only(clients: Clients) -> None:
    clients.bigquery.delete_table(f"{clients.display}.green_tripdata")
    result = compare()
    assert result.exit_code == 1
    assert "2 of 2 green months differ." in result.output
    assert f"- 2020-04: rows extra: {ROWS}" in written()


def test_nothing_loaded_is_no_success() -> None:
    result = compare()
    assert result.exit_code == 1
    assert "Neither warehouse has any of the 2 green months." in result.output


@pytest.mark.usefixtures("loaded")
def test_month_that_neither_has_is_no_difference() -> None:
    result = compare(last="2020-06")
    assert result.exit_code == 0
    assert "All 2 green months have the same rows in both (1 more are in neither)." in result.output


@pytest.mark.parametrize("other", ["--replay", "--backfill"])
def test_takes_no_option_of_the_other_comparison(other: str) -> None:
    assert compare(GREEN, other).exit_code == 2
