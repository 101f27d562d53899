"""`taxi-assets kestra`: the flows of the `kestra/` folder."""

from __future__ import annotations

from typing import Annotated

import typer

from taxi_assets.kestra import flows
from taxi_assets.settings import get_settings

kestra_app = typer.Typer(help="The Kestra flows that do what the jobs do.", no_args_is_help=True)

KestraUser = Annotated[str | None, typer.Option(envvar="KESTRA_USER", help="Name for the server's basic auth.")]
KestraPassword = Annotated[
    str | None,
    typer.Option(envvar="KESTRA_PASSWORD", help="Its password; better in the variable than in the shell's history."),
]


@kestra_app.command()
def render(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where the folder differs.")
    ] = False,
) -> None:
    """Write kestra/flows from the dataset definitions and the settings."""
    folder = flows.flows_dir()
    if not check:
        for path in flows.write(folder, get_settings()):
            typer.echo(path)
        return
    difference = flows.differences(folder, get_settings())
    typer.echo(difference or f"{folder} agrees with the definitions", nl=not difference)
    if difference:
        typer.echo("kestra/flows differs from the definitions: run `taxi-assets kestra render`", err=True)
        raise typer.Exit(1)


@kestra_app.command()
def deploy(
    url: Annotated[str, typer.Option(envvar="KESTRA_URL", help="Where the server answers.")] = "http://localhost:8080",
    user: KestraUser = None,
    password: KestraPassword = None,
) -> None:
    """Create the flows on a Kestra server, or update those that are there."""
    from taxi_assets.kestra.client import KestraClient

    settings = get_settings()
    with KestraClient(url, user, password) as client:
        for flow, text in zip(flows.build(settings), flows.render(settings).values(), strict=True):
            before = client.flow(flow["namespace"], flow["id"])
            after = client.create_or_update(text)
            done = "created" if before is None else "unchanged" if before.revision == after.revision else "updated"
            typer.echo(f"{after.namespace}.{after.id}: {done}, revision {after.revision}")
