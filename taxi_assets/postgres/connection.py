"""How a session reaches the warehouse, and what it pins: the text of timestamps and doubles must not vary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import LiteralString

import psycopg
from psycopg import Connection, conninfo, errors, sql

from taxi_assets.errors import SettingsError, TaxiAssetsError, WarehouseError
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings

# The id hashes PostgreSQL's own text of its columns, which follows these settings of the session.
_PINNED = {
    "DateStyle": "ISO,MDY",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read\\ committed",
    "jit": "off",
}
_OLDEST = 150000


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A PostgreSQL database, by URL. Printing it never shows the password."""

    url: str = field(repr=False)
    connect_timeout: int = 10
    given_as: str = "TAXI_POSTGRES_URL"
    """What a person must correct when the URL is wrong."""

    @classmethod
    def from_settings(cls, settings: Settings) -> Warehouse:
        """The database of TAXI_POSTGRES_URL, else the embedded server, started if it is not running."""
        if settings.postgres_url is None:
            return cls(EmbeddedServer(settings.data_dir / "postgres").start(), settings.connect_timeout)
        return cls(settings.postgres_url.get_secret_value(), settings.connect_timeout)

    @property
    def display(self) -> str:
        """The URL without its password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1@", self.url)

    def connect(self, application_name: str = "taxi_assets") -> Connection:
        """Open a session in autocommit, pinned. Raises WarehouseError in one line saying what to check."""
        try:
            given = conninfo.conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            raise SettingsError(
                f"{self.given_as} cannot be read: write it as postgresql://user:password@host:5432/database"
            ) from None
        pins = " ".join(f"-c {name}={value}" for name, value in _PINNED.items())
        options = f"{given.get('options') or ''} {pins}".strip()
        try:
            connection = psycopg.connect(
                self.url,
                autocommit=True,
                options=options,
                client_encoding="utf8",
                application_name=application_name,
                connect_timeout=self.connect_timeout,
            )
        except psycopg.OperationalError as error:
            raise WarehouseError(self._unreachable(str(error))) from None
        if connection.info.server_version < _OLDEST:
            version = connection.info.server_version // 10000
            connection.close()
            raise WarehouseError(f"PostgreSQL {version} at {self.display} is too old: MERGE needs 15 or later")
        return connection

    def _unreachable(self, said: str) -> str:
        said = said.splitlines()[-1].strip().rpartition("FATAL:")[2].strip()
        hint = f"check that the server runs and {self.given_as} is right (`taxi-assets db status`)"
        if "password authentication failed" in said or "no password supplied" in said:
            hint = f"check the user and password in {self.given_as}"
        elif "database" in said and "does not exist" in said:
            hint = f"create it (CREATE DATABASE …) or correct {self.given_as}"
        elif "too many clients" in said or "remaining connection slots" in said:
            hint = "raise max_connections, lower TAXI_COPY_STREAMS, or run again when others are done"
        return f"cannot connect to PostgreSQL at {self.display}: {said}; {hint}"


@cache
def _text(name: str) -> LiteralString:
    return files("taxi_assets.postgres").joinpath("sql", name).read_text(encoding="utf-8")


def statement(name: str, **parts: sql.Composable) -> sql.Composed:
    """The statement in `sql/{name}`, with its `{placeholders}` filled by quoted identifiers or composed SQL."""
    return sql.SQL(_text(name)).format(**parts)


@contextmanager
def told_plainly(doing: str, grant: str | None = None) -> Iterator[None]:
    """Turn what PostgreSQL refuses into a WarehouseError of one line.

    `doing` says what was being done ("merging green 2020-04"); `grant` the statement that gives the missing right.
    """
    try:
        yield
    except errors.InsufficientPrivilege as error:
        advice = f"ask the owner for: {grant}" if grant else "ask the owner for the right"
        raise WarehouseError(f"{doing}: {error.diag.message_primary}; {advice}") from error
    except errors.ReadOnlySqlTransaction as error:
        raise WarehouseError(f"{doing}: the server is read-only; point TAXI_POSTGRES_URL at the primary") from error
    except errors.DiskFull as error:
        raise WarehouseError(f"{doing}: the server's disk is full ({error.diag.message_primary}); free some") from error
    except errors.QueryCanceled as error:
        raise WarehouseError(
            f"{doing}: {error.diag.message_primary}; raise statement_timeout for this role, or run it again"
        ) from error
    except psycopg.OperationalError as error:
        said = " ".join(str(error).split())
        raise WarehouseError(f"{doing}: the connection to PostgreSQL was lost ({said}); run it again") from error
    except TaxiAssetsError:
        raise
    except psycopg.Error as error:
        raise WarehouseError(f"{doing}: {error.diag.message_primary or error}") from error
