"""A server that is paused, and a network that forwards nothing: no run waits for ever, and none gives up too early."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from taxi_assets.errors import UnavailableError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.proxy import Proxy, proxied, stall
from taxi_assets_tests.integration.faults.tables import both, leftovers
from taxi_assets_tests.integration.faults.test_outages import elsewhere
from taxi_assets_tests.reliability import Report

MAY = APRIL.next
ROWS = 20_000
HALF = 1 << 20
"""Bytes of the COPY that reach the server before the fault; the month has about twice as many."""

Change = Callable[[], None]


class Pause:
    """A server, or the way to it, that stands still from the middle of the first session's COPY on."""

    def __init__(self, proxy: Proxy, resume: Change) -> None:
        self.proxy = proxy
        self.resume = resume


def processes(server: EmbeddedServer) -> list[int]:
    """The server's first process and those that it started."""
    postmaster = server.running()
    assert postmaster
    listed = subprocess.check_output(["ps", "-A", "-o", "pid=,ppid="], text=True)  # noqa: S607
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return [postmaster.pid, *(pid for pid, parent in pairs if parent == postmaster.pid)]


@pytest.fixture(params=["paused server", "stalled proxy"])
def pause(request: pytest.FixtureRequest, own_server: EmbeddedServer) -> Iterator[Pause]:
    stopped: list[int] = []

    def stop(_proxy: Proxy, _ends: object) -> None:
        stopped.extend(processes(own_server))
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)

    def go_on() -> None:
        proxy.flows.set()
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        stopped.clear()

    postmaster = own_server.running()
    assert postmaster
    fault = stop if request.param == "paused server" else stall
    with proxied(postmaster.port, {1: HALF}, fault) as proxy:
        try:
            yield Pause(proxy, go_on)
        finally:
            go_on()


@pytest.fixture
def settings(make_settings: MakeSettings, mirror: Mirror, own_server: EmbeddedServer, pause: Pause) -> Settings:
    """With April loaded past the proxy, and May published."""
    for month in (APRIL, MAY):
        mirror.publish(YELLOW, month, packed(csv_of(YELLOW, month, ROWS)))
    load_month(make_settings(source_url=mirror.url, postgres_url=own_server.start()), YELLOW, APRIL)
    url = elsewhere(own_server.start(), port=pause.proxy.port)
    return make_settings(
        source_url=mirror.url, postgres_url=url, copy_streams=1, connect_timeout=2, silence_timeout=0.5
    )


def test_server_that_stays_paused(
    settings: Settings, pause: Pause, own_server: EmbeddedServer, report: Report, request: pytest.FixtureRequest
) -> None:
    """In the middle of COPY, and before the next session is opened."""
    warehouse = Warehouse(own_server.start())
    before = both(warehouse, YELLOW)
    began = time.monotonic()
    with pytest.raises(UnavailableError) as in_copy:
        load_month(settings, YELLOW, MAY)
    with pytest.raises(UnavailableError) as in_connect:
        load_month(settings, YELLOW, MAY)
    assert time.monotonic() - began < 15
    assert pause.proxy.broken == 1
    assert "(nothing came for 0.5 s, and it lets nobody in); run it again" in str(in_copy.value)
    assert ": connection timeout expired; check that the server is not paused" in str(in_connect.value)
    assert (str(in_copy.value) + str(in_connect.value)).isprintable()
    pause.resume()
    assert both(warehouse, YELLOW) == before
    assert load_month(settings, YELLOW, MAY).rows_inserted == ROWS
    assert leftovers(warehouse) == []
    case = request.node.callspec.params["pause"]
    report.row(f"{case} in copy", f"{case} in the middle of COPY", f"fails: {in_copy.value}".replace("0.5 s", "60 s"))
    said = str(in_connect.value).partition(": ")[2]
    report.row(f"{case} before", f"{case} before the load", f"fails: cannot connect to PostgreSQL at …: {said}")


def test_server_that_goes_on_in_time(settings: Settings, pause: Pause, own_server: EmbeddedServer) -> None:
    """It stands still for longer than the silence that makes a load ask, and answers before the limit."""
    patient = settings.model_copy(update={"connect_timeout": 20})
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(load_month, patient, YELLOW, MAY)
        while not pause.proxy.broken:
            assert not load.done(), load.result()
            time.sleep(0.01)
        time.sleep(1.2)
        assert not load.done()
        pause.resume()
        assert load.result(60).rows_inserted == ROWS
    assert pause.proxy.connections > 1  # it did ask
    assert leftovers(Warehouse(own_server.start())) == []


def test_server_that_is_only_busy_is_waited_for(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse
) -> None:
    settings = make_settings(source_url=mirror.url, silence_timeout=0.1)
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, 100)))
    load_month(settings, YELLOW, APRIL)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(warehouse.url) as writer:
        writer.execute("LOCK public.yellow_tripdata IN SHARE ROW EXCLUSIVE MODE")
        load = pool.submit(load_month, settings, YELLOW, APRIL)
        time.sleep(1.5)
        assert not load.done()
        writer.rollback()
        assert load.result(60).rows_read == 100
