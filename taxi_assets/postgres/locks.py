"""Table locks with a limit, and an error that says who is in the way."""

from __future__ import annotations

import logging
import time
from typing import LiteralString

from psycopg import Connection, errors, sql

from taxi_assets.errors import BusyError

_log = logging.getLogger(__name__)
_PATIENCE = 3.0
"""Seconds before a wait is worth a line in the log, and for which readers may have to queue behind it."""
_PAUSE = 0.5
"""Seconds in which those that queued get their turn."""

_BLOCKERS = """
    SELECT a.pid, a.usename, a.application_name, left(a.query, 80)
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.relation = ANY (
        SELECT c.oid FROM pg_class AS c WHERE c.oid = %(table)s::regclass
        UNION ALL SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = %(table)s::regclass
    ) AND l.granted AND l.pid <> pg_backend_pid() AND l.mode <> ALL (%(harmless)s)
    ORDER BY a.xact_start LIMIT 1
"""

_HARMLESS = {"SHARE ROW EXCLUSIVE": ["AccessShareLock", "RowShareLock"], "ACCESS EXCLUSIVE": []}
"""By the mode asked for, the modes that others may hold beside it."""


def lock_table(connection: Connection, table: sql.Identifier, mode: LiteralString, timeout: float) -> None:
    """Lock a table inside the open transaction, waiting at most `timeout` seconds.

    Whoever wants the table after a session that waits for it exclusively, queues behind that. So it waits in turns.
    Raises BusyError naming the session that holds it.
    """
    end = time.monotonic() + timeout
    if _try_lock(connection, table, mode, min(timeout, _PATIENCE)):
        return
    blocker = _blocker(connection, table, mode)
    _log.warning("waiting for %s, which %s holds", table.as_string(connection), blocker or "another session")
    while (left := end - time.monotonic()) > 0:
        if _try_lock(connection, table, mode, min(left, _PATIENCE)):
            return
        time.sleep(_PAUSE)
    name = table.as_string(connection).replace('"', "")
    holder = _blocker(connection, table, mode) or blocker or "another session"
    raise BusyError(
        f"{name} was locked for {timeout:g} s by {holder}; "
        "wait for that session or end it, then run the month again (TAXI_LOCK_TIMEOUT sets the limit)"
    )


def _try_lock(connection: Connection, table: sql.Identifier, mode: LiteralString, timeout: float) -> bool:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(max(1, int(timeout * 1000)))))
            connection.execute(sql.SQL("LOCK TABLE {} IN {} MODE").format(table, sql.SQL(mode)))
            return True
    except errors.LockNotAvailable:
        return False


def _blocker(connection: Connection, table: sql.Identifier, mode: LiteralString) -> str | None:
    """The session in the way; None when it is gone."""
    named = {"table": table.as_string(connection), "harmless": _HARMLESS[mode]}
    row = connection.execute(_BLOCKERS, named).fetchone()
    if row is None:
        return None
    pid, user, application, query = row
    return f"pid {pid} (user {user}, {application or 'no application name'}: {' '.join(str(query).split())})"
