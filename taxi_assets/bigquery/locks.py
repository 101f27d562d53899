"""One merge into a trips table at a time.

BigQuery runs two MERGE statements that only insert side by side, and neither sees the other's rows: the same month
twice at once would be there twice. Making a table is atomic, so an empty table is the lock. It names the job that it is
held for, and goes only when that job is over: BigQuery goes on with a job whose process was killed or lost its network.
So it is the job that is asked whether a lock was left behind, not the process, which may have run anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import find_job, new_job_id
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.bigquery.tables import find_table
from taxi_assets.errors import BusyError, GoogleError

if TYPE_CHECKING:
    from google.cloud.bigquery import Table

_LIFETIME = timedelta(hours=6)
"""No query of BigQuery's runs longer."""
_PAUSE = 0.5
_GRACE = 20.0
"""Seconds for which a living holder's job may not be at work: before it begins, and between two attempts."""
_LAST_WAIT = 10.0
"""Seconds that a run which failed or is being stopped waits for its job to end."""


@contextmanager
def merge_lock(clients: Clients, trips: str, what: str, timeout: float) -> Iterator[Iterator[str]]:
    """Hold the lock of a trips table; gives the ids of the jobs to run meanwhile, one for each attempt.

    Raises BusyError naming the job that holds it after `timeout` seconds, or GoogleError.
    """
    held = _Held(clients, _acquire(clients, f"{trips}_merge_lock", new_job_id(what), timeout), what)
    try:
        yield held.job_ids()
    except BaseException:
        with suppress(GoogleError):  # what went wrong first is told; the lock stays, and the next run looks at its job
            held.release_if_over()
        raise
    held.release()


class _Held:
    """The lock in this process's hands."""

    def __init__(self, clients: Clients, table: Table, what: str) -> None:
        self._clients = clients
        self._table = table
        self._what = what

    def job_ids(self) -> Iterator[str]:
        """The id that the lock names, then new ones; each is written into the lock before its job can begin."""
        while True:
            yield _job_id(self._table)
            self._table.description = new_job_id(self._what)
            with told_plainly(f"writing into {self._table.table_id}"):
                # Only if it is as this process left it: Google compares the ETag.
                self._table = self._clients.bigquery.update_table(
                    self._table, ["description"], **self._clients.patience
                )

    def release_if_over(self) -> None:
        """Remove the lock unless its job goes on for longer than a canceled one does."""
        deadline = time.monotonic() + _LAST_WAIT
        while not _over(self._clients.within(_LAST_WAIT), _job_id(self._table)):
            if time.monotonic() > deadline:
                return
            time.sleep(_PAUSE)
        self.release()

    def release(self) -> None:
        """Remove the lock, if no other run took it over while this one slept."""
        name = str(self._table.reference)
        found = find_table(self._clients, name)
        if found is not None and _job_id(found) == _job_id(self._table):
            with told_plainly(f"removing {name}"):
                self._clients.bigquery.delete_table(name, not_found_ok=True, **self._clients.patience)


def _acquire(clients: Clients, name: str, job_id: str, timeout: float) -> Table:
    from google.api_core.exceptions import Conflict
    from google.cloud import bigquery

    start = idle_since = time.monotonic()
    idle = ""
    while True:
        with told_plainly(f"making {name}"), suppress(Conflict):
            return clients.bigquery.create_table(_named(bigquery.Table(name), job_id), **clients.patience)
        lock = find_table(clients, name)
        if lock is None:
            continue
        holder, now = _job_id(lock), time.monotonic()
        if holder == job_id:  # the answer that it was made was lost
            return lock
        job = find_job(clients, holder)
        if holder != idle or (job is not None and not job.done(reload=False)):
            idle, idle_since = holder, now
        elif now - idle_since > _GRACE and _over(clients, holder):
            taken = _taken_over(clients, lock, job_id)
            if taken is not None:
                return taken
        if now - start > timeout:
            raise BusyError(
                f"{name} was held for {timeout:g} s for job {holder}; look at that job in the console, and run the "
                "month again when it is done (TAXI_LOCK_TIMEOUT sets the limit)"
            )
        time.sleep(_PAUSE)


def _taken_over(clients: Clients, lock: Table, job_id: str) -> Table | None:
    """The lock with this job in it; None when another run was quicker, which its ETag tells."""
    from google.api_core.exceptions import NotFound, PreconditionFailed

    with told_plainly(f"taking over {lock.table_id}"), suppress(NotFound, PreconditionFailed):
        return clients.bigquery.update_table(_named(lock, job_id), ["description", "expires"], **clients.patience)
    return None


def _over(clients: Clients, job_id: str) -> bool:
    """Whether a job has ended, or can begin no more.

    An id serves once. Where no job has it, its request may still be on the way; an empty statement then takes the id.
    """
    from google.api_core.exceptions import Conflict

    job = find_job(clients, job_id)
    if job is not None:
        return bool(job.done(reload=False))
    with told_plainly(f"looking for job {job_id}"), suppress(Conflict):
        clients.bigquery.query("SELECT 1", job_id=job_id, job_retry=None, **clients.patience)
        return True
    return False


def _named(lock: Table, job_id: str) -> Table:
    lock.description = job_id
    lock.expires = datetime.now(UTC) + _LIFETIME
    return lock


def _job_id(lock: Table) -> str:
    return lock.description or "none"
