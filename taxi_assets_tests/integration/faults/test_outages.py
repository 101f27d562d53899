"""A server that is away, refuses, is full, busy or slow: one clear line, nothing changed, right afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from taxi_assets.errors import BusyError, UnavailableError, WarehouseError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import Fault, MakeSettings
from taxi_assets_tests.integration.faults.conftest import Admin
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.proxy import proxied
from taxi_assets_tests.integration.faults.tables import both, leftovers, rows_of
from taxi_assets_tests.integration.trips.web import free_port
from taxi_assets_tests.reliability import Report

ROWS = 20_000
MAY = APRIL.next
Prepared = Callable[[Settings], Callable[[], None]]


@pytest.fixture(autouse=True)
def _published(mirror: Mirror) -> None:
    for month in (APRIL, MAY):
        mirror.publish(YELLOW, month, packed(csv_of(YELLOW, month, ROWS)))


def elsewhere(url: str, **parts: str | int) -> str:
    """The URL with another user, password, port or database."""
    split = urlsplit(url)
    given = {"user": split.username, "password": split.password, "port": split.port, "database": split.path[1:]}
    now = {**given, **parts}
    netloc = f"{now['user']}:{now['password']}@127.0.0.1:{now['port']}"
    return urlunsplit(split._replace(netloc=netloc, path=f"/{now['database']}"))


def failure(settings: Settings, kind: type[WarehouseError] = WarehouseError) -> str:
    with pytest.raises(kind) as error:
        load_month(settings, YELLOW, MAY)
    assert str(error.value).isprintable()
    return str(error.value)


REFUSALS: dict[str, tuple[dict[str, Callable[[], str | int]], type[WarehouseError], str]] = {
    "unreachable": ({"port": free_port}, UnavailableError, ": Connection refused; check that the server runs"),
    "wrong password": (
        {"password": lambda: "wrong"},
        WarehouseError,
        'password authentication failed for user "taxi"; check the user and password in TAXI_POSTGRES_URL',
    ),
    "missing database": (
        {"database": lambda: "nowhere"},
        WarehouseError,
        'database "nowhere" does not exist; create it (CREATE DATABASE …) or correct TAXI_POSTGRES_URL',
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_server_that_does_not_let_us_in(
    case: str, make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, report: Report
) -> None:
    changes, kind, says = REFUSALS[case]
    parts = {name: change() for name, change in changes.items()}
    settings = make_settings(source_url=mirror.url, postgres_url=elsewhere(warehouse.url, **parts))
    said = failure(settings, kind)
    assert said.endswith(says) or says in said
    assert type(load_error(settings)) is kind
    report.row(case, case, f"fails: cannot connect to PostgreSQL at …: {said.partition(': ')[2]}")


def load_error(settings: Settings) -> Exception:
    with pytest.raises(WarehouseError) as error:
        load_month(settings, YELLOW, MAY)
    return error.value


@pytest.fixture
def prepared(warehouse: Warehouse, fault: Fault) -> Prepared:
    """Loads April; returns a check that nothing but April is there and that May loads at last."""

    def prepare(settings: Settings) -> Callable[[], None]:
        load_month(settings, YELLOW, APRIL)
        before, rows = both(warehouse, YELLOW), rows_of(warehouse, YELLOW)

        def untouched_then_loads() -> None:
            with fault() as compare:
                compare(rows, rows_of(warehouse, YELLOW))
                assert both(warehouse, YELLOW) == before
                assert load_month(settings, YELLOW, MAY).rows_inserted == ROWS
                assert leftovers(warehouse) == []

        return untouched_then_loads

    return prepare


def database(warehouse: Warehouse) -> sql.Identifier:
    return sql.Identifier(warehouse.url.rpartition("/")[2])


def test_read_only_server(
    settings: Settings, warehouse: Warehouse, prepared: Prepared, admin: Admin, report: Report
) -> None:
    check = prepared(settings)
    change = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    admin.execute(change.format(database(warehouse), sql.SQL("on")))
    said = failure(settings)
    assert "the server is read-only; point TAXI_POSTGRES_URL at the primary" in said
    admin.execute(change.format(database(warehouse), sql.SQL("off")))
    check()
    report.row("read-only", "read-only server", f"fails: {said}")


def test_statement_timeout(
    settings: Settings, warehouse: Warehouse, prepared: Prepared, admin: Admin, report: Report
) -> None:
    check = prepared(settings)
    change = sql.SQL("ALTER DATABASE {} SET statement_timeout = {}")
    admin.execute(change.format(database(warehouse), "15ms"))
    said = failure(settings)
    assert (
        "canceling statement due to statement timeout; run it again, or raise statement_timeout for this role" in said
    )
    admin.execute(change.format(database(warehouse), "0"))
    check()
    report.row("timeout", "statement timeout", f"fails: {said.partition(': ')[2]}")


def test_out_of_connections(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, admin: Admin, report: Report
) -> None:
    """One too few for the second stream of the COPY; the role owns all it needs."""
    admin.execute("CREATE ROLE crowded LOGIN PASSWORD 'crowded' CONNECTION LIMIT 1")
    admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO crowded").format(database(warehouse)))
    admin.execute("GRANT CREATE ON SCHEMA public TO crowded")
    url = elsewhere(warehouse.url, user="crowded", password="crowded")  # noqa: S106
    try:
        settings = make_settings(source_url=mirror.url, postgres_url=url, copy_streams=2)
        mirror.publish(YELLOW, MAY, packed(csv_of(YELLOW, MAY, 40_000)))
        said = failure(settings, UnavailableError)
        assert 'too many connections for role "crowded"; raise max_connections, lower TAXI_COPY_STREAMS' in said
        one_stream = make_settings(source_url=mirror.url, postgres_url=url, copy_streams=1)
        assert load_month(one_stream, YELLOW, MAY).rows_inserted == 40_000
    finally:
        admin.execute("DROP OWNED BY crowded CASCADE; DROP ROLE crowded")
    report.row(
        "connections", "out of connections", f"fails: cannot connect to PostgreSQL at …: {said.partition(': ')[2]}"
    )


def test_readers_of_staging_get_their_turn_while_a_load_waits_for_one(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, prepared: Prepared
) -> None:
    settings = make_settings(source_url=mirror.url, lock_timeout=60)
    prepared(settings)
    read = "SELECT count(*) FROM public.yellow_tripdata_staging"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(warehouse.url, application_name="dump") as dump:
        dump.execute(read)
        load = pool.submit(load_month, settings, YELLOW, APRIL)
        with psycopg.connect(warehouse.url, autocommit=True) as reader:
            waits = "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            while reader.execute(waits).rowcount == 0:
                assert not load.done()
            reader.execute("SET statement_timeout = '20s'")
            reader.execute(read)
        assert not load.done()
        dump.rollback()
        assert load.result().rows_read


def test_lock_held_on_trips(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, prepared: Prepared, report: Report
) -> None:
    """A reader does not stand in the way and is not named, though its transaction is older."""
    settings = make_settings(source_url=mirror.url, lock_timeout=0.2)
    check = prepared(settings)
    with psycopg.connect(warehouse.url) as reader, psycopg.connect(warehouse.url, application_name="writer") as writer:
        reader.execute("SELECT FROM public.yellow_tripdata LIMIT 1")
        writer.execute("DELETE FROM public.yellow_tripdata WHERE false")
        said = failure(settings, BusyError)
        pid = writer.info.backend_pid
        assert f"public.yellow_tripdata was locked for 0.2 s by pid {pid} (user taxi, writer" in said
    check()
    report.row("lock", "trips locked by another session", f"fails: {said.replace(str(pid), '4711')}")


def test_lock_held_on_staging(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, prepared: Prepared
) -> None:
    settings = make_settings(source_url=mirror.url, lock_timeout=0.2)
    check = prepared(settings)
    with psycopg.connect(warehouse.url) as reader:
        reader.execute("SELECT FROM public.yellow_tripdata_staging LIMIT 1")
        said = failure(settings, BusyError)
        assert f"public.yellow_tripdata_staging was locked for 0.2 s by pid {reader.info.backend_pid}" in said
    check()


def test_lock_held_while_the_index_is_made(make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse) -> None:
    """The first load of tables that a flow made indexes trips, which waits for writers too."""
    from taxi_assets_tests.integration.faults.flow import make_plain_tables

    settings = make_settings(source_url=mirror.url, lock_timeout=0.2)
    make_plain_tables(warehouse, YELLOW)
    with psycopg.connect(warehouse.url) as writer:
        writer.execute("DELETE FROM public.yellow_tripdata WHERE false")
        failure(settings, BusyError)
    assert load_month(settings, YELLOW, MAY).rows_inserted == ROWS


@pytest.mark.parametrize("kilobytes", [1, 700, 1500])
def test_connection_dropped_in_the_copy(
    kilobytes: int, make_settings: MakeSettings, mirror: Mirror, server: EmbeddedServer, warehouse: Warehouse,
    prepared: Prepared, report: Report,
) -> None:  # fmt: skip
    postmaster = server.running()
    assert postmaster
    check = prepared(make_settings(source_url=mirror.url))
    with proxied(postmaster.port, {1: kilobytes << 10}) as proxy:
        url = elsewhere(warehouse.url, port=proxy.port)
        said = failure(make_settings(source_url=mirror.url, postgres_url=url, copy_streams=1), UnavailableError)
        assert proxy.broken == 1
    assert "run it again" in said
    check()
    report.row(
        "dropped",
        "connection dropped in the middle of COPY",
        "fails: … the connection to PostgreSQL was lost; run it again",
    )


def test_disk_full(
    settings: Settings, warehouse: Warehouse, admin: Admin, small_tablespace: Callable[[str], object], mirror: Mirror,
    report: Report, fault: Fault,
) -> None:  # fmt: skip
    load_month(settings, YELLOW, APRIL)
    before, rows = both(warehouse, YELLOW), rows_of(warehouse, YELLOW)
    mirror.publish(YELLOW, MAY, packed(csv_of(YELLOW, MAY, 100_000)))
    admin.execute(sql.SQL("ALTER DATABASE {} SET default_tablespace = small").format(database(warehouse)))
    said = failure(settings)
    assert "the server's disk is full (could not extend file" in said
    assert "free some, then run it again" in said
    with fault() as compare:
        compare(rows, rows_of(warehouse, YELLOW))
        assert both(warehouse, YELLOW) == before
        small_tablespace("100m")
        assert load_month(settings, YELLOW, MAY).rows_inserted == 100_000
        assert leftovers(warehouse) == []
    report.row(
        "disk",
        "disk of the server full",
        "fails: … the server's disk is full (could not extend file …: No space left on device); free some, "
        "then run it again",
    )
