"""What the Makefile decides itself, with programs in the place of others that do as they are told."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_assets.settings import project_dir

Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a shell script into the folder that `make` takes for the environment's programs."""

    def put(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return put


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs a target as if the environment was installed."""
    found = shutil.which("make")
    if found is None:
        pytest.skip("make is not installed")
    stamp = tmp_path / "installed"
    stamp.touch()

    def run(target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [found, target, f"BIN={tmp_path}", f"STAMP={stamp}"]
        outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of `make test`
        environment = {name: value for name, value in os.environ.items() if name not in outer} | variables
        return subprocess.run(command, cwd=project_dir(), env=environment, capture_output=True, text=True, check=False)

    return run


def test_help_lists_every_target(make: Make) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (project_dir() / "Makefile").read_text(), re.MULTILINE)
    assert phony
    listed = [line.split()[0] for line in make("help").stdout.splitlines()]
    assert sorted(listed) == sorted(phony[1].split())


@pytest.mark.parametrize(("browser", "passes"), [("chromium", True), ("google-chrome", True), ("firefox", False)])
def test_tests_in_the_ui_take_whichever_chromium_there_is(
    make: Make, program: Callable[[str, str], None], tmp_path: Path, browser: str, passes: bool
) -> None:
    program("python", "exit 0")
    program(browser, "exit 0")
    result = make("e2e", PATH=str(tmp_path))
    assert (result.returncode == 0) is passes, result.stdout + result.stderr
    assert ("a Chromium is needed" in result.stdout) is not passes


@pytest.mark.parametrize(("option", "passes"), [((), True), (("--write-reliability",), False)])
def test_reliability_page_is_not_written_where_a_test_of_its_rows_is_skipped(
    tmp_path: Path, option: tuple[str, ...], passes: bool
) -> None:
    skipping = tmp_path / "test_skipping.py"
    skipping.write_text("import pytest\n\ndef test_rows(report):\n    pytest.skip('not root')\n")
    config = ["-c", str(project_dir() / "pyproject.toml"), "-p", "taxi_assets_tests.conftest"]
    command = [sys.executable, "-m", "pytest", *config, "-n", "0", *option, str(skipping)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode == 0) is passes, result.stdout
    assert ("would be missing: " in result.stdout) is not passes


@pytest.mark.parametrize(
    ("network", "pip", "findings", "passes"),
    [(True, 0, 0, True), (True, 0, 1, False), (True, 1, 0, False), (False, 0, 1, True)],
)
def test_audit_forgives_a_missing_network_and_nothing_else(
    make: Make, program: Callable[[str, str], None], network: bool, pip: int, findings: int, passes: bool
) -> None:
    statuses = f"-c) exit {int(not network)};; pip) exit {pip};; pip_audit) exit {findings};;"
    program("python", f'[ "$1" = -m ] && shift\ncase "$1" in {statuses} esac')
    result = make("audit")
    assert (result.returncode == 0) is passes, result.stdout + result.stderr
    assert ("not audited" in result.stdout) is not network


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="the tests run in one process")
@pytest.mark.xdist_group("a group")
def test_groups_of_tests_are_heeded(request: pytest.FixtureRequest) -> None:
    """Else tests that share processes are spread over several, each of which starts its own."""
    assert request.node.nodeid.endswith("@a group")
