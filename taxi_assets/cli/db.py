"""`taxi-assets db`: the PostgreSQL server."""

from __future__ import annotations

import typer

from taxi_assets.errors import SettingsError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import get_settings

db_app = typer.Typer(
    help="The PostgreSQL server: the embedded one, or the one of TAXI_POSTGRES_URL.", no_args_is_help=True
)


def _embedded(what: str) -> EmbeddedServer:
    settings = get_settings()
    if settings.postgres_url is not None:
        raise SettingsError(f"TAXI_POSTGRES_URL is set, so there is no embedded server to {what}")
    return EmbeddedServer(settings.data_dir / "postgres")


@db_app.command()
def url() -> None:
    """Print the database's URL with its password, for psql and the like; starts the embedded server if need be."""
    typer.echo(Warehouse.from_settings(get_settings()).url)


@db_app.command()
def start() -> None:
    """Start the embedded server; it stays up until `taxi-assets db stop`."""
    _embedded("start").start()
    status()


@db_app.command()
def stop() -> None:
    """Stop the embedded server."""
    typer.echo("stopped" if _embedded("stop").stop() else "was not running")


@db_app.command()
def status() -> None:
    """Say whether the server answers and where; exit status 1 when it does not."""
    settings = get_settings()
    if settings.postgres_url is None and EmbeddedServer(settings.data_dir / "postgres").running() is None:
        typer.echo("the embedded PostgreSQL is not running; start it with: taxi-assets db start")
        raise typer.Exit(1)
    warehouse = Warehouse.from_settings(settings)
    with warehouse.connect() as connection:
        version = connection.info.parameter_status("server_version")
    typer.echo(f"PostgreSQL {version} answers at {warehouse.display}")
