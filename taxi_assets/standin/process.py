"""Starting and stopping the stand-ins beside the process that uses them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from taxi_assets.errors import SettingsError


@contextmanager
def running(folder: Path) -> Iterator[dict[str, str]]:
    """Stand-ins that keep objects in a folder and tables in memory; yields the variables that lead clients to them.

    Raises SettingsError when the extra `gcp-dev` is not installed.
    """
    if find_spec("bqemulator") is None or find_spec("gcp_storage_emulator") is None:
        raise SettingsError("the stand-ins are not installed: pip install 'taxi_assets[gcp,gcp-dev]'")
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "taxi_assets.standin.server", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield _addresses(process)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    for line in process.stdout or ():
        if line.startswith("{"):  # before it come lines of the stand-ins' own
            urls = json.loads(line)
            return {"BIGQUERY_EMULATOR_HOST": urls["bigquery"], "STORAGE_EMULATOR_HOST": urls["storage"]}
    raise SettingsError(
        f"the stand-ins did not start (exit status {process.wait()}); see why with: "
        f"{sys.executable} -m taxi_assets.standin.server FOLDER"
    )
