"""How long a backfill takes: by the Dagster UI in one run, by the UI a run per month, and by `taxi-assets backfill`.

    python -m benchmarks.backfills [FOLDER_OF_TRIP_FILES]

Starts a webserver and a daemon of its own on a PostgreSQL of its own for each way. Without a folder in the layout of
the mirror it generates months of 10,000 rows.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_mirror

_RANGES = {"yellow": (Month(2019, 1), Month(2019, 12)), "green": (Month(2020, 4), Month(2020, 9))}
_WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
_LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { ... on LaunchBackfillSuccess { backfillId } }
}
"""
_STATE = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status runs(limit: 100) { startTime endTime } } } }
"""
_LOADED = """
query { workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }
"""


class Processes:
    """What a person starts to have a UI, in a folder that goes away with them."""

    def __init__(self, stack: ExitStack, source: str, policy: str) -> None:
        self.stack = stack
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taxi_bench_")))
        self.folder.chmod(0o755)
        server = EmbeddedServer(self.folder / "postgres")
        url = server.start()
        stack.callback(server.stop)
        home = self.folder / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text(
            "telemetry: {enabled: false}\nstorage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n"
        )
        self.environment = {
            **os.environ,
            "TAXI_DATA_DIR": str(self.folder / "data"),
            "TAXI_POSTGRES_URL": url,
            "DAGSTER_POSTGRES_URL": url.replace("postgresql:", "postgresql+psycopg2:"),
            "TAXI_SOURCE_URL": source,
            "TAXI_BACKFILL_POLICY": policy,
            "DAGSTER_HOME": str(home),
        }
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def run(self, *command: str) -> None:
        program = Path(sys.executable).with_name(command[0])
        subprocess.run(
            [str(program), *command[1:]], env=self.environment, cwd=self.folder, check=True, stdout=subprocess.DEVNULL
        )

    def start(self, *command: str) -> None:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(command[0])), *command[1:], "-w", str(_WORKSPACE)],
            env=self.environment, cwd=self.folder, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.stack.callback(process.wait)
        self.stack.callback(os.killpg, process.pid, signal.SIGKILL)

    def start_ui(self) -> None:
        """Start webserver and daemon, and wait until the definitions are loaded."""
        self.start("dagster-webserver", "-h", "127.0.0.1", "-p", str(self.port))
        self.start("dagster-daemon", "run")
        while True:
            try:
                entries = self.ask(_LOADED)["workspaceOrError"]["locationEntries"]
                if entries and entries[0]["locationOrLoadError"]:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        time.sleep(10)  # the daemon has no answer to wait for

    def ask(self, query: str, **variables: object) -> dict[str, dict]:  # type: ignore[type-arg]
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            data: dict[str, dict] = json.load(answer)["data"]  # type: ignore[type-arg]
        return data


def by_ui(taxi: str, source: str, policy: str) -> tuple[float, float]:
    """Seconds from the click to the end, and from the first run's start to the last one's end."""
    with ExitStack() as stack:
        processes = Processes(stack, source, policy)
        processes.start_ui()
        assets = [{"path": [f"{taxi}_{name}"]} for name in ("raw_csv", "staging", "trips")]
        months = [str(month) for month in months_between(*_RANGES[taxi])]
        start = time.time()
        launched = processes.ask(_LAUNCH, params={"assetSelection": assets, "partitionNames": months})
        backfill = launched["launchPartitionBackfill"]["backfillId"]
        while True:
            state = processes.ask(_STATE, id=backfill)["partitionBackfillOrError"]
            runs = state["runs"]
            if state["status"] != "REQUESTED" and runs and all(run["endTime"] for run in runs):
                break
            time.sleep(0.5)
        if state["status"] != "COMPLETED_SUCCESS":
            raise RuntimeError(f"the backfill of {taxi} ended as {state['status']}")
        first, last = min(run["startTime"] for run in runs), max(run["endTime"] for run in runs)
        return last - start, last - first


def by_shell(taxi: str, source: str) -> float:
    """Seconds of the whole command, its start included."""
    with ExitStack() as stack:
        processes = Processes(stack, source, "single_run")
        first, last = _RANGES[taxi]
        start = time.time()
        processes.run("taxi-assets", "backfill", taxi, "--from", str(first), "--to", str(last))
        return time.time() - start


def main() -> None:
    """Print the times of every way, a line for each taxi."""
    with tempfile.TemporaryDirectory(prefix="taxi_bench_") as folder:
        if len(sys.argv) > 1:
            source = Path(sys.argv[1]).resolve().as_uri()
        else:
            for taxi, (first, last) in _RANGES.items():
                write_mirror(Path(folder), months_between(first, last), 10_000, datasets=[DATASETS[taxi]])
            source = Path(folder).as_uri()
        print("seconds           UI, one run       UI, run per month  taxi-assets")
        print("                  click  runs       click  runs        command")
        for taxi, (first, last) in _RANGES.items():
            months = len(list(months_between(first, last)))
            one, each = (by_ui(taxi, source, policy) for policy in ("single_run", "per_month"))
            shell = by_shell(taxi, source)
            ways = "      ".join(f"{click:6.1f}{runs:6.1f}" for click, runs in (one, each))
            print(f"{months:2} {taxi:7} months  {ways}      {shell:6.1f}")


if __name__ == "__main__":
    main()
