"""`taxi-assets doctor`: whether everything a load needs is there, in one line each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from taxi_assets.errors import KestraError, ServiceError, TaxiAssetsError, WarehouseError
from taxi_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

Answer = TypeVar("Answer")

_FLOW = ("zoomcamp", "04_postgres_taxi")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; `said` ends with what to do when it is not as it should be."""

    name: str
    ok: bool
    said: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects with name, ok and said.")] = False,
) -> None:
    """Check source, database, Dagster's storage, daemon and Kestra. Exit status 1 when one is not right."""
    findings = examine(get_settings())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.name:<9} {finding.said}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; nothing is started or changed."""
    checks: dict[str, Callable[[Settings], str]] = {
        "source": _source,
        "database": _database,
        "storage": _storage,
        "daemon": _daemon,
        "kestra": _kestra,
    }
    return [_found(name, check, settings) for name, check in checks.items()]


def _found(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except TaxiAssetsError as error:
        return Finding(name, False, str(error))


def _source(settings: Settings) -> str:
    from taxi_assets.trips.source import Source

    Source.from_settings(settings).check()
    return f"{settings.source_shown} answers"


def _database(settings: Settings) -> str:
    from taxi_assets.postgres.connection import Warehouse

    _check_embedded(settings, needed=settings.postgres_url is None)
    warehouse = Warehouse.from_settings(settings)
    with warehouse.connect("taxi_assets doctor") as connection:
        version = connection.info.parameter_status("server_version")
        row = connection.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone()
        known = connection.execute("SELECT to_regnamespace('taxi_assets')").fetchone() != (None,)
        if not known and row != (True,):
            grant = f'GRANT CREATE ON DATABASE "{connection.info.dbname}" TO "{connection.info.user}"'
            raise WarehouseError(
                f"{warehouse.display}: the schema taxi_assets cannot be made; ask the owner for: {grant}"
            )
    return f"PostgreSQL {version} at {warehouse.display}"


def _storage(settings: Settings) -> str:
    runs, where = _ask_instance(settings, lambda instance: instance.get_runs_count())
    return f"{runs} runs in {where}"


def _daemon(settings: Settings) -> str:
    beats, _ = _ask_instance(settings, lambda instance: instance.get_daemon_heartbeats())
    if not beats:
        return "never started here; schedules and the UI's backfills need it: taxi-assets up"
    failing = [f"{beat.daemon_type}: {beat.errors[0].message.strip()}" for beat in beats.values() if beat.errors]
    age = time() - max(beat.timestamp for beat in beats.values())
    if age > 120:
        raise ServiceError(
            f"its last heartbeat was {_ago(age)} ago, so nothing scheduled runs; start it: taxi-assets up"
        )
    if failing:
        raise ServiceError(f"{failing[0]}; see the daemon's log")
    return f"last heartbeat {_ago(age)} ago"


def _kestra(_: Settings) -> str:
    url = os.environ.get("KESTRA_URL")
    if url is None:
        return "not in use (KESTRA_URL is not set)"
    from taxi_assets.kestra.client import KestraClient

    with KestraClient(url, os.environ.get("KESTRA_USER"), os.environ.get("KESTRA_PASSWORD")) as client:
        if client.flow(*_FLOW) is None:
            raise KestraError(f"{url} answers and has no flow {'.'.join(_FLOW)}: taxi-assets kestra deploy")
    return f"{url} answers, with the flows"


def _check_embedded(settings: Settings, *, needed: bool) -> None:
    from taxi_assets.postgres.server import EmbeddedServer

    if needed and EmbeddedServer(settings.data_dir / "postgres").running() is None:
        raise WarehouseError("the embedded PostgreSQL is not running; start it: taxi-assets db start")


def _ask_instance(settings: Settings, ask: Callable[[DagsterInstance], Answer]) -> tuple[Answer, str]:
    """Put a question to Dagster's storage and tell where that is."""
    from dagster_postgres.utils import DagsterPostgresException
    from sqlalchemy.exc import SQLAlchemyError

    from taxi_assets.automation.instance import dagster_home, open_instance
    from taxi_assets.automation.storage import STORAGE_VARIABLE, storage_is_embedded

    home = dagster_home(settings)
    in_postgres = STORAGE_VARIABLE in (home / "dagster.yaml").read_text(encoding="utf-8")
    _check_embedded(settings, needed=in_postgres and storage_is_embedded(settings))
    where = f"PostgreSQL ({STORAGE_VARIABLE})" if in_postgres else str(home)
    try:
        with open_instance(settings) as instance:
            return ask(instance), where
    except (SQLAlchemyError, DagsterPostgresException) as error:
        said = str(error.__cause__ or error).strip().splitlines()[0]
        raise ServiceError(f"{where} does not answer: {said}; check {STORAGE_VARIABLE} and its server") from error


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
