"""`taxi-assets doctor`: whether everything a load needs is there, in one line each, which says what to do if not."""

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
_SILENT = 120
"""Seconds without a heartbeat after which the daemon is taken for ended; it gives one every 30."""
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
    from taxi_assets.automation.instance import dagster_home, kept_in_postgres

    runs = _ask_instance(settings, lambda instance: instance.get_runs_count())
    home = dagster_home(settings)
    return f"{runs} runs in {'PostgreSQL (DAGSTER_POSTGRES_URL)' if kept_in_postgres(home) else home}"


def _daemon(settings: Settings) -> str:
    from dagster._daemon.controller import get_daemon_statuses

    from taxi_assets.automation.instance import dagster_home, kept_in_postgres

    statuses = _ask_instance(settings, lambda it: get_daemon_statuses(it, it.get_required_daemon_types()))
    beats = {part: status.last_heartbeat for part, status in statuses.items() if status.last_heartbeat}
    if not beats and kept_in_postgres(dagster_home(settings)):
        raise ServiceError(f"never started, so nothing scheduled runs and no run leaves the queue; {_START}")
    if not beats:
        return "never started here; schedules and the UI's backfills need it: taxi-assets up"
    age = time() - max(beat.timestamp for beat in beats.values())
    if age > _SILENT:
        raise ServiceError(f"its last heartbeat was {_ago(age)} ago, so nothing scheduled runs; {_START}")
    for part, status in statuses.items():
        if not status.healthy:
            errors = beats[part].errors if part in beats else None
            said = errors[0].message.strip().splitlines()[0] if errors else "gives no heartbeat"
            raise ServiceError(f"its part {part}: {said}; see the daemon's log, and restart it")
    return f"last heartbeat {_ago(age)} ago"


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
