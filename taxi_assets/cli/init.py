"""`taxi-assets init`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import typer

from taxi_assets.settings import get_settings


def init() -> None:
    """Make Dagster's storage in the data folder, and a .env that tells Dagster's own commands where it is."""
    from taxi_assets.automation.instance import dagster_home

    home = dagster_home(get_settings())
    env = Path(".env")
    if not env.exists() or "DAGSTER_HOME=" not in env.read_text(encoding="utf-8"):
        remember(env, {"DAGSTER_HOME": str(home)})
    typer.echo(f"Dagster's runs are kept in {home}")


def remember(env: Path, variables: Mapping[str, str]) -> None:
    """Write variables into a .env in place of their present values. Others cannot read the file: it has passwords."""
    lines = env.read_text(encoding="utf-8").splitlines() if env.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in variables]
    written = [f"{name}={value}" for name, value in variables.items()]
    env.touch(mode=0o600)
    env.chmod(0o600)
    env.write_text("\n".join([*kept, *written]) + "\n", encoding="utf-8")
