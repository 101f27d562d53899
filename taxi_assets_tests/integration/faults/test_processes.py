"""What a person sees who starts a load in a shell while the database cannot be reached: one line, and status 1."""

from __future__ import annotations

import pytest

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets_tests.integration.faults.conftest import Start
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, packed
from taxi_assets_tests.integration.faults.proxy import proxied
from taxi_assets_tests.integration.faults.tables import leftovers
from taxi_assets_tests.integration.faults.test_outages import REFUSALS, elsewhere

BACKFILL = ("taxi-assets", "backfill", "yellow", "--from", str(APRIL), "--to", str(APRIL))
JOB = (
    "dagster", "job", "execute", "-m", "taxi_assets.definitions", "-j", "yellow_postgres_taxi",
    "--tags", f'{{"dagster/partition": "{APRIL}"}}',
)  # fmt: skip


@pytest.fixture(autouse=True)
def _published(mirror: Mirror) -> None:
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, 100)))


def assert_both_say(start: Start, postgres_url: str, says: str) -> None:
    """A backfill prints the one line and no other; among what Dagster logs of a job it is one line too."""
    backfill = start(*BACKFILL, TAXI_POSTGRES_URL=postgres_url)
    printed, _ = backfill.communicate(timeout=120)  # and Dagster's storage is made, by one process
    job = start(*JOB, TAXI_POSTGRES_URL=postgres_url)
    logged, _ = job.communicate(timeout=120)
    assert printed.startswith("error: cannot connect to PostgreSQL at postgresql://")
    assert says in printed
    assert printed.count("\n") == 1
    (line,) = (line for line in logged.splitlines() if f"yellow {APRIL} failed: " in line)
    assert says in line
    assert (backfill.returncode, job.returncode) == (1, 1)


@pytest.mark.parametrize("case", REFUSALS)
def test_server_that_does_not_let_us_in(case: str, start: Start, warehouse: Warehouse) -> None:
    changes, _, says = REFUSALS[case]
    assert_both_say(start, elsewhere(warehouse.url, **{name: make() for name, make in changes.items()}), says)


def test_server_that_does_not_answer(start: Start, server: EmbeddedServer, warehouse: Warehouse) -> None:
    postmaster = server.running()
    assert postmaster
    with proxied(postmaster.port, {}) as proxy:
        proxy.flows.clear()
        url = elsewhere(warehouse.url, port=proxy.port)
        assert_both_say(start, url, "connection timeout expired; check that the server is not paused")
    assert leftovers(warehouse) == []
