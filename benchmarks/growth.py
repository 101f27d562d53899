"""Whether a month costs the same when the trips table is large: twenty months of real loads, strays included."""

from __future__ import annotations

from psycopg import sql

from benchmarks import peers
from benchmarks.ground import YELLOW, Ground, MonthFile, raw_file
from benchmarks.measure import Findings, Goal, interleaved, judge, timings
from benchmarks.month import our_load
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.trips.months import Month, months_between

_FIRST = Month(2017, 1)
_BASE_MONTHS = 20
_TRIPS = sql.Identifier("public", YELLOW.table)
_GROWTH = Goal("growth", "at most 1.15 × the same month with its strays into an empty table", 1.15)
_FLOW = Goal(
    "month against the flow, large table", "at most 1/8 of the flow's own statements on the large table", 1 / 8
)


def growth(ground: Ground) -> Findings:
    """Each timed load is of the next month, so the table grows as it does in use and is never cut back."""
    months = months_between(_FIRST, Month(2021, 7))
    rows, count = ground.options.rows, ground.options.rounds
    with ground.database() as large:
        loader = Loader(large, ground.settings(large))
        base = [next(months) for _ in range(_BASE_MONTHS)]
        for month in base:
            path = ground.written(month, ground.options.base_rows // _BASE_MONTHS)
            loader.load(YELLOW, month, raw_file(path))
            path.unlink()
        with large.connect() as connection:
            connection.execute("VACUUM (ANALYZE) " + YELLOW.table)  # as autovacuum leaves a table at rest
        todo = [ground.month(next(months), rows) for _ in range(count)]
        rounds = interleaved(
            count,
            {
                "empty table": lambda number: _into_empty(ground, todo[number]),
                "large table": lambda number: _into(ground, large, todo[number]),
            },
        )
        flow_rounds = max(1, count // 2)
        ours, the_flows = ([ground.month(next(months), rows) for _ in range(flow_rounds)] for _ in range(2))
        against_flow = interleaved(
            flow_rounds,
            {
                "taxi_assets": lambda number: _into(ground, large, ours[number]),
                "the flow's statements": lambda number: _flow_into(large, the_flows[number]),
            },
        )
    work = f"a month of {rows:,} rows into {ground.options.base_rows:,}"
    return Findings(
        goals=[
            judge(_GROWTH, rounds, lambda r: r["large table"] / r["empty table"]),
            judge(_FLOW, against_flow, lambda r: r["taxi_assets"] / r["the flow's statements"]),
        ],
        timings=[*timings("growth", rows, rounds), *timings(work, rows, against_flow)],
    )


def _into_empty(ground: Ground, file: MonthFile) -> float:
    with ground.database() as warehouse:
        return our_load(ground, warehouse, file)[0]


def _into(ground: Ground, warehouse: Warehouse, file: MonthFile) -> float:
    with warehouse.connect() as connection:
        pages = peers.table_pages(connection, _TRIPS)
    return our_load(ground, warehouse, file, max(0, pages - 1))[0]


def _flow_into(warehouse: Warehouse, file: MonthFile) -> float:
    with warehouse.connect() as connection:
        return peers.flow_statements(connection, file, _TRIPS)
