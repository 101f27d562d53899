"""The databases of a comparison: made anew by us, or given by URL as we reach it and as Kestra's JDBC reaches it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote, urlsplit, urlunsplit

from psycopg import sql

from taxi_assets.errors import SettingsError
from taxi_assets.kestra.target import Target
from taxi_assets.postgres.connection import Warehouse, told_plainly


def fresh_database(server: Warehouse, name: str) -> Warehouse:
    """An empty database of this name beside the server's own; one that is there is dropped first."""
    with server.connect() as connection, told_plainly(f"creating database {name}", "ALTER ROLE … CREATEDB"):
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(sql.Identifier(name))
        )
    return replace(server, url=urlunsplit(urlsplit(server.url)._replace(path=f"/{name}")))


def target_of(database_url: str, jdbc_url: str | None, source: str, namespace: str) -> Target:
    """Where Kestra's flows write: the database of `database_url`, reached by JDBC under `jdbc_url` if that differs."""
    url = urlsplit(database_url)
    if url.scheme not in {"postgresql", "postgres"} or not url.hostname or not url.path.strip("/"):
        raise SettingsError("write Kestra's database as postgresql://user:password@host:5432/database")
    return Target(
        namespace=namespace,
        source=source,
        jdbc_url=jdbc_url or f"jdbc:postgresql://{url.hostname}:{url.port or 5432}{url.path}",
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
    )
