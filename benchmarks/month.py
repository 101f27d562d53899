"""One large month: from the .csv.gz on disk to merged and committed, beside a bare COPY and what others do."""

from __future__ import annotations

import tempfile
from pathlib import Path

from psycopg import sql

from benchmarks import fingerprint, peers
from benchmarks.ground import Ground, MonthFile, settle
from benchmarks.measure import Findings, Goal, Seconds, interleaved, judge, medians, timed, timings
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Load, Loader
from taxi_assets.trips.months import Month

_MONTH = Month(2020, 9)
_BARE = Goal("month against bare COPY", "at most 1.5 × a bare single-stream COPY of the same CSV", 1.5)
_FLOW = Goal("month against the flow, empty table", "at most 1/3 of the flow's own statements on an empty table", 1 / 3)
_RELOAD = Goal("re-load", "at most 1.0 × its first load", 1.0)


def our_load(ground: Ground, warehouse: Warehouse, file: MonthFile, first_page: int = 0) -> tuple[float, Load]:
    """Our load of a month as a user gets it, checked: both tables must hold exactly what the flow would have left."""
    loader = Loader(warehouse, ground.settings(warehouse))
    with warehouse.connect() as connection:
        settle(connection)
        with timed() as clock:
            load = loader.load(file.dataset, file.month, file.raw)
        for name, page in ((file.dataset.table, first_page), (file.dataset.staging_table, 0)):
            found = fingerprint.of_file(connection, sql.Identifier("public", name), file.filename, page)
            fingerprint.check(found, file.wanted, f"{name} after loading {file.filename}")
    return clock.seconds, load


def month(ground: Ground) -> Findings:
    """The goals of a month on an empty table, its re-load, and the peers."""
    file = ground.month(_MONTH, ground.options.rows)
    phases: list[Seconds] = []
    reloads: list[float] = []

    def bare(_: int) -> float:
        with ground.database() as warehouse, warehouse.connect() as connection:
            return peers.bare_copy(connection, file)

    def flow(_: int) -> float:
        with ground.database() as warehouse, warehouse.connect() as connection:
            return peers.flow_statements(connection, file)

    def ours(_: int) -> float:
        with ground.database() as warehouse:
            seconds, load = our_load(ground, warehouse, file)
            phases.append(load.seconds)
            again, _load = our_load(ground, warehouse, file)
            reloads.append(again)
            return seconds

    flow(0)  # not counted: it leaves the server with log files to write over, as one has that was at work before
    rounds = interleaved(ground.options.rounds, {"bare COPY": bare, "taxi_assets": ours, "the flow's statements": flow})
    again = [{"first": r["taxi_assets"], "again": seconds} for r, seconds in zip(rounds, reloads, strict=True)]
    work = f"a month of {file.wanted.rows:,} rows"
    return Findings(
        goals=[
            judge(_BARE, rounds, lambda r: r["taxi_assets"] / r["bare COPY"]),
            judge(_FLOW, rounds, lambda r: r["taxi_assets"] / r["the flow's statements"]),
            judge(_RELOAD, again, lambda r: r["again"] / r["first"]),
        ],
        timings=timings(work, file.wanted.rows, rounds),
        phases={work: medians(phases)},
    )


def others(ground: Ground) -> Findings:
    """pandas and dlt with the same month, once: they are far from the rest, and slow."""
    file = ground.month(_MONTH, ground.options.rows)
    found = Findings()
    work = f"a month of {file.wanted.rows:,} rows"
    with ground.database() as warehouse:
        seconds = {"pandas to_sql": peers.pandas_to_sql(warehouse, file)}
        found.timings += timings(work, file.wanted.rows, [seconds], {"pandas to_sql": "a tenth of the rows, times ten"})
        if reason := peers.dlt_missing():
            found.skipped["dlt"] = reason
        else:
            with tempfile.TemporaryDirectory(dir=ground.folder) as folder:
                seconds = {"dlt": peers.dlt_load(warehouse, file, str(Path(folder)))}
            found.timings += timings(work, file.wanted.rows, [seconds], {"dlt": "appends, does not merge"})
    return found
