"""One merge into a trips table at a time.

BigQuery runs two MERGE statements that only insert side by side, and neither sees the other's rows: the same month
twice at once would be there twice. Making a table is atomic, so an empty table is the lock. It names its merge job;
whoever finds the lock of a process that was killed ends that job first.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import label
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.bigquery.tables import find_table
from taxi_assets.errors import BusyError

if TYPE_CHECKING:
    from google.cloud.bigquery import Table

_LIFETIME = timedelta(hours=6)
"""No query of BigQuery's runs longer."""
_PAUSE = 0.5


@contextmanager
def merge_lock(clients: Clients, trips: str, job_id: str, timeout: float) -> Iterator[None]:
    """Hold the lock of a trips table. Raises BusyError naming the holder after `timeout` seconds, or GoogleError."""
    name = f"{trips}_merge_lock"
    _acquire(clients, name, job_id, timeout)
    try:
        yield
    finally:
        with told_plainly(f"removing {name}"):
            clients.bigquery.delete_table(name, not_found_ok=True, retry=clients.retry)


def _acquire(clients: Clients, name: str, job_id: str, timeout: float) -> None:
    from google.api_core.exceptions import Conflict
    from google.cloud import bigquery

    deadline = time.monotonic() + timeout
    while True:
        lock = bigquery.Table(name)
        lock.description = job_id
        lock.labels = {"host": label(socket.gethostname()), "pid": str(os.getpid())}
        lock.expires = datetime.now(UTC) + _LIFETIME
        with told_plainly(f"making {name}"):
            try:
                clients.bigquery.create_table(lock, retry=clients.retry)
                return
            except Conflict:
                pass
        holder = find_table(clients, name)
        if holder is not None and _left_behind(holder):
            _take_away(clients, holder)
        elif time.monotonic() > deadline:
            who = f"pid {holder.labels.get('pid')} on {holder.labels.get('host')}" if holder else "another run"
            raise BusyError(
                f"{name} was held for {timeout:g} s by {who}; wait for its merge, or remove that table if the process "
                "is gone, then run the month again (TAXI_LOCK_TIMEOUT sets the limit)"
            )
        else:
            time.sleep(_PAUSE)


def _left_behind(lock: Table) -> bool:
    """Whether its process is known to be gone: it ran here and runs no more, or its time is over."""
    if lock.expires is not None and lock.expires < datetime.now(UTC):
        return True
    if lock.labels.get("host") != label(socket.gethostname()):
        return False
    try:
        os.kill(int(lock.labels.get("pid", "0")), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        pass
    return False


def _take_away(clients: Clients, lock: Table) -> None:
    """End the merge that the killed process started, which BigQuery may still be running, then remove its lock."""
    from google.api_core.exceptions import NotFound

    with told_plainly(f"removing {lock.table_id}, which a killed process left"):
        try:
            job = clients.bigquery.cancel_job(lock.description or "", retry=clients.retry)
            while not job.done(retry=clients.retry):
                time.sleep(_PAUSE)
        except NotFound:  # it was killed before its job began
            pass
        clients.bigquery.delete_table(lock, not_found_ok=True, retry=clients.retry)
