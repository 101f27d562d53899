"""What spares a load time, each with the case in which it must not be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taxi_assets.postgres import merge
from taxi_assets.postgres.connection import Warehouse, statement
from taxi_assets.postgres.copied import Load
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets.trips.source import RawFile, Source
from taxi_assets_tests.conftest import MakeSettings

GREEN = DATASETS["green"]
APRIL, MAY = Month(2020, 4), Month(2020, 5)
ROWS = 40_000
"""Enough for two streams, and for several ranges of the index."""


@pytest.fixture(scope="module")
def mirror_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, (APRIL, MAY), ROWS, datasets=[GREEN])
    return folder.as_uri()


@pytest.fixture
def settings(make_settings: MakeSettings, mirror_url: str) -> Settings:
    return make_settings(source_url=mirror_url, copy_streams=2)


@pytest.fixture
def fetch(settings: Settings) -> Callable[[Month], RawFile]:
    return lambda month: Source.from_settings(settings).fetch(GREEN, month)


@pytest.fixture
def load(settings: Settings, warehouse: Warehouse, fetch: Callable[[Month], RawFile]) -> Callable[[Month], Load]:
    return lambda month: Loader(warehouse, settings).load(GREEN, month, fetch(month))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what a merge sends."""
    names = []

    def noted(name: str, **parts: Any) -> Any:
        names.append(name)
        return statement(name, **parts)

    monkeypatch.setattr(merge, "statement", noted)
    return names


def test_rows_of_the_same_file_are_not_matched_when_all_are_there(
    load: Callable[[Month], Load], statements: list[str]
) -> None:
    load(APRIL)
    assert statements == ["count_matched.sql", "insert_all.sql", "insert_all.sql"]
    load(MAY)
    statements.clear()
    assert load(APRIL).rows_matched == ROWS
    assert statements == ["same_ids.sql"]


@pytest.mark.parametrize(
    ("change", "inserted"),
    [
        ("DELETE FROM public.green_tripdata WHERE unique_row_id = least", 1),
        ("UPDATE public.green_tripdata SET unique_row_id = most WHERE unique_row_id = least", 1),
        ("UPDATE public.green_tripdata SET filename = 'another.csv'", 0),
        ("UPDATE public.green_tripdata SET filename = NULL WHERE unique_row_id = least", 0),
        ("TRUNCATE public.green_tripdata", ROWS),
    ],
    ids=["a row less", "an id twice and one missing", "brought by another file", "by nobody knows which", "none left"],
)
def test_the_same_file_again_brings_back_what_is_missing(
    load: Callable[[Month], Load], statements: list[str], warehouse: Warehouse, change: str, inserted: int
) -> None:
    load(APRIL)
    with warehouse.connect() as connection:
        ends = "SELECT min(unique_row_id), max(unique_row_id) FROM public.green_tripdata"
        least, most = connection.execute(ends).fetchone() or ("", "")
        connection.execute(change.replace("least", f"'{least}'").replace("most", f"'{most}'").encode())
    statements.clear()
    assert load(APRIL).rows_inserted == inserted
    assert statements[:2] == ["same_ids.sql", "count_matched.sql"]


@pytest.mark.parametrize(
    ("loaded", "indexed"),
    [([MAY], True), ([APRIL, MAY], True), ([APRIL], False)],
    ids=["another month's", "the same file's and then another month's", "the same file's"],
)
def test_rows_of_the_last_load_are_indexed_beside_the_copy_unless_they_are_read_anyway(
    load: Callable[[Month], Load],
    fetch: Callable[[Month], RawFile],
    settings: Settings,
    warehouse: Warehouse,
    loaded: list[Month],
    indexed: bool,
) -> None:
    for month in loaded:
        load(month)
    with Loader(warehouse, settings).copied(GREEN, APRIL, fetch(APRIL)) as copied:
        assert len(copied.connections) == 2
        index = copied.tables.index.as_string(copied.connections[0])
        rest = "SELECT brin_summarize_new_values(%s::regclass)"
        (new_ranges,) = copied.connections[0].execute(rest, [index]).fetchone() or (None,)
    assert (new_ranges == 0) is indexed


def test_autovacuum_is_not_waited_for(
    load: Callable[[Month], Load], fetch: Callable[[Month], RawFile], settings: Settings, warehouse: Warehouse
) -> None:
    load(APRIL)
    with Loader(warehouse, settings).copied(GREEN, MAY, fetch(MAY)) as copied:
        assert copied.connections[0].execute("SHOW deadlock_timeout").fetchone() == ("50ms",), "it gives way then"
        work = (
            "SELECT reloptions FROM pg_class WHERE relnamespace = 'taxi_assets'::regnamespace AND relname LIKE 'work%'"
        )
        assert copied.connections[0].execute(work).fetchall() == [(["autovacuum_enabled=false"],)] * 2
