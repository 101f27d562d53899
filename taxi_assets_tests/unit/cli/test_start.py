"""Dagster's import takes a second, which commands that run nothing need not wait for."""

from __future__ import annotations

import subprocess
import sys


def test_commands_are_there_before_dagster() -> None:
    code = "import sys, taxi_assets.cli; print({m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"dagster", "google", "pandas", "pyarrow", "sqlalchemy"} & set(eval(loaded))  # noqa: S307
