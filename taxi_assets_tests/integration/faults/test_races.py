"""Loads at the same time as each other and as the flow: the same rows as one after the other, under the right files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Load
from taxi_assets.settings import Settings
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.quirks import HARD, Quirks
from taxi_assets_tests.conftest import Fault
from taxi_assets_tests.integration.faults import worker
from taxi_assets_tests.integration.faults.conftest import NewWarehouse
from taxi_assets_tests.integration.faults.flow import STEPS, Flow, make_plain_tables, run_flows
from taxi_assets_tests.integration.faults.months import GREEN, Mirror, csv_of, load_month, packed
from taxi_assets_tests.integration.faults.tables import both, leftovers, rows_of

MONTHS = tuple(months_between(Month(2020, 1), Month(2020, 8)))
ROWS = 2_000
APART = Quirks(strays=0.01, vendorless=0.3, duplicates=0.02, null_pickups=0.01, null_fares=0.01, swapped_nulls=0.01)
"""All that is hard, but no trip in two files: whose row comes first is for the order to say, not for the files."""


def test_eight_months_at_once(
    settings: Settings, mirror: Mirror, warehouse: Warehouse, new_warehouse: NewWarehouse, fault: Fault
) -> None:
    files = [(month, mirror.publish(GREEN, month, packed(csv_of(GREEN, month, ROWS, 0, APART)))) for month in MONTHS]
    processes = [worker.start(settings, GREEN, month, streams=1) for month in MONTHS]
    results = [worker.result(process) for process in processes]
    assert [result.get("error") for result in results] == [None] * 8
    one_by_one = new_warehouse()
    run_flows(one_by_one, GREEN, files)
    with fault() as compare:
        compare(rows_of(one_by_one, GREEN), rows_of(warehouse, GREEN))
        assert both(warehouse, GREEN).staging.rows == ROWS
        assert leftovers(warehouse) == []


def test_the_same_month_from_four(
    settings: Settings, mirror: Mirror, warehouse: Warehouse, new_warehouse: NewWarehouse, fault: Fault
) -> None:
    month = MONTHS[0]
    path = mirror.publish(GREEN, month, packed(csv_of(GREEN, month, ROWS, 0, HARD)))
    processes = [worker.start(settings, GREEN, month) for _ in range(4)]
    results = [worker.result(process) for process in processes]
    once = new_warehouse()
    run_flows(once, GREEN, [(month, path)])
    with fault() as compare:
        compare(rows_of(once, GREEN), rows_of(warehouse, GREEN))
        assert sorted(int(result["rows_inserted"]) for result in results) == [0, 0, 0, ROWS]
        assert both(warehouse, GREEN) == both(once, GREEN)
        assert leftovers(warehouse) == []


def partitioned_staging(_: Warehouse) -> None:
    """Nothing is there: the first load makes staging."""


def plain_staging(warehouse: Warehouse) -> None:
    """Both tables as the flow makes them."""
    make_plain_tables(warehouse, GREEN)


@pytest.mark.parametrize("tables", [partitioned_staging, plain_staging])
@pytest.mark.parametrize("other", ["same month", "another month"])
@pytest.mark.parametrize("after", STEPS[:-1])
def test_a_load_between_two_statements_of_the_flow(
    after: str,
    other: str,
    tables: Callable[[Warehouse], None],
    settings: Settings,
    mirror: Mirror,
    warehouse: Warehouse,
    new_warehouse: NewWarehouse,
    fault: Fault,
) -> None:
    earlier, flows = MONTHS[:2]
    loaded = flows if other == "same month" else MONTHS[2]
    files = {month: mirror.publish(GREEN, month, packed(csv_of(GREEN, month, 500, 0, APART))) for month in MONTHS[:3]}
    tables(warehouse)
    load_month(settings, GREEN, earlier)

    def hold_up(step: str) -> None:
        if step == after:
            load_month(settings, GREEN, loaded)

    Flow(warehouse, GREEN, flows, files[flows]).run(between=hold_up)
    one_by_one = new_warehouse()
    run_flows(one_by_one, GREEN, [(month, files[month]) for month in (earlier, flows, loaded)])
    with fault() as compare:
        compare(rows_of(one_by_one, GREEN), rows_of(warehouse, GREEN))
        load_month(settings, GREEN, loaded)
        assert both(warehouse, GREEN) == both(one_by_one, GREEN)


@pytest.mark.parametrize("tables", [partitioned_staging, plain_staging])
@pytest.mark.parametrize("month", ["same month", "another month"])
@pytest.mark.parametrize("statement", ["copy", "update", "merge"])
def test_a_load_beside_a_statement_of_the_flow(
    month: str,
    statement: str,
    tables: Callable[[Warehouse], None],
    settings: Settings,
    mirror: Mirror,
    warehouse: Warehouse,
    new_warehouse: NewWarehouse,
    fault: Fault,
) -> None:
    """The flow's statement is done and not yet committed when the load begins, so that the load must wait for it."""
    earlier, flows = MONTHS[:2]
    loaded = flows if month == "same month" else MONTHS[2]
    files = {month: mirror.publish(GREEN, month, packed(csv_of(GREEN, month, 500, 0, APART))) for month in MONTHS[:3]}
    tables(warehouse)
    load_month(settings, GREEN, earlier)
    flow = Flow(warehouse, GREEN, flows, files[flows])
    place = STEPS.index(statement)
    flow.run(STEPS[:place])
    with ThreadPoolExecutor(1) as pool, warehouse.connect("kestra") as connection:
        with connection.transaction():
            flow.run_in(connection, statement)
            load = pool.submit(load_month, settings, GREEN, loaded)
            wait_until_it_waits(warehouse, load)
        assert load.result().rows_read == 500
    flow.run(STEPS[place + 1 :])
    one_by_one = new_warehouse()
    run_flows(one_by_one, GREEN, [(month, files[month]) for month in (earlier, flows, loaded)])
    with fault() as compare:
        compare(rows_of(one_by_one, GREEN), rows_of(warehouse, GREEN))


