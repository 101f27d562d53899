"""The project's own tables beside those of the taxis: in the schema taxi_assets, each made when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection, sql

from taxi_assets.postgres.connection import database_grant, statement, told_plainly
from taxi_assets.postgres.tables import SCHEMA


def is_there(connection: Connection, name: str) -> bool:
    """Whether one of the tables was made; whoever may connect may ask."""
    query = "SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relname = %s"
    return connection.execute(query, [SCHEMA, name]).rowcount == 1


@contextmanager
def own_table(connection: Connection, name: str, doing: str) -> Iterator[None]:
    """Work with a table, made by `sql/{name}.sql` when it is missing.

    Raises WarehouseError saying what was being done, and for a missing right the GRANT that gives it.
    """
    schema = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [SCHEMA]).rowcount == 1
    table = is_there(connection, name)
    role = connection.info.user
    grant = f'GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO "{role}"' if schema else database_grant(connection)
    if table:
        grant += f'; GRANT ALL ON {SCHEMA}.{name} TO "{role}"'
    with told_plainly(doing, grant):
        if not table:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('taxi_assets.setup', 0))")
                if not schema:
                    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
                connection.execute(statement(f"{name}.sql"))
        yield
