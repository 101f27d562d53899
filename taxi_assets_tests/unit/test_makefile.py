"""What the Makefile decides itself, with a Python in its place that does as it is told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from taxi_assets.settings import project_dir


@pytest.mark.parametrize(
    ("network", "pip", "findings", "passes"),
    [(True, 0, 0, True), (True, 0, 1, False), (True, 1, 0, False), (False, 0, 1, True)],
)
def test_audit_forgives_a_missing_network_and_nothing_else(
    tmp_path: Path, network: bool, pip: int, findings: int, passes: bool
) -> None:
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    python = tmp_path / "python"
    statuses = f"-c) exit {int(not network)};; pip) exit {pip};; pip_audit) exit {findings};;"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && shift\ncase "$1" in {statuses} esac\n')
    python.chmod(0o755)
    stamp = tmp_path / "installed"
    stamp.touch()
    command = [make, "audit", f"BIN={tmp_path}", f"STAMP={stamp}"]
    result = subprocess.run(command, cwd=project_dir(), capture_output=True, text=True, check=False)
    assert (result.returncode == 0) is passes, result.stdout + result.stderr
    assert ("not audited" in result.stdout) is not network
