"""The load records: for each file what its last load held and added, and by which run."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection, sql
from psycopg.rows import class_row

from taxi_assets.postgres.connection import statement, told_plainly
from taxi_assets.postgres.own import is_there, own_table


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """A row of `taxi_assets.loads` but for its time."""

    filename: str
    taxi: str
    month: str
    url: str
    sha256: str
    etag: str | None
    bytes: int
    rows_read: int
    rows_inserted: int
    rows_matched: int
    run_id: str


def write_record(connection: Connection, record: LoadRecord) -> None:
    """Record a load inside the transaction that publishes it."""
    values = {name: getattr(record, name) for name in LoadRecord.__slots__}
    with told_plainly(f"recording the load of {record.filename}", _grant(connection)):
        connection.execute(statement("record_load.sql").as_string(connection), values)


def loaded_files(connection: Connection) -> list[LoadRecord]:
    """The record of every file that is in, by name; empty when nothing was ever loaded."""
    if not is_there(connection, "loads"):
        return []
    with (
        own_table(connection, "loads", "reading the load records"),
        connection.cursor(row_factory=class_row(LoadRecord)) as cursor,
    ):
        return cursor.execute(statement("load_records.sql", which=sql.SQL("TRUE"))).fetchall()


def record_of(connection: Connection, filename: str) -> LoadRecord | None:
    """The record of a file's last load; None when it is not in."""
    which = sql.SQL("filename = {}").format(sql.Literal(filename))
    with (
        told_plainly(f"looking up the last load of {filename}", _grant(connection)),
        connection.cursor(row_factory=class_row(LoadRecord)) as cursor,
    ):
        return cursor.execute(statement("load_records.sql", which=which)).fetchone()


def newest_file(connection: Connection, taxi: str) -> str | None:
    """The file of a taxi that was loaded last."""
    query = "SELECT filename FROM taxi_assets.loads WHERE taxi = %s ORDER BY loaded_at DESC LIMIT 1"
    with told_plainly(f"looking up the last load of {taxi}", _grant(connection)):
        row = connection.execute(query, [taxi]).fetchone()
    return str(row[0]) if row else None


def forget_record(connection: Connection, filename: str) -> None:
    """Remove a file's record."""
    with told_plainly(f"forgetting the load of {filename}", _grant(connection)):
        connection.execute("DELETE FROM taxi_assets.loads WHERE filename = %s", [filename])


def _grant(connection: Connection) -> str:
    return f'GRANT SELECT, INSERT, UPDATE, DELETE ON taxi_assets.loads TO "{connection.info.user}"'
