"""Limits of flows, held by sessions of the warehouse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.flow_limit import Asker, FlowLimit, Surplus, SurplusError, bury, slot

QUEUE = FlowLimit("flow", 1, Surplus.QUEUE)
START = datetime(2026, 1, 1, tzinfo=UTC)

_HOLDER = """
import sys, time
from datetime import UTC, datetime
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.flow_limit import Asker, FlowLimit, Surplus, slot
asker = Asker("killed", "green 2019-01", datetime.now(UTC), lambda text: print(text, flush=True))
with slot(Warehouse(sys.argv[1]), FlowLimit("flow", 1, Surplus.QUEUE), asker):
    print("holding", flush=True)
    time.sleep(600)
"""


def asker(n: int, tell: Callable[[str], None] = print, **more: Any) -> Asker:
    return Asker(f"run{n}", f"month {n}", START + timedelta(seconds=n), tell, **more)


def eventually(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


class Waiter(threading.Thread):
    """A run that waits for its slot, notes when it has it, and keeps it until told."""

    def __init__(self, warehouse: Warehouse, n: int, order: list[int]) -> None:
        super().__init__(daemon=True)
        self.warehouse, self.n, self.order = warehouse, n, order
        self.told: list[str] = []
        self.done = threading.Event()

    def has_told(self) -> bool:
        return bool(self.told)

    def has_slot(self) -> bool:
        return self.order[-1:] == [self.n]

    def run(self) -> None:
        with slot(self.warehouse, QUEUE, asker(self.n, self.told.append)):
            self.order.append(self.n)
            self.done.wait(20)


@pytest.fixture
def holder(warehouse: Warehouse) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the only slot."""
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, warehouse.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()


def test_runs_get_their_slot_one_by_one_in_the_order_they_were_requested(warehouse: Warehouse) -> None:
    order: list[int] = []
    with slot(warehouse, QUEUE, asker(0)):
        waiters = {}
        for n in (3, 1, 2):  # their processes start in another order
            waiters[n] = Waiter(warehouse, n, order)
            waiters[n].start()
            eventually(waiters[n].has_told)
        assert order == []
    for n in (1, 2, 3):
        eventually(waiters[n].has_slot)
        waiters[n].done.set()
    for waiter in waiters.values():
        waiter.join(20)
    assert order == [1, 2, 3]


def test_waiting_run_tells_what_it_waits_for(warehouse: Warehouse, holder: subprocess.Popen[str]) -> None:
    order: list[int] = []
    waiter = Waiter(warehouse, 1, order)
    waiter.start()
    eventually(lambda: bool(waiter.told))
    assert "flow allows 1 at once: waiting for run killed (green 2019-01), at work for" in waiter.told[0]
    assert len(waiter.told) == 1
    holder.kill()
    waiter.done.set()
    waiter.join(20)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_killed_process_gives_its_slot_back(
    warehouse: Warehouse, holder: subprocess.Popen[str], end: signal.Signals
) -> None:
    os.kill(holder.pid, end)
    started = time.monotonic()
    with slot(warehouse, QUEUE, asker(1)):
        assert time.monotonic() - started < 5


def test_killed_waiter_leaves_the_queue(warehouse: Warehouse) -> None:
    with slot(warehouse, QUEUE, asker(0)):
        waiting = subprocess.Popen([sys.executable, "-c", _HOLDER, warehouse.url], stdout=subprocess.PIPE, text=True)
        assert waiting.stdout is not None
        assert "waiting for run run0" in waiting.stdout.readline()
        waiting.kill()
        waiting.wait()
    with slot(warehouse, QUEUE, asker(1)):
        pass


@pytest.mark.parametrize(("surplus", "limit"), [(Surplus.FAIL, 2), (Surplus.CANCEL, 1)])
def test_surplus_run_is_refused_naming_the_limit(warehouse: Warehouse, surplus: Surplus, limit: int) -> None:
    flow = FlowLimit("hello", limit, surplus)
    with ExitStack() as stack:
        for n in range(limit):
            stack.enter_context(slot(warehouse, flow, asker(n)))
        with pytest.raises(SurplusError, match=rf"hello allows {limit} at once \({surplus}\).* beside run run0"):
            stack.enter_context(slot(warehouse, flow, asker(limit)))
    with slot(warehouse, flow, asker(9)):
        pass


