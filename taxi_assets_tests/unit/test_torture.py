"""The last line of `make torture` counts what the tests found, failed ones above all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from taxi_assets.settings import project_dir

TESTS = """
from collections import Counter
import pytest

def test_loss(fault):
    with fault() as compare:
        compare(Counter("abc"), Counter("abc"))
    with fault() as compare:
        compare(Counter("abc"), Counter("cd"))

def test_error(fault):
    with fault():
        raise OSError

def test_without_rows():
    pass

def test_without_rows_that_fails():
    assert False

def test_that_this_machine_cannot_try():
    pytest.skip("for a reason")
"""


def test_lost_rows_and_failed_tests_are_counted(tmp_path: Path) -> None:
    (tmp_path / "test_faults.py").write_text(TESTS)
    config = ["-c", str(project_dir() / "pyproject.toml"), "-p", "taxi_assets_tests.conftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *config, "-n", "2", "--torture", str(tmp_path)]
    said = subprocess.run(command, cwd=project_dir(), capture_output=True, text=True, check=False).stdout
    assert "5 faults tried in 4 tests, 2 survived, 3 tests failed, 2 rows lost, 1 rows wrong" in said
