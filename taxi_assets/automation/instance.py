"""The Dagster instance that `taxi-assets` and Dagster's own commands share, so that every run is seen in the UI."""

from __future__ import annotations

import os
from pathlib import Path

from dagster import DagsterInstance

from taxi_assets.settings import Settings

_CONFIG = """\
# Written once by taxi-assets; yours to change. See https://docs.dagster.io/deployment/oss/dagster-yaml
telemetry:
  enabled: false
"""


def dagster_home(settings: Settings) -> Path:
    """The folder of the instance, made with a dagster.yaml when it is not there."""
    home = (settings.dagster_home or settings.data_dir / "dagster_home").expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        config.write_text(_CONFIG, encoding="utf-8")
    return home


def open_instance(settings: Settings) -> DagsterInstance:
    """The instance in `dagster_home`, also for the processes started from this one."""
    home = str(dagster_home(settings))
    os.environ["DAGSTER_HOME"] = home
    return DagsterInstance.from_config(home)
