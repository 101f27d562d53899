"""Whole processes, timed from outside, each with a data folder and a Dagster instance of its own."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.ground import Ground
from benchmarks.measure import timed
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import project_dir

_CONFIG = "telemetry:\n  enabled: false\n"


class CommandError(Exception):
    """A command that was to be timed failed."""


def script(name: str) -> str:
    """Path of an installed command of this Python."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def seconds(ground: Ground, command: Sequence[str], warehouse: Warehouse | None = None, source: str = "") -> float:
    """Run a command as a fresh user would have it: nothing downloaded, no run recorded, Python's files compiled."""
    with tempfile.TemporaryDirectory(dir=ground.folder) as folder:
        home = Path(folder) / "dagster_home"
        home.mkdir()
        (home / "dagster.yaml").write_text(_CONFIG)
        env = {"TAXI_DATA_DIR": folder, "DAGSTER_HOME": str(home)}
        if warehouse is not None:
            env |= {"TAXI_POSTGRES_URL": warehouse.url, "TAXI_SOURCE_URL": source}
        with timed() as clock:
            output(command, env, folder)  # where no .env says otherwise
        return clock.seconds


def compile_modules() -> None:
    """Do what the first start of a new installation does once, so that no round is a first start."""
    for folder in (sysconfig.get_path("purelib"), project_dir() / "taxi_assets", project_dir() / "benchmarks"):
        compileall.compile_dir(folder, quiet=2)


def output(command: Sequence[str], env: Mapping[str, str], folder: str | None = None) -> str:
    """What a command prints, run in a folder. Raises CommandError with its last words when it fails."""
    dropped = ("TAXI_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    kept["PYTHONPATH"] = str(project_dir())
    done = subprocess.run(command, env={**kept, **env}, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(command)}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
