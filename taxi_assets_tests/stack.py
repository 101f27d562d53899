"""Dagster's real processes for tests, started and ended by `taxi-assets up` and `down` as a person does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from taxi_assets.automation.deployment import Deployment
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_mirror

FIRST, LAST = Month(2020, 1), Month(2020, 9)
ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Stack:
    """A data folder with everything in it, the way a laptop has it, and the processes that work on it."""

    folder: Path
    port: int

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def mirror(self) -> Path:
        return self.folder / "mirror"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TAXI_DATA_DIR": str(self.folder / "data"),
            "TAXI_SOURCE_URL": self.mirror.as_uri(),
            "TAXI_FIRST_MONTH": str(FIRST),
            "TAXI_LAST_MONTH": str(LAST),
        }

    @property
    def deployment(self) -> Deployment:
        return Deployment(Settings(data_dir=self.folder / "data", _env_file=None))

    def command(self, *arguments: str) -> str:
        """Run `taxi-assets` as a process of its own and return what it printed; AssertionError when it fails."""
        program = Path(sys.executable).with_name("taxi-assets")
        result = subprocess.run(
            [str(program), *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, f"taxi-assets {' '.join(arguments)}: {result.stdout}{result.stderr}"
        return result.stdout

    def up(self) -> str:
        return self.command("up", "--port", str(self.port))

    def kill(self) -> None:
        """End the processes and everything they started without a chance to say goodbye."""
        for pid in self.deployment.running().values():
            os.killpg(pid, signal.SIGKILL)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.command("db", "url").strip()) as connection:
            return connection.execute(statement.encode()).fetchall()

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        answer = httpx.post(f"{self.ui}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, json.dumps(answer)[:2000]
        data: dict[str, Any] = answer["data"]
        return data

    def materialized(self, asset: str) -> set[str]:
        """The asset's months that Dagster counts as materialized."""
        data = self.graphql(
            """query ($path: [String!]!) { assetNodeOrError(assetKey: {path: $path}) { ... on AssetNode {
                 assetPartitionStatuses { ... on TimePartitionStatuses { ranges { status startKey endKey } } } } } }""",
            path=[asset],
        )
        ranges = data["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
        return {
            str(month)
            for found in ranges
            if found["status"] == "MATERIALIZED"
            for month in months_between(Month.parse(found["startKey"]), Month.parse(found["endKey"]))
        }


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """A stack with generated months of both taxis, brought up, and taken down afterwards with its database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        stack = Stack(folder, probe.getsockname()[1])
    write_mirror(stack.mirror, months_between(FIRST, LAST), ROWS)
    try:
        yield stack
    finally:
        stack.command("down")
        stack.command("db", "stop")


def file_of(stack: Stack, taxi: str, month: str) -> Path:
    """A month's file in the stack's mirror."""
    return stack.mirror / taxi / f"{DATASETS[taxi].file_name(Month.parse(month))}.gz"


def wait_for(what: Callable[[], bool], seconds: float, told: str) -> None:
    """Look every half second; AssertionError naming what did not come."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {told}"
        time.sleep(0.5)
