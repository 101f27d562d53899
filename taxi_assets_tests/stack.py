"""Dagster's real processes for tests, started and ended by `taxi-assets up` and `down` as a person does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from taxi_assets.automation.deployment import Deployment
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.conftest import server_folder

FIRST, LAST = Month(2020, 1), Month(2020, 9)
ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Stack:
    """A data folder with everything in it, the way a laptop has it, and the processes that work on it."""

    folder: Path
    port: int
    variables: Mapping[str, str] = field(default_factory=dict)
    """Settings of its own."""

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
            **self.variables,
        }

    @property
    def deployment(self) -> Deployment:
        return Deployment(Settings(data_dir=self.folder / "data", _env_file=None))

    def command(self, *arguments: str) -> str:
        """Run `taxi-assets` as a process of its own and return what it printed; AssertionError when it fails."""
        process = self.start("taxi-assets", *arguments)
        return self.end(process)

    def start(self, program: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Run a command in the stack's folder, whose .env tells Dagster's own commands where their storage is."""
        return subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> str:
        """Wait for a command and return what it printed; AssertionError when it fails."""
        said, errors = process.communicate(timeout=180)
        assert process.returncode == 0, f"{process.args!r}: {said}{errors}"
        return said

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
def running_stack(**variables: str) -> Iterator[Stack]:
    """A stack with generated months of both taxis, to be brought up, and taken down afterwards with its database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with server_folder() as folder:
        stack = Stack(folder, port, variables)
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
