"""Backfills as other shells see them: what is loaded, how far it is, and whether it is to pause or to stop.

A backfill holds a session with an advisory lock of its taxi, so a killed one hinders nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from taxi_assets.errors import BusyError, MonthError, UnavailableError
from taxi_assets.postgres.connection import Warehouse, keep_open, told_plainly
from taxi_assets.postgres.own import is_there, own_table

Wanted = Literal["run", "pause", "cancel"]
State = Literal["running", "paused", "finished", "canceled", "interrupted"]
_ALIVE = ("running", "paused")

_LOCK = "hashtextextended('taxi_assets.backfill.' || %s, 0)"
_STATUS = """
    SELECT DISTINCT ON (taxi) id, taxi, months, labels, host, pid, wanted, done, failed,
        CASE WHEN ended_at IS NULL AND NOT EXISTS (
            SELECT FROM pg_locks, hashtextextended('taxi_assets.backfill.' || b.taxi, 0) AS key
            WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint = key
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        ) THEN 'killed' ELSE state END AS state, started_at, ended_at
    FROM taxi_assets.backfills AS b
    ORDER BY taxi, id DESC
"""


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """The last backfill of a taxi."""

    id: int
    taxi: str
    months: list[str]
    labels: dict[str, str]
    host: str
    pid: int
    wanted: Wanted
    done: int
    """Months that are through, the failed ones among them."""
    failed: int
    state: State | Literal["killed"]
    started_at: datetime
    ended_at: datetime | None

    @property
    def alive(self) -> bool:
        return self.state in _ALIVE

    def __str__(self) -> str:
        labels = "".join(f", {key}={value}" for key, value in self.labels.items())
        return (
            f"backfill {self.id} of {self.taxi} {self.months[0]}..{self.months[-1]}{labels}: {self.state}, "
            f"{self.done} of {len(self.months)} months done, {self.failed} failed (pid {self.pid} on {self.host})"
        )


class LiveBackfill:
    """A backfill of this process. While the warehouse does not answer it goes on: its months say what is wrong."""

    def __init__(self, connect: Callable[[], Connection], connection: Connection, number: int) -> None:
        """`connect` opens another session that holds the taxi's lock, for when this one is lost."""
        self._connect = connect
        self._connection = connection
        self._number = number
        self._done = self._failed = 0
        self._wanted: Wanted = "run"
        self.state: State = "running"

    def wanted(self) -> Wanted:
        """What was last asked of it, by any shell."""
        self._tell()
        return self._wanted

    def turn(self, state: State) -> None:
        """Tell other shells that it runs, rests, or is at its end."""
        self.state = state
        self._tell()

    def month_done(self, *, succeeded: bool) -> None:
        self._done += 1
        self._failed += not succeeded
        self._tell()

    def _tell(self) -> None:
        """Exchange all that is known with the other shells; what is lost is told the next time."""
        with suppress(UnavailableError):
            if self._connection.closed:
                self._connection = self._connect()
            with told_plainly("telling how far the backfill is"):
                row = self._connection.execute(
                    "UPDATE taxi_assets.backfills SET state = %s, done = %s, failed = %s,"
                    " ended_at = CASE WHEN %s THEN now() END WHERE id = %s RETURNING wanted",
                    [self.state, self._done, self._failed, self.state not in _ALIVE, self._number],
                ).fetchone()
            self._wanted = row[0] if row else "run"


@contextmanager
def live_backfill(
    warehouse: Warehouse, taxi: str, months: Sequence[str], labels: Mapping[str, str]
) -> Iterator[LiveBackfill]:
    """Be the one backfill of a taxi. Raises BusyError naming the one that is already at work."""
    with ExitStack() as sessions:

        def connect() -> Connection:
            return sessions.enter_context(_session(warehouse, taxi))

        connection = connect()
        with own_table(connection, "backfills", "starting a backfill"):
            row = connection.execute(
                "INSERT INTO taxi_assets.backfills (taxi, months, labels, host, pid) VALUES (%s, %s, %s, %s, %s)"
                " RETURNING id",
                [taxi, list(months), Jsonb(dict(labels)), socket.gethostname(), os.getpid()],
            ).fetchone()
        live = LiveBackfill(connect, connection, int(row[0]) if row else 0)
        try:
            yield live
        finally:
            if live.state in _ALIVE:
                live.turn("interrupted")


@contextmanager
def _session(warehouse: Warehouse, taxi: str) -> Iterator[Connection]:
    with warehouse.connect(f"taxi_assets backfill {taxi}") as connection:
        with own_table(connection, "backfills", "starting a backfill"):
            keep_open(connection)
            row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})".encode(), [taxi]).fetchone()
            if row != (True,):
                raise BusyError(_busy(connection, taxi))
        yield connection


def backfill_status(connection: Connection) -> list[BackfillStatus]:
    """The last backfill of each taxi, by taxi."""
    if not is_there(connection, "backfills"):
        return []
    with (
        own_table(connection, "backfills", "looking at the backfills"),
        connection.cursor(row_factory=class_row(BackfillStatus)) as cursor,
    ):
        return cursor.execute(_STATUS).fetchall()


def ask(connection: Connection, taxi: str, wanted: Wanted) -> BackfillStatus:
    """Ask a taxi's running backfill to pause, to go on or to stop after its present month.

    Raises MonthError when none runs, or the one that does was canceled already.
    """
    status = next((s for s in backfill_status(connection) if s.taxi == taxi and s.alive), None)
    if status is None:
        raise MonthError(
            f"no backfill of {taxi} is running; start one with: taxi-assets backfill {taxi} --from YYYY-MM"
        )
    with told_plainly(f"asking the backfill of {taxi} to {wanted}"):
        asked = connection.execute(
            "UPDATE taxi_assets.backfills SET wanted = %s WHERE id = %s AND wanted <> 'cancel'", [wanted, status.id]
        )
    if not asked.rowcount and wanted != "cancel":
        raise MonthError(f"{status}; it was canceled and ends after its present month")
    return status


def _busy(connection: Connection, taxi: str) -> str:
    status = next((s for s in backfill_status(connection) if s.taxi == taxi and s.alive), None)
    return (
        f"{status or f'a backfill of {taxi} is starting'}; wait for it, or stop it with: "
        f"taxi-assets backfill-control cancel {taxi}"
    )
