"""One merge into a trips table at a time, whatever becomes of the process or the network meanwhile."""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from google.cloud import bigquery

from taxi_assets.bigquery import locks
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.locks import merge_lock
from taxi_assets.errors import BusyError, GoogleError
from taxi_assets.settings import Settings
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import HARD, write_mirror
from taxi_assets_tests.integration.bigquery.conftest import (
    APRIL,
    GREEN,
    MAY,
    YELLOW,
    LoadMonth,
    rows,
    run_month,
    trips,
)
from taxi_assets_tests.integration.bigquery.wire import Answer, Request, Rule, Wire, google_error

ROWS = 300
LOCK = "green_tripdata_merge_lock"


@pytest.fixture(autouse=True)
def _months(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 — makes the mirror's folder
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS, quirks=HARD)
    monkeypatch.setattr(locks, "_GRACE", 1.0)
    monkeypatch.setattr(locks, "_LAST_WAIT", 3.0)


def is_merge(request: Request) -> bool:
    """Whether it begins the job of a MERGE."""
    return request.method == "POST" and request.says("MERGE INTO") and not request.says("dryRun")


def job_id(request: Request) -> str:
    return str(json.loads(request.body)["jobReference"]["jobId"])


def lost(_answer: Answer) -> Answer:
    """What the client sees of an answer that does not arrive."""
    return google_error(503, "backendError", "the answer was lost")


def once(rule: Rule, wanted: Callable[[Request], bool]) -> Rule:
    """The rule for the first request of a kind; the others pass."""
    met: list[Request] = []

    def first(request: Request) -> object:
        if not wanted(request) or met:
            return None
        met.append(request)
        return rule(request)

    return first  # type: ignore[return-value]


def lock_of(clients: Clients) -> str | None:
    """The job that the lock names; None when there is no lock."""
    tables = {table.table_id for table in clients.bigquery.list_tables(clients.display)}
    return clients.bigquery.get_table(f"{clients.display}.{LOCK}").description if LOCK in tables else None


class SlowMerge:
    """A wire's rule that plays BigQuery at a MERGE that goes on: the stand-in answers when a statement is done."""

    def __init__(self, *, cancelable: bool = True) -> None:
        self.job: dict[str, object] | None = None
        self.cancelable = cancelable
        self.ends = float("inf")
        self.released_when_over: bool | None = None
        self.at_poll: Callable[[], Answer | None] = lambda: None

    def __call__(self, request: Request) -> Answer | None:
        if self.job is None:
            if not is_merge(request):
                return None
            self.job = json.loads(request.body)
            return self._shown()
        if request.method == "DELETE" and request.says(LOCK):
            self.released_when_over = self.over
        if str(self.job["jobReference"]["jobId"]) not in request.path:  # type: ignore[index]
            return None
        if request.path.split("?")[0].endswith("/cancel"):
            answer = 200, json.dumps({"job": json.loads(self._shown()[1])}).encode()
            if self.cancelable:
                self.ends = time.monotonic() + 1  # it takes a moment
            return answer
        return self.at_poll() or self._shown()

    @property
    def over(self) -> bool:
        return time.monotonic() > self.ends

    def end(self) -> None:
        self.ends = time.monotonic()

    def interrupt_once(self) -> None:
        """Ctrl-C while the run waits for its merge."""
        self.at_poll = lambda: None
        _thread.interrupt_main()

    def _shown(self) -> Answer:
        stopped = {"state": "DONE", "errorResult": {"reason": "stopped", "message": "Job execution was cancelled"}}
        return 200, json.dumps({**(self.job or {}), "status": stopped if self.over else {"state": "RUNNING"}}).encode()


def test_same_month_twice_at_once_is_there_once(clients: Clients, load_month: LoadMonth) -> None:
    with ThreadPoolExecutor(2) as pool:
        loads = list(pool.map(lambda _: load_month(GREEN, APRIL), range(2)))
    assert sorted(load.rows_inserted for load in loads) == [0, ROWS]
    assert len(trips(clients, GREEN)) == ROWS


def test_two_months_at_once_are_as_one_after_the_other(clients: Clients, load_month: LoadMonth) -> None:
    jobs = [(GREEN, APRIL), (GREEN, MAY), (YELLOW, APRIL)]
    with ThreadPoolExecutor(3) as pool:
        loads = list(pool.map(lambda job: load_month(*job), jobs))
    found = [len(trips(clients, dataset)) for dataset in (GREEN, YELLOW)]
    assert found == [loads[0].rows_inserted + loads[1].rows_inserted, ROWS]
    together = rows(clients, "SELECT COUNT(DISTINCT unique_row_id) FROM `{d}.green_tripdata`")
    clients.bigquery.delete_table(f"{clients.display}.green_tripdata")
    for month in (APRIL, MAY):
        load_month(GREEN, month)
    assert rows(clients, "SELECT COUNT(DISTINCT unique_row_id) FROM `{d}.green_tripdata`") == together


