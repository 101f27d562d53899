"""An ordinary role: each missing right is one line with the statement that gives it, and giving it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from psycopg import sql

from taxi_assets.errors import WarehouseError
from taxi_assets.postgres.connection import Warehouse
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
    given: list[str] = []
    while missing := missing_right(settings):
        assert missing not in given, "given, and asked for again"
        given.append(missing)
        grant(admin, missing)
    assert given
    assert load_month(settings, YELLOW, APRIL).rows_matched == ROWS
    database = warehouse.url.rpartition("/")[2]
    said = "; ".join(statement.replace(database, "ny_taxi") for statement in given)
    report.row(before.__name__, before.__name__.replace("_", " "), f"asks for: {said}")


def missing_right(settings: Settings) -> str | None:
    """What the month's run asks for; None when it went well."""
    try:
        load_month(settings, YELLOW, APRIL)
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
