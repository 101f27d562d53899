"""`taxi-assets up` and `taxi-assets down`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from taxi_assets.settings import get_settings


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the UI listens, on this machine only.")] = 3000,
) -> None:
    """Start Dagster in the background: UI, daemon and code server, as a server runs them. Needs no Docker."""
    from taxi_assets.automation.deployment import Deployment
    from taxi_assets.automation.instance import instance_environment
    from taxi_assets.cli.init import remember

    deployment = Deployment(get_settings())
    started = False
    for said in deployment.start(port):
        started = True
        typer.echo(f"   {said}")
    if not started:
        typer.echo(f"already up: {deployment.ui}")
        return
    remember(Path(".env"), instance_environment(deployment.settings))
    typer.echo(
        f"\nThe Dagster UI   {deployment.ui}\nlogs             {deployment.folder}\nto end them      taxi-assets down"
    )


def down() -> None:
    """End what `taxi-assets up` started. A run at work ends with it, and is started again at the next `up`."""
    from taxi_assets.automation.deployment import Deployment

    deployment = Deployment(get_settings())
    ended = list(deployment.stop())
    if not ended:
        typer.echo("nothing was up")
        return
    typer.echo(f"ended: {', '.join(ended)}")
    if get_settings().postgres_url is None:
        typer.echo("PostgreSQL stays up; to end it: taxi-assets db stop")
