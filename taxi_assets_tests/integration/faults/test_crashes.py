"""Killed loads and a crashed server: the database holds all of the month or nothing of it, and the next run completes.

Where the kill falls is drawn between nothing and a little more than a whole load takes, so every phase is met; a few
moments in `make test`, many in `make torture`.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets.trips.months import Month
from taxi_assets.trips.quirks import HARD
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import Fault, MakeSettings, Rows
from taxi_assets_tests.integration.faults import worker
from taxi_assets_tests.integration.faults.months import GREEN, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.tables import both, leftovers, rows_of
from taxi_assets_tests.integration.trips.conftest import left_in
from taxi_assets_tests.stack import wait_for

MARCH, APRIL = Month(2020, 3), Month(2020, 4)
ROWS = 30_000
MOMENTS = {"suite": 4, "torture": 20}


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> list[float]:
    """Shares of a load's time; the same ones in every run of the suite, others in every torture."""
    torture = request.config.getoption("--torture")
    draw = random.Random(None if torture else 7)  # noqa: S311 - no secret
    count = MOMENTS["torture" if torture else "suite"]
    return [(place + draw.random()) / count * 1.1 for place in range(count)]


class Crash:
    """A warehouse that holds March, into which April is loaded again and again."""

    def __init__(self, settings: Settings, warehouse: Warehouse) -> None:
        self.settings = settings
        self.warehouse = warehouse
        load_month(settings, GREEN, MARCH)
        process = self.start()
        started = time.monotonic()
        assert "error" not in worker.result(process)
        self.seconds = time.monotonic() - started
        self.whole = both(warehouse, GREEN)
        self.rows = rows_of(warehouse, GREEN)
        self.take_out()
        self.without = both(warehouse, GREEN)
        self.rows_without = rows_of(warehouse, GREEN)

    def start(self) -> subprocess.Popen[str]:
        """A process that has begun to load April."""
        process = worker.start(self.settings, GREEN, APRIL)
        worker.begun(process)
        return process

    def expected(self, found: Rows) -> Rows:
        """The rows of trips with all of April if any of it is there, else without."""
        return self.rows if found - self.rows_without else self.rows_without

    def take_out(self) -> None:
        """March alone again, and April's file not here."""
        Loader(self.warehouse, self.settings).remove(GREEN, APRIL)
        Source.from_settings(self.settings).discard(GREEN, APRIL)


@pytest.fixture(autouse=True)
def _published(mirror: Mirror) -> None:
    for month in (MARCH, APRIL):
        mirror.publish(GREEN, month, packed(csv_of(GREEN, month, ROWS, 0, HARD)))


def test_killed_load(settings: Settings, warehouse: Warehouse, moments: list[float], fault: Fault) -> None:
    crash = Crash(settings, warehouse)
    for share in moments:
        with fault() as compare:
            process = crash.start()
            time.sleep(share * crash.seconds)
            kill(process, warehouse)
            rows = rows_of(warehouse, GREEN)
            compare(crash.expected(rows), rows)
            assert both(warehouse, GREEN) in (crash.without, crash.whole)
            load_month(settings, GREEN, APRIL)
            compare(crash.rows, rows_of(warehouse, GREEN))
            assert both(warehouse, GREEN) == crash.whole
            assert leftovers(warehouse) == []
            assert left_in(settings.data_dir / "raw" / "green") == [
                f"green_tripdata_{month}.csv.gz{suffix}" for month in (MARCH, APRIL) for suffix in ("", ".json")
            ]
            crash.take_out()


def kill(process: subprocess.Popen[str], warehouse: Warehouse) -> None:
    """And wait until the server has noticed, at its next word to the process: till then its work table stays."""
    process.kill()
    process.communicate()
    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with warehouse.connect() as connection:
        wait_for(lambda: connection.execute(others).rowcount == 0, 20, "the server has noticed")


def crash_server(server: EmbeddedServer) -> None:
    """As if the power went: no checkpoint, no farewell to clients."""
    server._run("pg_ctl", "-D", str(server.data), "-w", "-m", "immediate", "stop")


def test_crashed_server(
    own_server: EmbeddedServer, make_settings: MakeSettings, mirror: Mirror, moments: list[float], fault: Fault
) -> None:
    """UNLOGGED staging may be empty after a crash; trips never."""
    warehouse = Warehouse(own_server.start())
    settings = make_settings(source_url=mirror.url, postgres_url=warehouse.url)
    crash = Crash(settings, warehouse)
    for share in moments:
        with fault() as compare:
            process = crash.start()
            time.sleep(share * crash.seconds)
            crash_server(own_server)
            said = worker.result(process)
            assert "error" not in said or re.search("run it again|check that the server runs", str(said["error"]))
            own_server.start()
            rows = rows_of(warehouse, GREEN)
            compare(crash.expected(rows), rows)
            staging = both(warehouse, GREEN).staging
            assert staging in (crash.without.staging, crash.whole.staging) or staging.rows == 0
            load_month(settings, GREEN, APRIL)
            compare(crash.rows, rows_of(warehouse, GREEN))
            assert both(warehouse, GREEN) == crash.whole
            assert leftovers(warehouse) == []
            crash.take_out()


def test_killed_load_of_a_real_month_completes_as_kestra_left_it(
    shared_dir: Path, make_settings: MakeSettings, warehouse: Warehouse
) -> None:
    step = json.loads((shared_dir / "kestra-truth" / "loads.json").read_text())["steps"][0]
    settings = make_settings(source_url=(shared_dir / "data" / "trips").as_uri())
    process = worker.start(settings, GREEN, APRIL)
    wait_for_work_table(warehouse)
    kill(process, warehouse)
    load_month(settings, GREEN, APRIL)
    found = both(warehouse, GREEN)
    assert (found.staging.md5, found.trips.md5) == (step["staging_md5"], step["final_md5"])
    assert leftovers(warehouse) == []


def wait_for_work_table(warehouse: Warehouse) -> None:
    for _ in range(2000):
        if leftovers(warehouse):
            return
        time.sleep(0.005)
    raise AssertionError("no load began")
