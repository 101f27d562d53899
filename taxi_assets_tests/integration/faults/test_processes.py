"""What a person sees who starts a load in a shell while the database is away or in need: one line, and status 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

import pytest
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets_tests.integration.faults.conftest import Admin, Start
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, packed
from taxi_assets_tests.integration.faults.proxy import proxied
from taxi_assets_tests.integration.faults.tables import leftovers
from taxi_assets_tests.integration.faults.test_outages import REFUSALS, database, elsewhere

BACKFILL = ("taxi-assets", "backfill", "yellow", "--from", str(APRIL), "--to", str(APRIL))
JOB = (
    "dagster", "job", "execute", "-m", "taxi_assets.definitions", "-j", "yellow_postgres_taxi",
    "--tags", f'{{"dagster/partition": "{APRIL}"}}',
)  # fmt: skip


@pytest.fixture(autouse=True)
def _published(mirror: Mirror) -> None:
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, 100)))


def assert_both_say(start: Start, postgres_url: str, says: str) -> str:
    """A backfill says it in one line, and so does a job in what Dagster logs of it. Returns what the first printed."""
    backfill = start(*BACKFILL, TAXI_POSTGRES_URL=postgres_url)
    printed, _ = backfill.communicate(timeout=120)  # and Dagster's storage is made, by one process
    job = start(*JOB, TAXI_POSTGRES_URL=postgres_url)
    logged, _ = job.communicate(timeout=120)
    assert sum(says in line for line in printed.splitlines()) == 1
    assert "Traceback" not in printed
    (line,) = (line for line in logged.splitlines() if f"yellow {APRIL} failed: " in line)
    assert says in line
    assert (backfill.returncode, job.returncode) == (1, 1)
    return printed


def assert_both_cannot_connect(start: Start, postgres_url: str, says: str) -> None:
    """A backfill prints no other line then."""
    printed = assert_both_say(start, postgres_url, says)
    assert printed.startswith("error: cannot connect to PostgreSQL at postgresql://")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("case", REFUSALS)
def test_server_that_does_not_let_us_in(case: str, start: Start, warehouse: Warehouse) -> None:
    changes, _, says = REFUSALS[case]
    url = elsewhere(warehouse.url, **{name: make() for name, make in changes.items()})
    assert_both_cannot_connect(start, url, says)


def test_server_that_does_not_answer(start: Start, server: EmbeddedServer, warehouse: Warehouse) -> None:
    postmaster = server.running()
    assert postmaster
    with proxied(postmaster.port, {}) as proxy:
        proxy.flows.clear()
        url = elsewhere(warehouse.url, port=proxy.port)
        assert_both_cannot_connect(start, url, "connection timeout expired; check that the server is not paused")
    assert leftovers(warehouse) == []


def test_server_out_of_connections(start: Start, warehouse: Warehouse, admin: Admin) -> None:
    admin.execute("CREATE ROLE lonely LOGIN PASSWORD 'lonely' CONNECTION LIMIT 0")
    try:
        url = elsewhere(warehouse.url, user="lonely", password="lonely")  # noqa: S106
        assert_both_cannot_connect(start, url, 'too many connections for role "lonely"; raise max_connections')
    finally:
        admin.execute("DROP ROLE lonely")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("default_transaction_read_only = on", "the server is read-only; point TAXI_POSTGRES_URL at the primary"),
        ("statement_timeout = '60ms'", "canceling statement due to statement timeout; run it again, or raise"),
    ],
    ids=["read-only", "statement timeout"],
)
def test_server_that_refuses(
    setting: LiteralString, says: str, start: Start, warehouse: Warehouse, admin: Admin, mirror: Mirror
) -> None:
    assert start(*BACKFILL).wait(timeout=120) == 0
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, 200_000)))  # whose COPY takes longer than that
    admin.execute(sql.SQL("ALTER DATABASE {} SET " + setting).format(database(warehouse)))
    assert_both_say(start, warehouse.url, says)


def test_disk_of_the_server_full(
    start: Start, warehouse: Warehouse, admin: Admin, small_tablespace: Callable[[str], object], mirror: Mirror
) -> None:
    assert start(*BACKFILL).wait(timeout=120) == 0
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, 100_000)))
    admin.execute(sql.SQL("ALTER DATABASE {} SET default_tablespace = small").format(database(warehouse)))
    assert_both_say(start, warehouse.url, "the server's disk is full (could not extend file")
    small_tablespace("100m")
    assert start(*BACKFILL).wait(timeout=120) == 0
    assert leftovers(warehouse) == []
