"""Months copied while the one before is published: the same tables, and every failure in its own month's name."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from taxi_assets.errors import FileError, NotPublishedError
from taxi_assets.postgres.ahead import Ahead, for_run, for_runs
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.copied import Load
from taxi_assets.postgres.digest import digest
from taxi_assets.postgres.load import Loader
from taxi_assets.postgres.publish import publish
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_month
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.tables import leftovers

GREEN = DATASETS["green"]
MONTHS = list(months_between(Month(2020, 4), Month(2020, 7)))
_ROWS = 400

LoadNext = Callable[[Ahead, Month], Load]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    for month in MONTHS:
        write(folder, month)
    return folder


def write(mirror: Path, month: Month, seed: int = 0) -> Path:
    path = mirror / "green" / f"{GREEN.file_name(month)}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_month(GREEN, month, path, _ROWS, seed=seed)
    return path


@pytest.fixture
def settings(make_settings: MakeSettings, mirror: Path, warehouse: Warehouse) -> Settings:
    return make_settings(source_url=mirror.as_uri(), postgres_url=warehouse.url)


@pytest.fixture
def load(settings: Settings) -> LoadNext:
    def load_month(ahead: Ahead, month: Month) -> Load:
        raw = Source.from_settings(settings).fetch(GREEN, month)
        with ahead.copied(month, raw) as copied:
            return publish(copied, settings, run_id="", replace=False)

    return load_month


def contents(warehouse: Warehouse) -> list[tuple[int, str]]:
    with warehouse.connect() as connection:
        return [digest(connection, table) for table in (GREEN.table, GREEN.staging_table)]


def await_copy_of(warehouse: Warehouse, month: Month) -> None:
    """Wait until a work table of the month holds its rows, and its session does nothing any more."""
    named = "SELECT relname FROM pg_class WHERE relname LIKE %s AND relkind = 'r'"
    count = sql.SQL("SELECT count(*) FROM taxi_assets.{}")
    deadline = time.monotonic() + 30
    with warehouse.connect() as connection:
        while time.monotonic() < deadline:
            found = connection.execute(named, [f"work\\_green\\_{month.year}\\_{month.month:02d}%"]).fetchone()
            if found and connection.execute(count.format(sql.Identifier(found[0]))).fetchone() == (_ROWS,):
                return
            time.sleep(0.02)
    pytest.fail(f"{month} was not copied ahead")


def test_months_copied_ahead_leave_the_tables_that_months_one_by_one_leave(
    settings: Settings, warehouse: Warehouse, load: LoadNext
) -> None:
    with Ahead(settings, GREEN, MONTHS) as ahead:
        loads = [load(ahead, month) for month in MONTHS]
    assert [done.copied_ahead for done in loads] == [False, True, True, True]
    assert [done.rows_inserted for done in loads] == [_ROWS] * 4
    assert leftovers(warehouse) == []
    side_by_side = contents(warehouse)
    with warehouse.connect() as connection:
        connection.execute("DROP TABLE green_tripdata, green_tripdata_staging; DROP SCHEMA taxi_assets CASCADE")
    for month in MONTHS:
        Loader(warehouse, settings).load(GREEN, month, Source.from_settings(settings).fetch(GREEN, month))
    assert contents(warehouse) == side_by_side


def test_what_fails_ahead_fails_in_its_own_month_and_no_other(
    settings: Settings, warehouse: Warehouse, load: LoadNext, mirror: Path
) -> None:
    bad, missing = MONTHS[1], MONTHS[2]
    write(mirror, bad).write_bytes(b"no gzip")
    (mirror / "green" / f"{GREEN.file_name(missing)}.gz").unlink()
    with Ahead(settings, GREEN, MONTHS) as ahead:
        load(ahead, MONTHS[0])
        with pytest.raises(FileError, match=f"green_tripdata_{bad}"):
            load(ahead, bad)
        with pytest.raises(NotPublishedError, match=f"{missing}"):
            load(ahead, missing)
        assert load(ahead, MONTHS[3]).rows_inserted == _ROWS
    assert leftovers(warehouse) == []


def test_file_that_changes_after_it_was_copied_ahead_is_copied_again(
    settings: Settings, warehouse: Warehouse, load: LoadNext, mirror: Path
) -> None:
    with Ahead(settings, GREEN, MONTHS[:2]) as ahead:
        load(ahead, MONTHS[0])
        await_copy_of(warehouse, MONTHS[1])
        write(mirror, MONTHS[1], seed=1)
        again = load(ahead, MONTHS[1])
    assert not again.copied_ahead
    fresh = Source.from_settings(settings).fetch(GREEN, MONTHS[1])
    assert Loader(warehouse, settings).load(GREEN, MONTHS[1], fresh).rows_inserted == 0, "the file's new rows are in"


def test_copy_made_ahead_is_kept_when_the_month_before_is_tried_again(
    settings: Settings, warehouse: Warehouse, load: LoadNext
) -> None:
    with Ahead(settings, GREEN, MONTHS[:2]) as ahead:
        for _ in range(2):
            load(ahead, MONTHS[0])
            await_copy_of(warehouse, MONTHS[1])
        assert load(ahead, MONTHS[1]).copied_ahead


def test_month_copied_ahead_and_not_asked_for_leaves_nothing(
    settings: Settings, warehouse: Warehouse, load: LoadNext
) -> None:
    with Ahead(settings, GREEN, MONTHS) as ahead:
        load(ahead, MONTHS[0])
        await_copy_of(warehouse, MONTHS[1])
    assert leftovers(warehouse) == []
    with warehouse.connect() as connection:
        assert connection.execute("SELECT count(*) FROM green_tripdata").fetchone() == (_ROWS,)


def test_runs_of_a_backfill_share_what_was_copied_ahead(settings: Settings, load: LoadNext) -> None:
    with for_runs(settings, GREEN, MONTHS):
        for month, expected in zip(MONTHS, [False, True, True, True], strict=True):
            with for_run(settings, GREEN, [month]) as ahead:
                assert load(ahead, month).copied_ahead is expected
    with for_run(settings, GREEN, MONTHS[:1]) as own:
        assert not load(own, MONTHS[0]).copied_ahead