@pytest.mark.parametrize("month", [APRIL, MAY], ids=["the_same_month", "another_month"])
def test_second_merge_is_not_sent_before_the_first_is_done(
    bigquery_wire: Wire, clients: Clients, settings: Settings, monkeypatch: pytest.MonkeyPatch, month: Month
) -> None:
    patient = clients.within(60)
    monkeypatch.setattr(locks, "_GRACE", 60.0)  # the stand-in knows no job that is not done
    merges: list[Request] = []
    go_on, waiting = Event(), Event()

    def hold_the_first(request: Request) -> None:
        if merges and request.method == "POST" and request.says(LOCK):
            waiting.set()
        if is_merge(request):
            merges.append(request)
            go_on.wait(30)

    bigquery_wire.rule = hold_the_first
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_month, patient, settings, GREEN, each) for each in (APRIL, month)]
        waited = waiting.wait(30)
        time.sleep(1.5)
        sent = len(merges)
        go_on.set()
        loads = [run.result() for run in runs]
    assert waited
    assert (sent, len(merges)) == (1, 2)
    assert sum(load.rows_inserted for load in loads) == len(trips(clients, GREEN))


def test_lock_names_the_job_it_is_held_for(clients: Clients) -> None:
    trips_table = f"{clients.display}.green_tripdata"
    with (
        merge_lock(clients, trips_table, "merging x", 1) as job_ids,
        pytest.raises(BusyError, match=f"was held for 0.1 s for job {next(job_ids)}; look at that job"),
        merge_lock(clients, trips_table, "merging y", 0.1),
    ):
        pass
    assert lock_of(clients) is None


