"""`taxi-assets doctor`: whether everything a load needs is there, in one line each, which says what to do if not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from taxi_assets.errors import KestraError, ServiceError, SourceError, TaxiAssetsError, WarehouseError
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import months_between

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from psycopg import Connection

Answer = TypeVar("Answer")

_FLOW = ("zoomcamp", "04_postgres_taxi")
_START = "start it: taxi-assets up, or on a server docker compose up -d dagster_daemon"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; `said` ends with what to do when it is not as it should be."""

    name: str
    ok: bool
    said: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects with name, ok and said.")] = False,
) -> None:
    """Check source, database, Dagster's storage, daemon and Kestra, a line for each. Exit status 1 if one is WRONG."""
    findings = examine(get_settings())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.name:<9} {finding.said}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> list[Finding]:
    """Look at everything and start nothing. Dagster's own storage is made where there is none."""
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

    source = Source.from_settings(settings.model_copy(update={"http_attempts": 1}))
    for month in months_between(settings.first_month, settings.last_month):
        for dataset in DATASETS.values():
            if source.probe(dataset, month):
                return f"{settings.source_shown} has {dataset.file_name(month)}"
    raise SourceError(
        f"{settings.source_shown} has no month of {settings.first_month}..{settings.last_month}; "
        "check TAXI_SOURCE_URL, TAXI_FIRST_MONTH and TAXI_LAST_MONTH"
    )


def _database(settings: Settings) -> str:
    from taxi_assets.postgres.connection import Warehouse

    _check_embedded(settings, needed=settings.postgres_url is None)
    warehouse = Warehouse.from_settings(settings)
    with warehouse.connect("taxi_assets doctor") as connection:
        version = connection.info.parameter_status("server_version")
        missing = _missing_right(connection)
    if missing:
        raise WarehouseError(f"{warehouse.display}: {missing}")
    return f"PostgreSQL {version} at {warehouse.display}"


def _missing_right(connection: Connection) -> str | None:
    """What cannot be made of that which is not there yet, and the statement that gives the right to."""
    from taxi_assets.postgres.connection import database_grant

    known = connection.execute("SELECT to_regnamespace('taxi_assets')").fetchone() != (None,)
    may = connection.execute("SELECT has_database_privilege(current_database(), 'CREATE')").fetchone() == (True,)
    if not known and not may:
        return f"the schema taxi_assets cannot be made; ask the owner for: {database_grant(connection)}"
    tables = [f"public.{table}" for dataset in DATASETS.values() for table in (dataset.table, dataset.staging_table)]
    absent = connection.execute("SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL", [tables])
    name = absent.fetchone()
    may = connection.execute("SELECT has_schema_privilege('public', 'CREATE')").fetchone() == (True,)
    if name and not may:
        grant = f'GRANT CREATE ON SCHEMA public TO "{connection.info.user}"'
        return f"the table {name[0]} cannot be made; ask the owner for: {grant}"
    return None


def _storage(settings: Settings) -> str:
    from taxi_assets.automation.instance import dagster_home, kept_in_postgres

    runs = _ask_instance(settings, lambda instance: instance.get_runs_count())
    home = dagster_home(settings)
    return f"{runs} runs in {'PostgreSQL (DAGSTER_POSTGRES_URL)' if kept_in_postgres(home) else home}"


def _daemon(settings: Settings) -> str:
    from dagster._daemon.controller import DEFAULT_HEARTBEAT_INTERVAL_SECONDS

    from taxi_assets.automation.deployment import HEARTBEAT_TOLERANCE
    from taxi_assets.automation.instance import dagster_home, kept_in_postgres

    parts, beats = _ask_instance(settings, lambda it: (it.get_required_daemon_types(), it.get_daemon_heartbeats()))
    ages = {part: time() - beats[part].timestamp for part in parts if part in beats}
    limit = DEFAULT_HEARTBEAT_INTERVAL_SECONDS + HEARTBEAT_TOLERANCE
    if not ages or min(ages.values()) > limit:
        when = f"gave its last heartbeat {_ago(min(ages.values()))} ago" if ages else "never started"
        if kept_in_postgres(dagster_home(settings)):  # which says that a daemon was wanted
            raise ServiceError(f"{when}, so nothing scheduled runs and no run leaves the queue; {_START}")
        return f"{when}; schedules and the UI's backfills need it: taxi-assets up"
    for part in parts:
        if part not in beats:
            said = "gives no heartbeat"
        elif errors := beats[part].errors:
            said = errors[0].message.strip().splitlines()[0]
        elif ages[part] > limit:
            said = f"gave its last heartbeat {_ago(ages[part])} ago"
        else:
            continue
        raise ServiceError(f"its part {part}: {said}; see the daemon's log, and restart it")
    return f"last heartbeat {_ago(min(ages.values()))} ago"


def _kestra(_: Settings) -> str:
    url = os.environ.get("KESTRA_URL")
    if not url:
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


def _ask_instance(settings: Settings, ask: Callable[[DagsterInstance], Answer]) -> Answer:
    """Put a question to Dagster's storage."""
    from taxi_assets.automation.instance import asking_storage, dagster_home, kept_in_postgres, open_instance
    from taxi_assets.automation.storage import storage_is_embedded

    home = dagster_home(settings)
    _check_embedded(settings, needed=kept_in_postgres(home) and storage_is_embedded(settings))
    with asking_storage(home), open_instance(settings) as instance:
        return ask(instance)


def _ago(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
