"""Making the tables, by several processes at once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.tables import TripTables, column_definitions, prepare
from taxi_assets.trips.datasets import DATASETS

PROCESSES = 6
PREPARE = """
import sys
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.tables import prepare
from taxi_assets.trips.datasets import DATASETS

with Warehouse(sys.argv[1]).connect() as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    prepare(connection, DATASETS[sys.argv[2]])
"""


def start(warehouse: Warehouse, taxi: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PREPARE, warehouse.url, taxi],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def readied(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize("taxis", [["green"] * PROCESSES, ["green", "yellow"] * (PROCESSES // 2)])
def test_tables_made_by_several_processes_at_once(taxis: list[str], warehouse: Warehouse) -> None:
    """In an empty database; IF NOT EXISTS alone would let one of them run into the other's table."""
    processes = [start(warehouse, taxi) for taxi in taxis]
    for process in processes:
        readied(process)
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert said == [""] * len(taxis)
    with warehouse.connect() as connection:
        for taxi in set(taxis):
            table = f"public.{DATASETS[taxi].staging_table}"
            assert connection.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone() == (True,)


@pytest.mark.parametrize("which", ["table", "staging_table"])
def test_table_that_a_flow_makes_at_the_same_moment(which: str, warehouse: Warehouse) -> None:
    """A flow takes no lock of ours: its table is there a moment after we looked for it."""
    green = DATASETS["green"]
    name = sql.Identifier(getattr(green, which))

    def make() -> TripTables:
        with warehouse.connect() as connection:
            return prepare(connection, green)

    with warehouse.connect("kestra") as flow, ThreadPoolExecutor(1) as pool:
        with flow.transaction():
            flow.execute(sql.SQL("CREATE TABLE public.{} ({})").format(name, column_definitions(green)))
            made = pool.submit(make)
            waits = "SELECT FROM pg_locks WHERE NOT granted"
            while flow.execute(waits).fetchone() is None:
                assert not made.done(), made.result()
        assert made.result().staging_partitioned == (which == "table")