def test_stopped_run_keeps_the_lock_until_its_merge_has_ended(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    """As by Ctrl-C: the merge is canceled, which takes BigQuery a moment."""
    merge = SlowMerge()
    merge.at_poll = merge.interrupt_once
    bigquery_wire.rule = merge
    with pytest.raises(KeyboardInterrupt):
        run_month(clients, settings, GREEN, APRIL)
    assert merge.released_when_over
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS


def test_merge_that_cannot_be_canceled_is_waited_for_by_the_next_run(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    merge = SlowMerge(cancelable=False)
    merge.at_poll = merge.interrupt_once
    bigquery_wire.rule = merge
    with pytest.raises(KeyboardInterrupt):
        run_month(clients, settings, GREEN, APRIL)
    hasty = settings.model_copy(update={"lock_timeout": 3})
    with pytest.raises(BusyError, match=str(lock_of(clients))):
        run_month(clients, hasty, GREEN, APRIL)
    assert sum(is_merge(request) for request in bigquery_wire.seen) == 1
    merge.end()
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert lock_of(clients) is None


def test_merge_whose_process_lost_the_network_is_waited_for_by_the_next_run(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    merge = SlowMerge()
    merge.at_poll = lambda: google_error(503, "backendError", "not now")
    bigquery_wire.rule = merge
    with pytest.raises(GoogleError, match="Google does not answer"):
        run_month(clients.within(3), settings, GREEN, APRIL)
    merge.at_poll = lambda: None
    hasty = settings.model_copy(update={"lock_timeout": 3})
    with pytest.raises(BusyError, match=str(lock_of(clients))):
        run_month(clients, hasty, GREEN, APRIL)
    merge.end()
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS


def test_merge_whose_answer_was_lost_is_found_under_its_id(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    """The stand-in takes an id twice, so the second answer is given as Google gives it."""
    begun: list[str] = []

    def rule(request: Request) -> object:
        if not is_merge(request):
            return None
        begun.append(job_id(request))
        return lost if len(begun) == 1 else google_error(409, "duplicate", f"Already Exists: Job {begun[0]}")

    bigquery_wire.rule = rule  # type: ignore[assignment]
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert len(begun) == 2
    assert len(set(begun)) == 1


def test_job_of_another_statement_is_not_taken_for_the_merge(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    """The next run took the id while this one slept."""

    def rule(request: Request) -> Answer | None:
        if not is_merge(request):
            return None
        clients.bigquery.query("SELECT 1", job_id=job_id(request), job_retry=None)
        return google_error(409, "duplicate", "Already Exists: Job x")

    bigquery_wire.rule = rule
    with pytest.raises(GoogleError, match=r"Already Exists.*run the month again"):
        run_month(clients, settings, GREEN, APRIL)


def test_statement_that_lost_against_another_is_sent_again_under_an_id_that_the_lock_names(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    message = "Could not serialize access to table test-project:d.green_tripdata due to concurrent update"
    named: list[tuple[str, str | None]] = []

    def rule(request: Request) -> Answer | None:
        if not is_merge(request):
            return None
        named.append((job_id(request), lock_of(clients)))
        return google_error(400, "invalidQuery", message) if len(named) == 1 else None

    bigquery_wire.rule = rule
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert [job for job, _ in named] == [lock for _, lock in named]
    assert len(set(named)) == 2


def test_lock_whose_first_answer_was_lost_is_held(bigquery_wire: Wire, clients: Clients, settings: Settings) -> None:
    def makes_the_lock(request: Request) -> bool:
        return request.method == "POST" and request.says(LOCK)

    bigquery_wire.rule = once(lambda _request: lost, makes_the_lock)
    hasty = settings.model_copy(update={"lock_timeout": 0.1})
    assert run_month(clients, hasty, GREEN, APRIL).rows_inserted == ROWS
    assert sum(map(makes_the_lock, bigquery_wire.seen)) == 2


def left_lock(clients: Clients, holder: str) -> bigquery.Table:
    """The lock of a process that is gone, wherever it ran."""
    lock = bigquery.Table(f"{clients.display}.{LOCK}")
    lock.description = holder
    return clients.bigquery.create_table(lock)


def test_lock_whose_job_is_done_is_taken_over(clients: Clients, settings: Settings) -> None:
    left_lock(clients, str(clients.bigquery.query("SELECT 1").job_id))
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert lock_of(clients) is None


def test_lock_that_another_run_took_over_is_left_to_it(clients: Clients) -> None:
    with merge_lock(clients, f"{clients.display}.green_tripdata", "merging x", 1):
        lock = clients.bigquery.get_table(f"{clients.display}.{LOCK}")
        lock.description = "another"
        clients.bigquery.update_table(lock, ["description"])
    assert lock_of(clients) == "another"


def test_lock_is_taken_over_only_as_it_was_seen(bigquery_wire: Wire, clients: Clients) -> None:
    """Google refuses it to the slower of two runs; the stand-in compares no ETags."""
    left_lock(clients, str(clients.bigquery.query("SELECT 1").job_id))
    refusal = google_error(412, "conditionNotMet", "Precondition check failed.")
    bigquery_wire.rule = once(lambda _request: refusal, lambda request: request.method == "PATCH")
    trips_table = f"{clients.display}.green_tripdata"
    with merge_lock(clients, trips_table, "merging x", 10) as job_ids:
        assert lock_of(clients) == next(job_ids)
    patches = [request for request in bigquery_wire.seen if request.method == "PATCH"]
    assert len(patches) == 2
    assert all(request.headers["If-Match"] for request in patches)


def test_killed_run_completes_next_time(
    bigquery_wire: Wire, clients: Clients, settings: Settings, tmp_path: Path
) -> None:
    """Killed while its merge is on the way to BigQuery: that may begin no more, since its id is used up."""
    merging: list[Request] = []

    def hold(request: Request) -> Answer | None:
        if is_merge(request):
            merging.append(request)
            time.sleep(20 if len(merging) == 1 else 0)
            return (500, b"{}") if len(merging) == 1 else None
        return None

    bigquery_wire.rule = hold
    script = (
        "from taxi_assets.assets.google import open_google; from taxi_assets.settings import get_settings;"
        "from taxi_assets_tests.integration.bigquery.conftest import run_month, GREEN, APRIL\n"
        "with open_google(get_settings()) as clients: run_month(clients, get_settings(), GREEN, APRIL)"
    )
    given = {f"TAXI_{name.upper()}": str(getattr(settings, name)) for name in ("data_dir", "source_url")}
    names = ("gcp_project_id", "gcp_location", "gcp_dataset", "gcp_bucket_name")
    given |= {name.upper(): str(getattr(settings, name)) for name in names}
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **given}, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not merging and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock_of(clients) == job_id(merging[0])
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    its_job = clients.bigquery.get_job(job_id(merging[0]))
    assert isinstance(its_job, bigquery.QueryJob)
    assert its_job.query == "SELECT 1"
    assert len(trips(clients, GREEN)) == ROWS
    assert lock_of(clients) is None
