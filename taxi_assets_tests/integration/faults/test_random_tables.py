"""Any table of trips, through CSV and the load, leaves what the flow's own statements leave."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.quirks import Quirks
from taxi_assets_tests.conftest import Fault
from taxi_assets_tests.integration.faults.flow import run_flows
from taxi_assets_tests.integration.faults.months import GREEN, YELLOW, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.tables import both, rows_of

JANUARY = Month(2020, 1)
MONTHS = (JANUARY, JANUARY.next, JANUARY.next.next)
_NUMBERS = itertools.count(1)

shares = st.sampled_from([0.0, 0.05, 0.3])
quirks = st.builds(
    Quirks,
    strays=shares,
    vendorless=shares,
    line_ending=st.sampled_from(["\n", "\r\n"]),
    duplicates=shares,
    repeats=shares,
    refared=shares,
    null_pickups=shares,
    null_dropoffs=shares,
    null_fares=shares,
    swapped_nulls=shares,
)

times = st.sampled_from(
    ["", "2020-01-05 10:00:00", "2020-01-05 10:00:00.5", "2020-02-01", "2020-03-31 23:59:59", "2008-12-31 23:00:00",
     "2041-08-24 01:00:00", "12020-01-05 10:00:00", "0044-03-15 12:00:00 BC", "infinity", "-infinity", "epoch"]
)  # fmt: skip
texts = st.sampled_from(["", "1", "2", "20", "2020-", "é", 'a "quoted" one', "a,comma", "a\nline", " ", "\\N", "\\."])
numbers = st.sampled_from(["", "5", "5.0", "-0", "0", ".79", "1e300", "NaN", "Infinity", "0.1", "170878.99"])
integers = st.sampled_from(["", "0", "1", "-7", " 3 "])
cells = {"timestamp without time zone": times, "text": texts, "double precision": numbers, "integer": integers}


def rows(dataset: Dataset) -> st.SearchStrategy[list[tuple[str, ...]]]:
    """Few values for each cell, so that rows meet in some, all or none."""
    row = st.tuples(*(cells[column.postgres] for column in dataset.columns))
    return st.lists(row, min_size=1, max_size=12)


def written(dataset: Dataset, table: list[tuple[str, ...]]) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerows([dataset.header, *table])
    return sink.getvalue().encode()


class Side:
    """A database of one side, emptied before each example."""

    def __init__(self, server_url: str, name: str) -> None:
        self._admin = server_url
        self.name = name
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self.warehouse = Warehouse(server_url.rpartition("/")[0] + f"/{name}")

    def empty(self) -> Warehouse:
        with self.warehouse.connect() as connection:
            connection.execute("DROP SCHEMA IF EXISTS taxi_assets CASCADE; DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.warehouse


@pytest.fixture(scope="module")
def sides(server_url: str) -> tuple[Side, Side]:
    """Ours and the flow's."""
    number = next(_NUMBERS)
    return Side(server_url, f"ours_{number}"), Side(server_url, f"flows_{number}")


def assert_same(
    sides: tuple[Side, Side], folder: Path, dataset: Dataset, months: dict[Month, bytes], fault: Fault
) -> None:
    ours, flows = (side.empty() for side in sides)
    mirror = Mirror(folder / "mirror")
    given = {"source_url": mirror.url, "data_dir": folder / "data", "postgres_url": ours.url, "max_outside_share": 1.0}
    chosen = Settings(_env_file=None, **given)  # type: ignore[arg-type]
    for month, body in months.items():
        path = mirror.publish(dataset, month, packed(body))
        with fault() as compare:
            load_month(chosen, dataset, month)
            run_flows(flows, dataset, [(month, path)])
            compare(rows_of(flows, dataset), rows_of(ours, dataset))
            assert both(ours, dataset) == both(flows, dataset)


UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(suppress_health_check=UNCHECKED)
@given(st.sampled_from([YELLOW, GREEN]), quirks, st.integers(1, 300), st.integers(0, 2**32))
def test_months_that_the_generator_draws(
    sides: tuple[Side, Side], tmp_path: Path, fault: Fault, dataset: Dataset, drawn: Quirks, count: int, seed: int
) -> None:
    months = {month: csv_of(dataset, month, count, seed, drawn) for month in MONTHS}
    assert_same(sides, tmp_path, dataset, months, fault)


@settings(suppress_health_check=UNCHECKED)
@given(st.lists(rows(YELLOW), min_size=1, max_size=3))
def test_months_of_odd_cells(
    sides: tuple[Side, Side], tmp_path: Path, fault: Fault, tables: list[list[tuple[str, ...]]]
) -> None:
    """Cells that no file had so far, and that PostgreSQL takes: far years, infinity, quoted text, NaN."""
    months = {month: written(YELLOW, table) for month, table in zip(MONTHS, tables, strict=False)}
    assert_same(sides, tmp_path, YELLOW, months, fault)