@pytest.mark.parametrize("after", STEPS[:-1])
def test_a_load_while_the_flow_loads_a_month_again(
    after: str, settings: Settings, mirror: Mirror, warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """The month is still a partition of staging, but no more in trips: the flow's rows go where its rows were."""
    again, loaded = MONTHS[:2]
    files = {month: mirror.publish(GREEN, month, packed(csv_of(GREEN, month, 500, 0, APART))) for month in MONTHS[:2]}
    load_month(settings, GREEN, again)
    with warehouse.connect() as connection:
        connection.execute("TRUNCATE public.green_tripdata")

    def hold_up(step: str) -> None:
        if step == after:
            load_month(settings, GREEN, loaded)

    Flow(warehouse, GREEN, again, files[again]).run(between=hold_up)
    one_by_one = new_warehouse()
    run_flows(one_by_one, GREEN, list(files.items()))
    assert both(warehouse, GREEN).trips == both(one_by_one, GREEN).trips
    load_month(settings, GREEN, loaded)
    assert both(warehouse, GREEN) == both(one_by_one, GREEN)


def wait_until_it_waits(warehouse: Warehouse, load: Future[Load]) -> None:
    query = "SELECT FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
    with warehouse.connect() as connection:
        while connection.execute(query).fetchone() is None:
            assert not load.done(), load.result()
            connection.execute("SELECT pg_sleep(0.02)")


def test_flow_and_loads_race_freely(
    settings: Settings, mirror: Mirror, warehouse: Warehouse, new_warehouse: NewWarehouse, fault: Fault
) -> None:
    """Nothing held up: whatever falls out, every month is in once."""
    files = {month: mirror.publish(GREEN, month, packed(csv_of(GREEN, month, ROWS, 0, APART))) for month in MONTHS[:4]}
    load_month(settings, GREEN, MONTHS[0])
    processes = [worker.start(settings, GREEN, month) for month in MONTHS[2:4]]
    for _ in range(3):
        Flow(warehouse, GREEN, MONTHS[1], files[MONTHS[1]]).run()
    for process in processes:
        assert "error" not in worker.result(process)
    one_by_one = new_warehouse()
    run_flows(one_by_one, GREEN, list(files.items()))
    with fault() as compare:
        compare(rows_of(one_by_one, GREEN), rows_of(warehouse, GREEN))
