"""Dagster's own storage, in a PostgreSQL of its own, goes away during a backfill and comes back."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import project_dir
from taxi_assets.trips.months import Month, months_between
from taxi_assets_tests.conftest import running_server
from taxi_assets_tests.integration.faults.conftest import Start
from taxi_assets_tests.integration.faults.months import GREEN, csv_of, packed
from taxi_assets_tests.integration.faults.tables import leftovers, rows_by_file
from taxi_assets_tests.integration.trips.web import Answer, Web, serving

MONTHS = tuple(months_between(Month(2020, 1), Month(2020, 6)))
ROWS = 100
BACKFILL = ("taxi-assets", "backfill", "green", "--from", str(MONTHS[0]), "--to", str(MONTHS[-1]))


@pytest.fixture
def storage() -> Iterator[EmbeddedServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def source(storage: EmbeddedServer) -> Iterator[Web]:
    """Has all months, and ends the storage's server while the second one is asked for."""
    lost = threading.Event()

    def script(answer: Answer) -> None:
        month = next((month for month in MONTHS if str(month) in answer.path), MONTHS[0])
        if month == MONTHS[1] and not lost.is_set():
            lost.set()
            storage.stop()
        answer.whole(packed(csv_of(GREEN, month, ROWS)))

    with serving(script) as web:
        yield web


@pytest.fixture
def variables(storage: EmbeddedServer, source: Web, tmp_path: Path) -> dict[str, str]:
    """Of a Dagster that keeps its runs as a deployment does."""
    config = (project_dir() / "deploy" / "dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "dagster.yaml").write_text(config, encoding="utf-8")
    url = storage.start().replace("postgresql:", "postgresql+psycopg2:")
    return {"DAGSTER_POSTGRES_URL": url, "TAXI_SOURCE_URL": source.url}


def until_failed(process: subprocess.Popen[str]) -> list[str]:
    """The lines it prints, up to the first month that failed."""
    assert process.stdout
    lines = [next(process.stdout)]
    while ": failed" not in lines[-1]:
        lines.append(next(process.stdout))
    return lines


def test_storage_goes_away_and_comes_back(
    start: Start,
    variables: dict[str, str],
    storage: EmbeddedServer,
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = start(*BACKFILL, **variables)
    lines = until_failed(process)
    storage.start()
    rest, _ = process.communicate(timeout=120)
    printed = "".join(lines) + rest
    assert process.returncode == 1
    failed = [month for month in MONTHS if f"green {month}: failed" in printed]
    good = [month for month in MONTHS if f"green {month}: {ROWS} rows, {ROWS} inserted" in printed]
    assert sorted([*failed, *good]) == list(MONTHS)
    assert set(MONTHS[:2]) & set(failed)  # the second is asked for while the first is recorded
    assert MONTHS[-1] in good
    assert "Dagster's own storage does not answer" in printed
    assert "Traceback" not in printed
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", variables["DAGSTER_POSTGRES_URL"])
    with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        assert all(run.is_finished for run in instance.get_runs())
    whole = {GREEN.file_name(month): ROWS for month in MONTHS}
    found = rows_by_file(warehouse, GREEN)
    assert found.items() <= whole.items()
    for only in ("failed", "missing"):
        said, _ = (again := start(*BACKFILL, "--only", only, **variables)).communicate(timeout=120)
        assert again.returncode == 0, said
    assert rows_by_file(warehouse, GREEN) == whole
    assert leftovers(warehouse) == []
