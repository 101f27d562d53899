"""`taxi-assets backfill` as a person runs it, beside what the real engine did."""

from __future__ import annotations

import ast
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun, RunsFilter
from rich.console import Console
from typer.testing import CliRunner

from taxi_assets.cli import app, show
from taxi_assets.postgres.backfills import BackfillStatus, backfill_status
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import get_settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.integration.automation.conftest import LoadDefs, months

_ON_PURPOSE_ELSE = ("no_end_start", "green_schedule_but_inputs_taxi_yellow", "empty_window")
"""Backfills whose differences docs/scheduling.md explains."""


class Shell:
    """A person's shell: commands of `taxi-assets`, on a data folder, a database and a source of the test's own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self.mirror = folder / "mirror"
        self.home = folder / "home"
        self.variables = variables

    def publish(self, taxi: str, which: Iterable[Month]) -> None:
        write_mirror(self.mirror, which, 50, datasets=[DATASETS[taxi]])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        command = [str(Path(sys.executable).with_name("taxi-assets")), *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, **self.variables}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str, status: int = 0) -> str:
        """A command in this process, which spares its start."""
        get_settings.cache_clear()
        result = CliRunner().invoke(app, arguments)
        said = f"{result.output}{'' if isinstance(result.exception, SystemExit) else result.exception or ''}"
        assert result.exit_code == status, said
        return said

    def runs(self, **tags: str) -> list[DagsterRun]:
        """The runs that Dagster recorded, oldest first."""
        if not self.home.exists():
            return []
        with DagsterInstance.from_config(str(self.home)) as instance:
            return list(reversed(instance.get_runs(RunsFilter(tags=tags))))


@pytest.fixture
def shell(tmp_path: Path, warehouse: Warehouse, load_defs: LoadDefs, monkeypatch: pytest.MonkeyPatch) -> Shell:
    variables = {
        "TAXI_DATA_DIR": str(tmp_path / "data"),
        "TAXI_POSTGRES_URL": warehouse.url,
        "TAXI_SOURCE_URL": (tmp_path / "mirror").as_uri(),
        "DAGSTER_HOME": str(tmp_path / "home"),
        "COLUMNS": "300",
    }
    monkeypatch.setattr(show, "console", Console(width=300, highlight=False))
    load_defs(**variables)
    return Shell(tmp_path, variables)


def test_backfill_goes_on_when_the_warehouse_ends_all_sessions(shell: Shell, warehouse: Warehouse) -> None:
    """As a server does that restarts: a month is tried again, and the slot and the backfill are taken anew."""
    shell.publish("green", months("2020-01", "2020-04"))
    shell.run("backfill", "green", "--from", "2020-01", "--to", "2020-01")
    with psycopg.connect(warehouse.url) as blocker:
        blocker.execute("LOCK TABLE public.green_tripdata")
        process = shell.start("backfill", "green", "--from", "2020-01", "--to", "2020-04")
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
        eventually(lambda: blocker.execute(waiting).rowcount == 1)
        ended = blocker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        assert ended.rowcount >= 3, "those of the backfill, of the slot and of the month"
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    status = status_of(warehouse, "green")
    assert status is not None
    assert (status.state, status.done, status.failed) == ("finished", 4, 0)
    assert [run.is_success for run in shell.runs()] == [True] * 5


def status_of(warehouse: Warehouse, taxi: str) -> BackfillStatus | None:
    with warehouse.connect() as connection:
        return next((s for s in backfill_status(connection) if s.taxi == taxi), None)


def eventually(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_backfills_run_as_the_real_engine_ran_them(shell: Shell, shared_dir: Path) -> None:
    """Month, tick, labels and state of each execution, in order; a file that was missing there is missing here."""
    executions: dict[str, list[dict[str, str]]] = {}
    with (shared_dir / "kestra-truth" / "backfills.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if not row["backfill"].startswith(_ON_PURPOSE_ELSE):
                executions.setdefault(row["backfill"], []).append(row)
    assert len(executions) == 7
    for name, rows in executions.items():
        taxi = ast.literal_eval(rows[0]["inputs"])["taxi"]
        found = [Month.parse(row["trigger.date"][:7]) for row in rows]
        failed = [month for month, row in zip(found, rows, strict=True) if row["state"] == "FAILED"]
        shell.publish(taxi, found)
        for month in failed:
            (shell.mirror / taxi / f"{taxi}_tripdata_{month}.csv.gz").unlink()
        label = f"case={len(shell.runs())}"
        output = shell.run(
            "backfill", taxi, "--from", str(found[0]), "--to", str(found[-1]), "--label", "backfill=true",
            "--label", label, status=1 if failed else 0,
        )  # fmt: skip
        runs = shell.runs(case=label.partition("=")[2])
        expected = [
            {
                "trigger.date": row["trigger.date"],
                "file": row["file_label"],
                **ast.literal_eval(row["labels"]),
                "state": {"SUCCESS": "SUCCESS", "FAILED": "FAILURE"}[row["state"]],
            }
            for row in rows
        ]
        seen = [
            {key: run.tags[key] for key in ("trigger.date", "file", "taxi", "backfill")} | {"state": run.status.value}
            for run in runs
        ]
        assert seen == expected, name
        assert [run.tags["dagster/partition"] for run in runs] == [str(month) for month in found]
        assert all(run.job_name == f"{taxi}_postgres_taxi_scheduled" for run in runs)
        assert all(f"{taxi} {month}" in output for month in failed)


def test_end_defaults_to_the_last_published_month(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_LAST_MONTH", "2019-03")
    planned = shell.run("backfill", "green", "--from", "2019-02", "--label", "why=test", "--dry-run").splitlines()
    assert [line.split()[0] for line in planned] == ["2019-02", "2019-03"]
    assert "why=test trigger.date=2019-02-01T09:00:00Z" in planned[0]
    assert "file=green_tripdata_2019-02.csv taxi=green" in planned[0]
    assert shell.runs() == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["green", "--from", "2019-05", "--to", "2019-03"], "--from 2019-05 is after --to 2019-03"),
        (["green", "--from", "2031-01"], "the published months are 2019-01 to 2021-07"),
        (["purple", "--from", "2019-01"], "choose yellow or green"),
        (["green", "--from", "2019-01", "--label", "system.x=1"], "kept for the engine"),
        (["green", "--from", "2019-01", "--label", "dagster/partition=2019-02"], "kept for Dagster"),
        (["green", "--from", "2019-01", "--label", "file=other.csv"], "every run sets file itself"),
        (["green", "--from", "2019-01", "--label", "novalue"], "write it as key=value"),
    ],
)
def test_inputs_are_refused_before_anything_runs(shell: Shell, arguments: list[str], reason: str) -> None:
    output = " ".join(shell.run("backfill", *arguments, status=2).replace("│", " ").split())
    assert reason in output
    assert not shell.home.exists()


def test_only_missing_and_only_failed(shell: Shell) -> None:
    shell.publish("green", months("2019-01", "2019-04"))
    bad = shell.mirror / "green" / "green_tripdata_2019-02.csv.gz"
    good = bad.read_bytes()
    bad.write_bytes(good[:-20])
    shell.run("backfill", "green", "--from", "2019-01", "--to", "2019-02", status=1)
    command = ["backfill", "green", "--from", "2019-01", "--to", "2019-04"]

    def planned(only: str) -> list[str]:
        return [line.split()[0] for line in shell.run(*command, "--only", only, "--dry-run").splitlines()]

    assert planned("missing") == ["2019-02", "2019-03", "2019-04"]
    assert planned("failed") == ["2019-02"]
    bad.write_bytes(good)  # repaired: it is fetched again
    shell.run(*command, "--only", "failed")
    assert planned("missing") == ["2019-03", "2019-04"]
    assert "no month of green 2019-01..2019-04 is failed: nothing to do" in shell.run(*command, "--only", "failed")
    shell.run(*command, "--only", "missing")
    assert "nothing to do" in shell.run(*command, "--only", "missing")


def test_pause_resume_and_cancel_from_another_shell(shell: Shell, warehouse: Warehouse) -> None:
    shell.publish("green", months("2019-01", "2019-12"))
    running = shell.start("backfill", "green", "--from", "2019-01", "--to", "2019-12")

    def state() -> str:
        status = status_of(warehouse, "green")
        return status.state if status else ""

    def done() -> int:
        status = status_of(warehouse, "green")
        return status.done if status else 0

    eventually(lambda: done() >= 1)
    assert "asked to pause" in shell.run("backfill-control", "pause", "green")
    eventually(lambda: state() == "paused")
    paused_at = done()
    assert paused_at < 12
    said = shell.run("backfill-control", "status")
    assert f"backfill 1 of green 2019-01..2019-12: paused, {paused_at} of 12 months done, 0 failed" in said
    refused = shell.run("backfill", "green", "--from", "2020-01", "--to", "2020-01", status=1)
    assert "backfill 1 of green 2019-01..2019-12: paused" in refused
    assert "taxi-assets backfill-control cancel green" in refused
    assert done() == paused_at
    shell.run("backfill-control", "resume", "green")
    eventually(lambda: done() > paused_at)
    shell.run("backfill-control", "cancel", "green")
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    loaded = [run.tags["dagster/partition"] for run in shell.runs()]
    assert loaded == [str(month) for month in months("2019-01", "2019-12")][: done()]
    assert "paused before" in output
    assert "canceled before" in output
    assert state() == "canceled"
    nothing = shell.run("backfill-control", "pause", "green", status=1)
    assert "no backfill of green is running" in nothing


def test_killed_backfill_hinders_nobody(shell: Shell, warehouse: Warehouse) -> None:
    shell.publish("green", months("2019-01", "2019-06"))
    killed = shell.start("backfill", "green", "--from", "2019-01", "--to", "2019-06")
    with warehouse.connect() as connection:

        def at_work() -> bool:
            there = connection.execute("SELECT to_regclass('taxi_assets.flow_queue')").fetchone() != (None,)
            return there and bool(
                connection.execute("SELECT FROM taxi_assets.flow_queue WHERE started_at IS NOT NULL").fetchall()
            )

        eventually(at_work)
    killed.kill()
    killed.wait()
    eventually(lambda: "killed" in shell.run("backfill-control", "status"), 20)
    shell.run("backfill", "green", "--from", "2019-01", "--to", "2019-06", "--only", "missing")
    runs = shell.runs()
    assert {run.tags["dagster/partition"] for run in runs} == {str(month) for month in months("2019-01", "2019-06")}
    assert all(run.is_finished for run in runs)


def test_ctrl_c_leaves_a_month_in_whole_or_not_at_all(shell: Shell, warehouse: Warehouse) -> None:
    shell.publish("green", months("2019-01", "2019-04"))
    shell.run("backfill", "green", "--from", "2019-01", "--to", "2019-01")
    with psycopg.connect(warehouse.url) as reader, warehouse.connect() as looking:
        reader.execute("LOCK TABLE public.green_tripdata IN SHARE MODE")  # as a dump or an index build does
        backfill = shell.start("backfill", "green", "--from", "2019-02", "--to", "2019-04")
        eventually(lambda: looking.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
        backfill.send_signal(signal.SIGINT)
        output, _ = backfill.communicate(timeout=30)
        assert backfill.returncode == 130, output
        assert output.strip() == "stopped; what was loaded stays, and the same command goes on from there"
        at_work = "SELECT FROM pg_stat_activity WHERE application_name = 'taxi_assets green 2019-02'"
        assert looking.execute(at_work).fetchone() is None, "the server has given it up as well"

    def rows() -> list[tuple[str, int]]:
        with warehouse.connect() as connection:
            return connection.execute(
                "SELECT filename, count(*) FROM public.green_tripdata GROUP BY 1 ORDER BY 1"
            ).fetchall()

    whole = [(f"green_tripdata_{month}.csv", 50) for month in months("2019-01", "2019-04")]
    assert rows() == whole[:1]
    assert "backfill 2 of green 2019-02..2019-04: interrupted, 0 of 3 months done" in shell.run(
        "backfill-control", "status"
    )
    assert [run.status.value for run in shell.runs()] == ["SUCCESS", "FAILURE"]
    shell.run("backfill", "green", "--from", "2019-01", "--to", "2019-04", "--only", "missing")
    assert rows() == whole


def test_two_backfills_take_turns_month_by_month(shell: Shell) -> None:
    """Both taxis are one flow: at no time do two runs work."""
    for taxi in DATASETS:
        shell.publish(taxi, months("2019-01", "2019-04"))
    started = [shell.start("backfill", taxi, "--from", "2019-01", "--to", "2019-04") for taxi in DATASETS]
    for process in started:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    with DagsterInstance.from_config(str(shell.home)) as instance:
        slots = []
        for run in instance.get_runs():
            loaded = instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
            slots.append((loaded[0].timestamp, loaded[-1].timestamp, run.tags["file"]))
    assert len(slots) == 8
    slots.sort()
    for (_, ended, one), (began, _, other) in pairwise(slots):
        assert ended <= began, f"{one} and {other} worked at once"
    # First in, first out: neither taxi is kept waiting until the other is through.
    taxis = [file.partition("_")[0] for _, _, file in slots]
    assert taxis != sorted(taxis)
    assert taxis != sorted(taxis, reverse=True)
