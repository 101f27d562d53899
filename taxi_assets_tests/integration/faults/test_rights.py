"""An ordinary role: each missing right is one line with the statement that gives it, and giving it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from psycopg import sql

from taxi_assets.errors import WarehouseError
from taxi_assets.postgres.backfills import backfill_status, live_backfill
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.flow_limit import Asker, FlowLimit, Surplus, bury, slot
from taxi_assets.postgres.records import loaded_files
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.conftest import Admin
from taxi_assets_tests.integration.faults.flow import make_plain_tables
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.test_outages import elsewhere
from taxi_assets_tests.reliability import Report

ROWS = 500


def nothing_there(_: Settings, __: Warehouse) -> None:
    """An empty database."""


def tables_of_a_flow(_: Settings, warehouse: Warehouse) -> None:
    make_plain_tables(warehouse, YELLOW)


def loaded_by_the_owner(settings: Settings, _: Warehouse) -> None:
    load_month(settings, YELLOW, APRIL.next)


@pytest.fixture
def role(admin: Admin) -> Iterator[str]:
    admin.execute("CREATE ROLE ordinary LOGIN PASSWORD 'ordinary'")
    yield "ordinary"
    admin.execute("DROP OWNED BY ordinary CASCADE; DROP ROLE ordinary")


@pytest.mark.parametrize("before", [nothing_there, tables_of_a_flow, loaded_by_the_owner])
def test_every_missing_right_is_named_until_there_is_none(
    before: Callable[[Settings, Warehouse], None],
    make_settings: MakeSettings,
    mirror: Mirror,
    warehouse: Warehouse,
    admin: Admin,
    role: str,
    report: Report,
) -> None:
    for month in (APRIL, APRIL.next):
        mirror.publish(YELLOW, month, packed(csv_of(YELLOW, month, ROWS)))
    before(make_settings(source_url=mirror.url), warehouse)
    url = elsewhere(warehouse.url, user=role, password=role)
    settings = make_settings(source_url=mirror.url, postgres_url=url)
    given = given_until_it_works(admin, lambda: load_month(settings, YELLOW, APRIL))
    assert given
    assert load_month(settings, YELLOW, APRIL).rows_matched == ROWS
    database = warehouse.url.rpartition("/")[2]
    said = "; ".join(statement.replace(database, "ny_taxi") for statement in given)
    report.row(before.__name__, before.__name__.replace("_", " "), f"asks for: {said}")


def test_staging_of_an_ordinary_owner_is_for_both_roles(
    make_settings: MakeSettings, mirror: Mirror, warehouse: Warehouse, admin: Admin, role: str
) -> None:
    mirror.publish(YELLOW, APRIL, packed(csv_of(YELLOW, APRIL, ROWS)))
    admin.execute("CREATE ROLE owner LOGIN PASSWORD 'owner'")
    try:
        owner, other = (
            make_settings(source_url=mirror.url, postgres_url=elsewhere(warehouse.url, user=user, password=user))
            for user in ("owner", role)
        )
        given_until_it_works(admin, lambda: load_month(owner, YELLOW, APRIL))
        assert 'GRANT "owner" TO "ordinary"' in given_until_it_works(admin, lambda: load_month(other, YELLOW, APRIL))
        assert load_month(owner, YELLOW, APRIL).rows_matched == ROWS
    finally:
        admin.execute("DROP OWNED BY owner CASCADE; DROP ROLE owner")


@pytest.mark.parametrize("first", ["owner", "ordinary"])
def test_rights_on_the_tables_of_backfills_are_named(first: str, warehouse: Warehouse, admin: Admin, role: str) -> None:
    def work(of: Warehouse) -> None:
        limit = FlowLimit("flow", 1, Surplus.QUEUE)
        asker = Asker("a run", "yellow", datetime.now(UTC), print)
        with live_backfill(of, "yellow", ["2020-04"], {}), slot(of, limit, asker), of.connect() as connection:
            loaded_files(connection)
            backfill_status(connection)
        bury(of)

    if first == "owner":
        work(warehouse)
    ordinary = Warehouse(elsewhere(warehouse.url, user=role, password=role))
    assert given_until_it_works(admin, lambda: work(ordinary))


def given_until_it_works(admin: Admin, work: Callable[[], object]) -> list[str]:
    """What was asked for and given, one after the other."""
    given: list[str] = []
    while missing := missing_right(work):
        assert missing not in given, "given, and asked for again"
        given.append(missing)
        grant(admin, missing)
    return given


def missing_right(work: Callable[[], object]) -> str | None:
    """What is asked for; None when it went well."""
    try:
        work()
    except WarehouseError as error:
        _, _, asked = str(error).partition("; ask the owner for: ")
        return asked or f"nothing, but says: {error}"
    return None


def grant(admin: Admin, statement: str) -> None:
    """As the owner would: the statement as it stands, and what it says of partitions in words."""
    command, _, words = statement.partition(", and the same for its partitions")
    admin.execute(command.encode())
    if not words:
        return
    for (table,) in admin.execute(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
        " WHERE c.relnamespace = 'taxi_assets'::regnamespace"
    ).fetchall():
        admin.execute(sql.SQL("ALTER TABLE taxi_assets.{} OWNER TO ordinary").format(sql.Identifier(table)))
