"""How many runs of a flow may work at once, and what becomes of one too many. Kestra: a flow's `concurrency`.

Each run holds a session in the warehouse with an advisory lock of its own. So a limit counts across processes and
machines and ways to start a run, and a killed process gives its slot back with its connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import Connection, OperationalError, sql
from psycopg.rows import class_row

from taxi_assets.errors import BusyError
from taxi_assets.postgres.connection import Warehouse, keep_open, statement, told_plainly
from taxi_assets.postgres.own import is_there, own_table

_CLASS = 1_413_568_585
"""First half of the tickets' advisory locks; the second half is the ticket."""
_POLL = 0.2
"""Seconds between looks at the queue while waiting: little beside a month's load, and a cheap query."""


class Surplus(StrEnum):
    """What becomes of a run beyond the limit."""

    QUEUE = "QUEUE"
    FAIL = "FAIL"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class FlowLimit:
    """At most `limit` runs of a flow at once."""

    flow: str
    limit: int
    surplus: Surplus


@dataclass(frozen=True, slots=True)
class Asker:
    """A run that wants a slot. Runs that wait get theirs in the order they were requested."""

    run_id: str
    what: str
    """For people: `green 2019-01`."""
    requested_at: datetime
    tell: Callable[[str], None]
    """Told what a waiting run waits for, each time that changes."""
    awaited: Callable[[Collection[str]], str | None] = lambda _present: None
    """Given the runs that have or want a slot, names one that was requested earlier and is still on its way here."""


class SurplusError(BusyError):
    """The limit is reached, and the flow does not queue."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    ticket: int
    run_id: str
    what: str
    started_at: datetime | None
    seconds: float | None

    def __str__(self) -> str:
        return f"run {self.run_id[:8]} ({self.what}), at work for {self.seconds or 0:.0f} s"


class Slot:
    """A run's leave to work."""

    def __init__(self, session: Callable[[], AbstractContextManager[Connection]], stack: ExitStack) -> None:
        self._session = session
        self._stack = stack
        self._connection = stack.enter_context(session())

    def keep(self) -> None:
        """Wait for a slot anew if the session that held it was lost, as when the server restarts.

        Raises what `slot` raises.
        """
        try:
            self._connection.execute("SELECT")
        except OperationalError:
            self._connection = self._stack.enter_context(self._session())


@contextmanager
def slot(warehouse: Warehouse, limit: FlowLimit, asker: Asker) -> Iterator[Slot]:
    """Hold one of a flow's slots. QUEUE waits for it as long as it takes.

    Raises SurplusError naming the limit where the flow does not queue, and WarehouseError.
    """
    with ExitStack() as stack:
        yield Slot(lambda: _session(warehouse, limit, asker), stack)


@contextmanager
def _session(warehouse: Warehouse, limit: FlowLimit, asker: Asker) -> Iterator[Connection]:
    with warehouse.connect(f"taxi_assets slot {asker.what}") as connection:
        with own_table(connection, "flow_queue", f"asking for a slot of {limit.flow}"):
            keep_open(connection)
            ticket = _draw(connection, limit, asker)
        try:
            with told_plainly(f"waiting for a slot of {limit.flow}"):
                _wait(connection, limit, asker, ticket)
            yield connection
        finally:
            with suppress(OperationalError):  # a lost connection lost the lock too; bury() forgets the ticket
                _give_back(connection, ticket)


def _draw(connection: Connection, limit: FlowLimit, asker: Asker) -> int:
    """Enter the queue, or raise SurplusError before anything else happens."""
    with _alone(connection, limit):
        others = _live(connection, limit)
        if limit.surplus is not Surplus.QUEUE and len(others) >= limit.limit:
            raise SurplusError(
                f"{limit.flow} allows {limit.limit} at once ({limit.surplus}), and this run of {asker.what} is one "
                f"too many beside {', '.join(map(str, others))}; run it again when they are done"
            )
        connection.execute("DELETE FROM taxi_assets.flow_queue WHERE run_id = %s", [asker.run_id])  # of a lost session
        row = connection.execute(
            "INSERT INTO taxi_assets.flow_queue (flow, run_id, what, requested_at) VALUES (%s, %s, %s, %s)"
            " RETURNING ticket, pg_advisory_lock(%s, ticket)",
            [limit.flow, asker.run_id, asker.what, asker.requested_at, _CLASS],
        ).fetchone()
        if limit.surplus is not Surplus.QUEUE:
            _start(connection, row[0] if row else 0)
    return int(row[0]) if row else 0


def _wait(connection: Connection, limit: FlowLimit, asker: Asker, ticket: int) -> None:
    told = ""
    while True:
        reason = _take(connection, limit, asker, ticket)
        if reason is None:
            return
        if reason[0] != told:
            told = reason[0]
            asker.tell(f"{limit.flow} allows {limit.limit} at once: waiting for {reason[1]}")
        time.sleep(_POLL)


def _take(connection: Connection, limit: FlowLimit, asker: Asker, ticket: int) -> tuple[str, str] | None:
    """Take a slot if it is this run's turn; else return what it waits for, as a key and in words."""
    with _alone(connection, limit):
        tickets = _live(connection, limit)
        before = tickets[: [other.ticket for other in tickets].index(ticket)]
        if len(before) < limit.limit:
            awaited = asker.awaited({other.run_id for other in tickets})
            if awaited is None:
                _start(connection, ticket)
                return None
            return awaited, f"{awaited}, which was requested earlier and is starting"
    at_work = [str(other) for other in before if other.started_at]
    waiting = len(before) - len(at_work)
    if waiting:
        at_work.append(f"{waiting} requested earlier")
    return str([other.ticket for other in before]), " and ".join(at_work)


@contextmanager
def _alone(connection: Connection, limit: FlowLimit) -> Iterator[None]:
    """A transaction in which no other run looks at or changes the flow's queue."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"taxi_assets.flow.{limit.flow}"])
        yield


def _live(connection: Connection, limit: FlowLimit) -> list[_Ticket]:
    query = statement("flow_tickets.sql", flow=sql.Literal(limit.flow), **{"class": sql.Literal(_CLASS)})
    with connection.cursor(row_factory=class_row(_Ticket)) as cursor:
        return cursor.execute(query).fetchall()


def _start(connection: Connection, ticket: int) -> None:
    connection.execute(
        "UPDATE taxi_assets.flow_queue SET started_at = coalesce(started_at, clock_timestamp()) WHERE ticket = %s",
        [ticket],
    )


def _give_back(connection: Connection, ticket: int) -> None:
    connection.execute("DELETE FROM taxi_assets.flow_queue WHERE ticket = %s", [ticket])
    connection.execute("SELECT pg_advisory_unlock(%s, %s)", [_CLASS, ticket])


def bury(warehouse: Warehouse) -> list[str]:
    """Forget the runs whose process was killed while it held a slot or waited for one, and return their ids."""
    with warehouse.connect("taxi_assets bury") as connection:
        if not is_there(connection, "flow_queue"):
            return []
        with own_table(connection, "flow_queue", "looking for killed runs"):
            rows = connection.execute(
                "DELETE FROM taxi_assets.flow_queue WHERE ticket NOT IN"
                " (SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s::bigint::oid"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
                " RETURNING run_id",
                [_CLASS],
            ).fetchall()
    return [str(row[0]) for row in rows]