@pytest.mark.parametrize(
    ("recorded", "limit"),
    [
        ("hello_world_FAIL_limit2_4_fired", FlowLimit("flow", 2, Surplus.FAIL)),
        ("cancel_limit1_3_fired", FlowLimit("flow", 1, Surplus.CANCEL)),
        ("queue_limit1_5_fired", FlowLimit("flow", 1, Surplus.QUEUE)),
    ],
)
def test_runs_fired_at_once_end_as_those_of_the_real_engine(
    warehouse: Warehouse, shared_dir: Path, recorded: str, limit: FlowLimit
) -> None:
    truth = json.loads((shared_dir / "kestra-truth" / "concurrency.json").read_text())[recorded]
    executions = truth if isinstance(truth, list) else truth["after_4s"]
    worked = sum(bool(execution["tasks"]) for execution in executions)
    present: set[int] = set()
    refused: set[int] = set()
    most: list[int] = []

    def run(n: int) -> bool:
        try:
            with slot(warehouse, limit, asker(n)):
                present.add(n)
                if limit.surplus is not Surplus.QUEUE:
                    eventually(lambda: len(refused) == len(executions) - worked)
                    eventually(lambda: len(present) == limit.limit)
                most.append(len(present))
                if limit.surplus is Surplus.QUEUE:
                    present.remove(n)
        except SurplusError:
            refused.add(n)
            return False
        return True

    with ThreadPoolExecutor(len(executions)) as pool:
        assert sum(pool.map(run, range(len(executions)))) == worked
    assert max(most) == limit.limit


def test_flows_do_not_hinder_each_other(warehouse: Warehouse) -> None:
    other = FlowLimit("other", 1, Surplus.FAIL)
    with slot(warehouse, QUEUE, asker(0)), slot(warehouse, other, asker(1)):
        pass


def test_slot_is_given_back_when_the_work_fails(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), slot(warehouse, QUEUE, asker(0)):
        raise ZeroDivisionError
    with slot(warehouse, QUEUE, asker(1)), warehouse.connect() as connection:
        rows = connection.execute("SELECT run_id FROM taxi_assets.flow_queue").fetchall()
    assert rows == [("run1",)]


def test_slot_is_taken_anew_when_its_session_was_lost(warehouse: Warehouse) -> None:
    order: list[int] = []
    waiter = Waiter(warehouse, 1, order)
    with slot(warehouse, QUEUE, asker(0)) as held:
        held.keep()
        with warehouse.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'taxi_assets slot month 0'"
            )
        held.keep()
        assert bury(warehouse) == []
        waiter.start()
        eventually(waiter.has_told)
        assert order == []
    eventually(waiter.has_slot)
    waiter.done.set()
    waiter.join(20)


def test_parallel_first_runs_make_the_queue_once(warehouse: Warehouse) -> None:
    order: list[int] = []
    waiters = [Waiter(warehouse, n, order) for n in range(4)]
    for waiter in waiters:
        waiter.done.set()
        waiter.start()
    for waiter in waiters:
        waiter.join(20)
    assert sorted(order) == [0, 1, 2, 3]


def test_run_waits_for_an_earlier_one_that_is_on_its_way(warehouse: Warehouse) -> None:
    expected = ["run run0", "run run0", None]
    told: list[str] = []
    with slot(warehouse, QUEUE, asker(1, told.append, awaited=lambda _present: expected.pop(0))):
        assert expected == []
    assert told == ["flow allows 1 at once: waiting for run run0, which was requested earlier and is starting"]


def test_killed_runs_are_known_and_live_ones_are_not_among_them(
    warehouse: Warehouse, holder: subprocess.Popen[str]
) -> None:
    assert bury(warehouse) == []
    holder.kill()
    with slot(warehouse, QUEUE, asker(1)):
        assert bury(warehouse) == ["killed"]
        assert bury(warehouse) == []
