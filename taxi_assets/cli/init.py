"""`taxi-assets init`."""

from __future__ import annotations

from pathlib import Path

import typer

from taxi_assets.automation.instance import dagster_home
from taxi_assets.settings import get_settings


def init() -> None:
    """Make Dagster's storage in the data folder, and a .env that tells Dagster's own commands where it is."""
    settings = get_settings()
    home = dagster_home(settings)
    env = Path(".env")
    known = env.read_text(encoding="utf-8") if env.exists() else ""
    if "DAGSTER_HOME=" not in known:
        env.write_text(f"{known}DAGSTER_HOME={home}\n", encoding="utf-8")
    typer.echo(f"Dagster's runs are kept in {home}")
