"""How a session reaches the warehouse, and what it pins: the text of timestamps and doubles must not vary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, conninfo, errors, sql

from taxi_assets.errors import BusyError, SettingsError, TaxiAssetsError, UnavailableError, WarehouseError
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.postgres.session import Session
from taxi_assets.settings import Settings

# The id hashes PostgreSQL's own text of its columns, which follows these settings of the session.
_PINNED = {
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
    "jit": "off",
}
_OLDEST = 150000
_REFUSALS: tuple[tuple[str, type[WarehouseError], str], ...] = (
    ("password authentication failed|no password supplied", WarehouseError,
     "check the user and password in {url}"),
    ("database .* does not exist", WarehouseError, "create it (CREATE DATABASE …) or correct {url}"),
    ("role .* (does not exist|is not permitted)|no pg_hba.conf entry|permission denied", WarehouseError,
     "correct the user in {url}, or let it in on the server"),
    ("too many (clients|connections)|remaining connection slots", UnavailableError,
     "raise max_connections, lower TAXI_COPY_STREAMS, or run again when others are done"),
    ("certificate|not support SSL", WarehouseError,
     "check sslmode and the certificates in {url}"),
    ("timeout expired", UnavailableError,
     "check that the server is not paused and {url} is right, or raise TAXI_CONNECT_TIMEOUT"),
    ("", UnavailableError,
     "check that the server runs (`taxi-assets db status`) and that {url} is right"),
)  # fmt: skip
"""What a refusal says, what it is, and what to do; the last one is for all others."""
_GONE = ("08", "57P")
"""SQLSTATE classes of a connection that broke and of a server that shuts down or starts."""
_LONGEST = 200
"""Characters of what the server says: a message quotes the value it refuses, which may be megabytes."""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A PostgreSQL database, by URL. Printing it never shows the password."""

    url: str = field(repr=False)
    connect_timeout: int = 10
    given_as: str = "TAXI_POSTGRES_URL"
    """What a person must correct when the URL is wrong."""
    silence_timeout: float = 60

    @classmethod
    def from_settings(cls, settings: Settings) -> Warehouse:
        """The database of TAXI_POSTGRES_URL, else the embedded server, started if it is not running."""
        if settings.postgres_url is None:
            url = EmbeddedServer(settings.data_dir / "postgres").start()
        else:
            url = settings.postgres_url.get_secret_value()
        return cls(url, settings.connect_timeout, silence_timeout=settings.silence_timeout)

    @property
    def display(self) -> str:
        """Where the database is, without its password."""
        given = self._given()
        user, host, port = (given.get(name) for name in ("user", "host", "port"))
        address = f"{user}@" * bool(user) + f"{host or 'localhost'}" + f":{port}" * bool(port)
        return f"postgresql://{address}/{given.get('dbname', '')}"

    def _given(self) -> dict[str, Any]:
        try:
            given = conninfo.conninfo_to_dict(self.url)
            if "@" in str(given.get("host", "")):  # what follows an unescaped @ of a password
                raise psycopg.ProgrammingError
            return given
        except psycopg.ProgrammingError:
            raise SettingsError(
                f"{self.given_as} cannot be read: write it as postgresql://user:password@host:5432/database "
                "(special characters in a password as %xx)"
            ) from None

    def connect(self, application_name: str = "taxi_assets") -> Connection:
        """Open a session in autocommit, pinned. Raises WarehouseError in one line saying what to check."""
        self._given()
        try:
            connection = Session.connect(
                self.url,
                autocommit=True,
                client_encoding="utf8",
                application_name=application_name,
                connect_timeout=self.connect_timeout,
            )
        except psycopg.OperationalError as error:
            raise self._unreachable(str(error)) from None
        connection.silence_timeout = self.silence_timeout
        # Not as options of the connection: pools refuse those, or drop them silently.
        with told_plainly("opening a session"):
            connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in _PINNED.items()).encode())
        if connection.info.server_version < _OLDEST:
            version = connection.info.server_version // 10000
            connection.close()
            raise WarehouseError(f"PostgreSQL {version} at {self.display} is too old: MERGE needs 15 or later")
        return connection

    def _unreachable(self, said: str) -> WarehouseError:
        reason = one_line(said.strip().rpartition("FATAL:")[2].rpartition("failed: ")[2].partition("\n")[0])
        kind, hint = next(
            (kind, hint) for phrase, kind, hint in _REFUSALS if re.search(phrase, reason, re.IGNORECASE)
        )  # fmt: skip
        return kind(f"cannot connect to PostgreSQL at {self.display}: {reason}; {hint.format(url=self.given_as)}")


def keep_open(connection: Connection) -> None:
    """Keep a session that idles open for hours, but let the server notice within minutes that this machine is gone."""
    connection.execute(
        "SET idle_session_timeout = 0; SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 20;"
        "SET tcp_keepalives_count = 3"
    )


def database_grant(connection: Connection) -> str:
    """The statement that lets a role make the schema taxi_assets."""
    return f'GRANT CREATE ON DATABASE "{connection.info.dbname}" TO "{connection.info.user}"'


@cache
def _text(name: str) -> LiteralString:
    return files("taxi_assets.postgres").joinpath("sql", name).read_text(encoding="utf-8")


def statement(name: str, **parts: sql.Composable) -> sql.Composed:
    """The statement in `sql/{name}`, with its `{placeholders}` filled by quoted identifiers or composed SQL."""
    return sql.SQL(_text(name)).format(**parts)


def one_line(said: object) -> str:
    """What the server says, without line ends and other unprintable characters, and not longer than a person reads."""
    text = " ".join("".join(c if c.isprintable() else " " for c in str(said)[: 2 * _LONGEST]).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@contextmanager
def told_plainly(doing: str, grant: str | None = None) -> Iterator[None]:
    """Turn what PostgreSQL refuses into a WarehouseError of one line.

    `doing` says what was being done ("merging green 2020-04"); `grant` the statement that gives the missing right.
    """
    try:
        yield
    except errors.InsufficientPrivilege as error:
        advice = f"ask the owner for: {grant}" if grant else "ask the owner for the right"
        raise WarehouseError(f"{doing}: {one_line(error.diag.message_primary)}; {advice}") from error
    except errors.ReadOnlySqlTransaction as error:
        raise WarehouseError(f"{doing}: the server is read-only; point TAXI_POSTGRES_URL at the primary") from error
    except errors.DiskFull as error:
        said = one_line(error.diag.message_primary)
        raise WarehouseError(f"{doing}: the server's disk is full ({said}); free some, then run it again") from error
    except errors.QueryCanceled as error:
        said = one_line(error.diag.message_primary)
        raise WarehouseError(f"{doing}: {said}; run it again, or raise statement_timeout for this role") from error
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise BusyError(
            f"{doing}: {one_line(error.diag.message_primary)}; another session is at the same tables (see pg_locks), "
            "run it again when that is done"
        ) from error
    except psycopg.OperationalError as error:
        if error.sqlstate is None or error.sqlstate.startswith(_GONE):
            raise UnavailableError(
                f"{doing}: the connection to PostgreSQL was lost ({one_line(error)}); run it again"
            ) from error
        raise WarehouseError(f"{doing}: {one_line(error.diag.message_primary)}; see the server's log") from error
    except TaxiAssetsError:
        raise
    except psycopg.Error as error:
        raise WarehouseError(f"{doing}: {one_line(error.diag.message_primary or error)}") from error
