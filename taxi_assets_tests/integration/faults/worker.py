"""A month's load in a process of its own, for tests that kill it or run several.

`python -m … SOURCE DATA POSTGRES TAXI MONTH STREAMS` prints a line when it begins, then, as JSON, the counts or the
error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from taxi_assets.errors import TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets_tests.integration.faults.months import load_month


def main(source: str, data: str, postgres: str, taxi: str, month: str, streams: str) -> None:
    given = {"source_url": source, "data_dir": Path(data), "postgres_url": postgres, "copy_streams": int(streams)}
    settings = Settings(_env_file=None, **given)  # type: ignore[arg-type]
    print("begins", flush=True)
    try:
        load = load_month(settings, DATASETS[taxi], Month.parse(month))
    except TaxiAssetsError as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(1)
    print(json.dumps({"rows_read": load.rows_read, "rows_inserted": load.rows_inserted}))


def start(settings: Settings, dataset: Dataset, month: Month, *, streams: int = 2) -> subprocess.Popen[str]:
    assert settings.postgres_url
    url = settings.postgres_url.get_secret_value()
    arguments = [settings.source_url, str(settings.data_dir), url, dataset.taxi, str(month), str(streams)]
    command = [sys.executable, "-m", __name__, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def begun(process: subprocess.Popen[str]) -> None:
    """Wait until the process has started and goes to work."""
    assert process.stdout
    assert process.stdout.readline() == "begins\n"


def result(process: subprocess.Popen[str]) -> dict[str, str | int]:
    """What the process printed last, once it is done."""
    said, traceback = process.communicate(timeout=120)
    assert said, traceback
    found: dict[str, str | int] = json.loads(said.splitlines()[-1])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
