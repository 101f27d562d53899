"""Backfills as other shells see them: what is loaded, how far it is, and whether it is to pause or to stop.

A backfill holds a session with an advisory lock of its taxi, so a killed one hinders nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from taxi_assets.errors import BusyError, MonthError
from taxi_assets.postgres.connection import Warehouse, statement, told_plainly

Wanted = Literal["run", "pause", "cancel"]
State = Literal["running", "paused", "finished", "canceled", "interrupted"]

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
        return self.state in ("running", "paused")

    def __str__(self) -> str:
        labels = "".join(f", {key}={value}" for key, value in self.labels.items())
        return (
            f"backfill {self.id} of {self.taxi} {self.months[0]}..{self.months[-1]}{labels}: {self.state}, "
            f"{self.done} of {len(self.months)} months done, {self.failed} failed (pid {self.pid} on {self.host})"
        )


class LiveBackfill:
    """A backfill of this process."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self.state: State = "running"

    def wanted(self) -> Wanted:
        """What was last asked of it, by any shell."""
        row = self._execute("SELECT wanted FROM taxi_assets.backfills WHERE id = %s", self._number)
        wanted: Wanted = row[0]  # type: ignore[assignment]
        return wanted

    def turn(self, state: State) -> None:
        """Tell other shells that it runs, rests, or is at its end."""
        self.state = state
        over = state not in ("running", "paused")
        self._execute(
            "UPDATE taxi_assets.backfills SET state = %s, ended_at = CASE WHEN %s THEN now() END WHERE id = %s"
            " RETURNING id",
            state, over, self._number,
        )  # fmt: skip

    def month_done(self, *, succeeded: bool) -> None:
        self._execute(
            "UPDATE taxi_assets.backfills SET done = done + 1, failed = failed + %s WHERE id = %s RETURNING id",
            int(not succeeded), self._number,
        )  # fmt: skip

    def _execute(self, query: str, *values: object) -> Sequence[object]:
        with told_plainly("telling how far the backfill is"):
            return self._connection.execute(query.encode(), values).fetchone() or (None,)


@contextmanager
def live_backfill(
    warehouse: Warehouse, taxi: str, months: Sequence[str], labels: Mapping[str, str]
) -> Iterator[LiveBackfill]:
    """Be the one backfill of a taxi. Raises BusyError naming the one that is already at work."""
    with warehouse.connect(f"taxi_assets backfill {taxi}") as connection:
        with told_plainly("starting a backfill"):
            connection.execute("SET idle_session_timeout = 0")
            _prepare(connection)
            row = connection.execute(f"SELECT pg_try_advisory_lock({_LOCK})".encode(), [taxi]).fetchone()
            if row != (True,):
                raise BusyError(_busy(connection, taxi))
            row = connection.execute(
                "INSERT INTO taxi_assets.backfills (taxi, months, labels, host, pid) VALUES (%s, %s, %s, %s, %s)"
                " RETURNING id",
                [taxi, list(months), Jsonb(dict(labels)), socket.gethostname(), os.getpid()],
            ).fetchone()
        live = LiveBackfill(connection, int(row[0]) if row else 0)
        try:
            yield live
        finally:
            if not connection.broken and live.state in ("running", "paused"):
                live.turn("interrupted")


def backfill_status(connection: Connection) -> list[BackfillStatus]:
    """The last backfill of each taxi, by taxi."""
    if connection.execute("SELECT to_regclass('taxi_assets.backfills')").fetchone() == (None,):
        return []
    with connection.cursor(row_factory=class_row(BackfillStatus)) as cursor:
        return cursor.execute(_STATUS).fetchall()


def ask(connection: Connection, taxi: str, wanted: Wanted) -> BackfillStatus:
    """Ask a taxi's running backfill to pause, to go on or to stop after its present month.

    Raises MonthError when none runs.
    """
    status = next((s for s in backfill_status(connection) if s.taxi == taxi and s.alive), None)
    if status is None:
        raise MonthError(
            f"no backfill of {taxi} is running; start one with: taxi-assets backfill {taxi} --from YYYY-MM"
        )
    with told_plainly(f"asking the backfill of {taxi} to {wanted}"):
        connection.execute("UPDATE taxi_assets.backfills SET wanted = %s WHERE id = %s", [wanted, status.id])
    return status


def _prepare(connection: Connection) -> None:
    if connection.execute("SELECT to_regclass('taxi_assets.backfills')").fetchone() == (None,):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('taxi_assets.setup', 0))")
            connection.execute(statement("backfills.sql"))


def _busy(connection: Connection, taxi: str) -> str:
    status = next((s for s in backfill_status(connection) if s.taxi == taxi and s.alive), None)
    return (
        f"{status or f'a backfill of {taxi} is starting'}; wait for it, or stop it with: "
        f"taxi-assets backfill-control cancel {taxi}"
    )
