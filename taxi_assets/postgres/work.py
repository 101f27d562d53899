"""A month's work table: the file copied in by several connections, invisible to others until it is published."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Queue

import psycopg
from psycopg import Connection, sql

from taxi_assets.errors import FileError
from taxi_assets.postgres.connection import one_line, statement, told_plainly
from taxi_assets.postgres.tables import SCHEMA, TripTables, listed
from taxi_assets.trips.csvfile import Chunk, TripCsv
from taxi_assets.trips.months import Month

_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_WHERE = re.compile(r'^COPY [^,]+, line (\d+)(?:, column ("[^"]+"|[^:]+))?', re.MULTILINE)


@dataclass(slots=True)
class WorkTable:
    """The table, and how many rows the file brought."""

    name: str
    filename: str
    rows: int = 0

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, self.name)


@contextmanager
def work_table(connection: Connection, tables: TripTables, month: Month) -> Iterator[WorkTable]:
    """An empty work table, gone again at the end unless it became a part of staging.

    A session lock with the table's name tells others that its run is alive; tables of dead runs are dropped first.
    """
    dataset = tables.dataset
    work = WorkTable(
        f"work_{dataset.taxi}_{month.year}_{month.month:02d}_{secrets.token_hex(4)}", dataset.file_name(month)
    )
    grant = f'GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO "{connection.info.user}"'
    with told_plainly(f"creating a work table for {work.filename}", grant):
        drop_orphans(connection)
        connection.execute(_LOCK, [f"{SCHEMA}.{work.name}"])
        connection.execute(
            statement(
                "work_table.sql",
                work=work.identifier,
                filename=sql.Literal(work.filename),
                id_columns=listed("{name}", dataset.postgres_id_columns),
                id_parameters=listed("{name} {type}", dataset.postgres_id_columns),
                id_text=listed("coalesce({name}::text, '')", dataset.postgres_id_columns, " || "),
                columns=listed("{name} {type}", dataset.columns),
            )
        )
    try:
        yield work
    finally:
        with suppress(psycopg.OperationalError):  # a lost connection lost the lock too; the next run drops the table
            _drop(connection, work.name)


def drop_orphans(connection: Connection) -> None:
    """Drop the work tables that runs left behind when they were killed."""
    for (name,) in connection.execute(statement("orphans.sql")).fetchall():
        _drop(connection, name)


def _drop(connection: Connection, name: str) -> None:
    published = "SELECT relispartition FROM pg_class WHERE oid = to_regclass(%s)"
    if connection.execute(published, [f"{SCHEMA}.{name}"]).fetchone() == (False,):
        connection.execute(statement("work_table_drop.sql", work=sql.Identifier(SCHEMA, name)))
    connection.execute(_UNLOCK, [f"{SCHEMA}.{name}"])


def fill(
    connections: Sequence[Connection],
    work: WorkTable,
    file: TripCsv,
    progress: Callable[[int], None] | None = None,
    beside: Callable[[Connection], None] | None = None,
) -> None:
    """Copy a file into its work table, a stream on each connection.

    `progress` is told the rows read so far. Of several streams the last one does what is to be done `beside` before it
    joins the others, which go on meanwhile; a single stream leaves it out. Raises FileError naming line, column and
    value of what does not fit, and when the server took in another number of rows than the file has.
    """
    queue: Queue[Chunk | None] = Queue(maxsize=2 * len(connections))
    streams = [_Stream(connection, work, file, queue) for connection in connections]
    if len(streams) > 1:
        streams[-1].beside = beside
    with ThreadPoolExecutor(len(streams)) as pool:
        try:
            for stream in streams:
                pool.submit(stream.run)
            for chunk in file.chunks():
                queue.put(chunk)
                if progress:
                    progress(file.records)
                if any(stream.failure for stream in streams):
                    break
        finally:
            for _ in streams:
                queue.put(None)
    if failures := [stream.failure for stream in streams if stream.failure]:
        raise min(failures, key=lambda failure: failure.line).as_error(file, work)
    work.rows = sum(stream.rows for stream in streams)
    if work.rows != file.records:
        raise FileError(
            f"{file.path.name} has {file.records} data rows and PostgreSQL read {work.rows}; "
            "repair the file at the source, then run the month again"
        )


@dataclass(slots=True)
class _Failure:
    line: int
    cause: BaseException

    def as_error(self, file: TripCsv, work: WorkTable) -> Exception:
        if not isinstance(self.cause, psycopg.DataError):
            with told_plainly(f"copying {work.filename} into PostgreSQL"):
                raise self.cause
        diag = self.cause.diag
        where = _WHERE.search(diag.context or "")
        column = where[2].strip('"') if where and where[2] else None
        names = {c.sql_name: c.name for c in file.dataset.columns}
        at = f"{file.path.name} line {self.line}" + (f", column {names.get(column, column)}" if column else "")
        return FileError(
            f"{at}: {one_line(diag.message_primary)}; repair the file at the source, then run the month again"
        )


@dataclass(slots=True)
class _Stream:
    """One connection's COPY, fed from the queue."""

    connection: Connection
    work: WorkTable
    file: TripCsv
    queue: Queue[Chunk | None]
    beside: Callable[[Connection], None] | None = None
    rows: int = 0
    failure: _Failure | None = None
    _starts: list[tuple[int, int]] = field(default_factory=list)
    """(line in this stream, line in the file) where each chunk begins."""

    def run(self) -> None:
        columns = sql.SQL(", ").join(sql.Identifier(column.sql_name) for column in self.file.columns)
        copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(self.work.identifier, columns)
        lines = 1
        ended = False
        try:
            if self.beside:
                self.beside(self.connection)
            with self.connection.cursor() as cursor:
                with cursor.copy(copy_in) as copy:
                    while chunk := self.queue.get():
                        self._starts.append((lines, chunk.line))
                        lines += chunk.lines
                        copy.write(chunk.data)
                    ended = True
                self.rows = cursor.rowcount
        except psycopg.Error as error:
            self.failure = _Failure(self._line_in_file(error), error)
        except BaseException as error:  # nothing may leave the queue without a reader: the feeder would wait for ever
            self.failure = _Failure(0, error)
        while not ended:
            ended = self.queue.get() is None

    def _line_in_file(self, error: psycopg.Error) -> int:
        where = _WHERE.search(error.diag.context or "")
        if where is None:
            return 0
        line = int(where[1])
        first, in_file = next((start for start in reversed(self._starts) if start[0] <= line), (line, line))
        return in_file + line - first
