"""`taxi-assets kv`: the key-value store."""

from __future__ import annotations

from typing import Annotated

import typer

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.kv import KeyValueStore
from taxi_assets.settings import get_settings

kv_app = typer.Typer(
    help="Settings such as GCP_PROJECT_ID, kept in the PostgreSQL warehouse by namespace; the environment's go first.",
    no_args_is_help=True,
)
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace; TAXI_NAMESPACE if not given. It sees those above it."),
]
Key = Annotated[str, typer.Argument(help="Such as GCP_PROJECT_ID.")]


def _store(namespace: str | None) -> KeyValueStore:
    settings = get_settings()
    return KeyValueStore(Warehouse.from_settings(settings), namespace or settings.namespace)


@kv_app.command("set")
def set_(
    key: Key,
    value: str,
    namespace: Namespace = None,
    keep: Annotated[bool, typer.Option("--no-overwrite", help="Fail when the key is set already.")] = False,
) -> None:
    """Set a key, in place of the value it had."""
    store = _store(namespace)
    store.set(key, value, overwrite=not keep)
    typer.echo(f"{key} set in namespace {store.namespace}")


@kv_app.command()
def get(key: Key, namespace: Namespace = None) -> None:
    """Print the value of a key."""
    typer.echo(_store(namespace).get(key))


@kv_app.command("list")
def list_(namespace: Namespace = None) -> None:
    """Print every key that the namespace sees, and where each is set."""
    store = _store(namespace)
    found = store.visible()
    for entry in found:
        typer.echo(f"{entry.key} = {entry.value}    ({entry.namespace})")
    if not found:
        typer.echo(f"namespace {store.namespace} sees no keys; set one with: taxi-assets kv set KEY VALUE")


@kv_app.command()
def delete(key: Key, namespace: Namespace = None) -> None:
    """Forget a key of this namespace; those above keep theirs."""
    store = _store(namespace)
    if not store.delete(key):
        typer.echo(f"namespace {store.namespace} has no key {key}")
        raise typer.Exit(1)
    typer.echo(f"{key} deleted from namespace {store.namespace}")
