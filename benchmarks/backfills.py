"""How long a backfill takes: by the Dagster UI in one run, by the UI a run per month, and by `taxi-assets backfill`.

`python -m benchmarks.backfills` (`make bench-backfills`) writes backfills.json, which docs/scheduling.md quotes. For
each way of the UI it brings Dagster up as `taxi-assets up` does, on databases of its own.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks import process, report
from benchmarks.commands import check_loaded, rows_of, shell_backfill, six_green, twelve_yellow
from benchmarks.ground import Ground, MonthFile, Options, prepared
from taxi_assets.postgres.connection import Warehouse

RESULTS = report.FOLDER / "backfills.json"
_POLICIES = {"UI, one run": "single_run", "UI, a run per month": "per_month"}
_LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  ... on LaunchBackfillSuccess { backfillId } } }"""
_STATE = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status runs(limit: 100) { startTime endTime } } } }"""
_LONGEST = 900.0

Ask = Callable[..., dict[str, Any]]
"""Puts a GraphQL query and its variables to the webserver, and returns the answer's first field."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """How long one way took for a taxi's months."""

    taxi: str
    months: int
    rows: int
    way: str
    seconds: float
    """From the click or the start of the command until all months are loaded."""
    at_work: float | None = None
    """From the start of the first run until then, where a run is not the command itself."""


def measure(ground: Ground) -> Iterator[Backfilled]:
    """Every way for each taxi. Raises WrongLoadError when one leaves other rows than the flow."""
    for files, source in (twelve_yellow(ground), six_green(ground)):
        of_these = files[0].dataset.taxi, len(files), rows_of(files)
        for way, policy in _POLICIES.items():
            yield Backfilled(*of_these, way, *_ui_backfill(ground, files, source, policy))
        yield Backfilled(*of_these, "taxi-assets backfill", shell_backfill(ground, files, source))


def _ui_backfill(ground: Ground, files: list[MonthFile], source: str, policy: str) -> tuple[float, float]:
    """Seconds from the click to the end of the last run, and from the start of the first run to that."""
    taxi = files[0].dataset.taxi
    wanted = {
        "assetSelection": [{"path": [f"{taxi}_{name}"]} for name in ("raw_csv", "staging", "trips")],
        "partitionNames": [str(file.month) for file in files],
    }
    with ground.database() as warehouse, _dagster(ground, warehouse, source, policy) as ask:
        click = time.time()
        runs = _ended(ask, ask(_LAUNCH, params=wanted)["backfillId"])
        check_loaded(warehouse, files)
    end = max(run["endTime"] for run in runs)
    return end - click, end - min(run["startTime"] for run in runs)


def _ended(ask: Ask, backfill: str) -> list[dict[str, float]]:
    """The runs of a backfill, when it is through."""
    deadline = time.monotonic() + _LONGEST
    while (state := ask(_STATE, id=backfill))["status"] == "REQUESTED" or not _all_ended(state["runs"]):
        if time.monotonic() > deadline:
            raise process.CommandError(f"backfill {backfill} is not through after {_LONGEST:.0f} s")
        time.sleep(1)
    return list(state["runs"])


def _all_ended(runs: list[dict[str, float | None]]) -> bool:
    return all(run["endTime"] for run in runs)


@contextmanager
def _dagster(ground: Ground, warehouse: Warehouse, source: str, policy: str) -> Iterator[Ask]:
    """Webserver, daemon and code server on a storage of their own, as `taxi-assets up` starts them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ground.database() as storage, tempfile.TemporaryDirectory(dir=ground.folder) as folder:
        env = {
            "TAXI_DATA_DIR": folder,
            "TAXI_POSTGRES_URL": warehouse.url,
            "TAXI_SOURCE_URL": source,
            "TAXI_BACKFILL_POLICY": policy,
            "DAGSTER_HOME": str(Path(folder) / "dagster_home"),
            "DAGSTER_POSTGRES_URL": storage.url.replace("postgresql:", "postgresql+psycopg2:"),
        }

        def ask(query: str, **variables: object) -> dict[str, Any]:
            body = {"query": query, "variables": variables}
            answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json=body, timeout=60, trust_env=False)
            first: dict[str, Any] = next(iter(answer.raise_for_status().json()["data"].values()))
            return first

        try:
            process.output([process.script("taxi-assets"), "up", "--port", str(port)], env, folder)
            yield ask
        finally:
            process.output([process.script("taxi-assets"), "down"], env, folder)


def main() -> int:
    """Print each figure as it is found, and write them all to backfills.json."""
    found = []
    with tempfile.TemporaryDirectory(prefix="taxi_bench_") as folder, prepared(Options(), Path(folder)) as ground:
        with Warehouse(ground.server_url).connect() as connection:
            facts = report.machine(connection.info.parameter_status("server_version") or "unknown")
        for one in measure(ground):
            runs = f", {one.at_work:.1f} s of them from the first run's start" if one.at_work else ""
            sys.stdout.write(f"{one.months} {one.taxi} months, {one.way}: {one.seconds:.1f} s{runs}\n")
            sys.stdout.flush()
            found.append(asdict(one))
    results = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": facts, "backfills": found}
    RESULTS.write_text(json.dumps(report.rounded(results), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped and the folder removed
    sys.exit(main())
