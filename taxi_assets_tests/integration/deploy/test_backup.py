"""The backup and restore of docs/deployment.md, tried."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import digest
from taxi_assets.postgres.load import Loader
from taxi_assets.postgres.server import binaries
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import MakeSettings

GREEN = DATASETS["green"]
MONTHS = list(months_between(Month(2020, 4), Month(2020, 6)))


def load(settings: Settings, warehouse: Warehouse, month: Month) -> int:
    raw = Source.from_settings(settings).fetch(GREEN, month)
    return Loader(warehouse, settings).load(GREEN, month, raw).rows_inserted


def test_a_dump_restores_to_equal_tables_that_the_next_month_can_be_loaded_into(
    make_settings: MakeSettings, warehouse: Warehouse, server_url: str, tmp_path: Path
) -> None:
    write_mirror(tmp_path / "mirror", MONTHS, 2_000, datasets=[GREEN])
    settings = make_settings(source_url=(tmp_path / "mirror").as_uri())
    for month in MONTHS[:2]:
        load(settings, warehouse, month)
    dump = tmp_path / "ny_taxi.dump"
    restored = Warehouse(f"{server_url.rpartition('/')[0]}/{warehouse.url.rpartition('/')[2]}_restored")
    _program("pg_dump", "--format=custom", f"--file={dump}", warehouse.url)
    with psycopg.connect(server_url, autocommit=True) as admin:
        name = sql.Identifier(restored.url.rpartition("/")[2])
        admin.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            _program("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={restored.url}", str(dump))
            with warehouse.connect() as before, restored.connect() as after:
                for table in (GREEN.table, GREEN.staging_table):
                    assert digest(before, table).rows > 0
                    assert digest(before, table) == digest(after, table)
            assert load(settings, restored, MONTHS[1]) == 0, "the months it holds are known"
            assert load(settings, restored, MONTHS[2]) == 2_000
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _program(name: str, *arguments: str) -> None:
    result = subprocess.run([str(binaries() / name), *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
