"""A user of PostgreSQL installs none of Google's libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_WITHOUT = (
    "import sys, importlib.abc\n"
    "class Absent(importlib.abc.MetaPathFinder):\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.startswith(('google.cloud', 'google.auth', 'google.api_core', 'dagster_gcp', 'bqemulator')):\n"
    "            raise ModuleNotFoundError(name)\n"
    "sys.meta_path.insert(0, Absent())\n"
)


def run(code: str, folder: Path) -> str:
    env = {**os.environ, "TAXI_DATA_DIR": str(folder), "GCP_PROJECT_ID": "my-project", "DAGSTER_HOME": ""}
    command = [sys.executable, "-c", _WITHOUT + code]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_definitions_are_whole_and_a_run_says_what_to_install(tmp_path: Path) -> None:
    said = run(
        "from dagster import AssetKey, DagsterInstance\n"
        "from taxi_assets.definitions import defs\n"
        "assert AssetKey('green_bq_trips') in defs.resolve_asset_graph().get_all_asset_keys()\n"
        "job = defs.resolve_job_def('green_gcp_taxi')\n"
        "quiet = {'loggers': {'console': {'config': {'log_level': 'CRITICAL'}}}}\n"
        "result = job.execute_in_process(partition_key='2020-04', raise_on_error=False,"
        " instance=DagsterInstance.ephemeral(), run_config=quiet)\n"
        "print(*[e.step_failure_data.user_failure_data.description for e in result.all_events if e.is_step_failure])\n",
        tmp_path,
    )
    assert said.strip().startswith(
        "BigQuery needs Google's libraries: install them with: pip install 'taxi_assets[gcp]'"
    )
    assert len(said.strip().splitlines()) == 1
