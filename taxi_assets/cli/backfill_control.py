"""`taxi-assets backfill-control`: a running backfill, from another shell."""

from __future__ import annotations

import typer

from taxi_assets.cli.arguments import Taxi
from taxi_assets.postgres.backfills import Wanted, ask, backfill_status
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import get_settings

control_app = typer.Typer(
    help="Look at, pause, resume or cancel a running `taxi-assets backfill`.", no_args_is_help=True
)


@control_app.command()
def status() -> None:
    """Print the last backfill of each taxi."""
    with Warehouse.from_settings(get_settings()).connect() as connection:
        known = backfill_status(connection)
    for backfill in known:
        typer.echo(str(backfill))
    if not known:
        typer.echo("no backfill was ever started")


@control_app.command()
def pause(taxi: Taxi) -> None:
    """Let the present month end, then wait."""
    _ask(taxi.taxi, "pause")


@control_app.command()
def resume(taxi: Taxi) -> None:
    """Go on after a pause."""
    _ask(taxi.taxi, "run")


@control_app.command()
def cancel(taxi: Taxi) -> None:
    """Let the present month end, and leave out the rest."""
    _ask(taxi.taxi, "cancel")


def _ask(taxi: str, wanted: Wanted) -> None:
    with Warehouse.from_settings(get_settings()).connect() as connection:
        before = ask(connection, taxi, wanted)
    typer.echo(f"asked to {wanted}: {before}")
