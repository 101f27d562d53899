"""A server elsewhere: the same month through a proxy that adds 20 ms to every round trip, by 1, 2 and 4 streams."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from psycopg import sql

from benchmarks import fingerprint
from benchmarks.ground import Ground, MonthFile
from benchmarks.measure import Findings, interleaved, medians, timed, timings
from benchmarks.proxy import delayed
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.trips.months import Month

_ONE_WAY = 0.010
_STREAMS = (1, 2, 4)
_SHARE = 5
"""The month is this part of the large one: the proxy, written in Python, is to be no bottleneck."""
_TINY = 1000


def latency(ground: Ground) -> Findings:
    """Times by streams, and how many round trips a load waits for, from the time that a tiny month takes more."""
    file = ground.month(Month(2020, 9), ground.options.rows // _SHARE)
    tiny = ground.month(Month(2020, 8), _TINY)
    parts = urlsplit(ground.server_url)
    with delayed(parts.hostname or "", parts.port or 5432, _ONE_WAY) as port:

        def far(warehouse: Warehouse) -> Warehouse:
            return Warehouse(warehouse.url.replace(f":{parts.port}/", f":{port}/"))

        contenders: dict[str, Callable[[int], float]] = {
            f"{streams} stream{'s' if streams > 1 else ''}, 20 ms away": partial(
                _timed_load, ground, file, streams, far
            )
            for streams in _STREAMS
        }
        contenders["2 streams, near"] = partial(_timed_load, ground, file, 2, _near)
        rounds = interleaved(ground.options.rounds, contenders)
        small = interleaved(
            ground.options.rounds,
            {
                "far": partial(_timed_load, ground, tiny, 1, far),
                "near": partial(_timed_load, ground, tiny, 1, _near),
            },
        )
    middle = medians(small)
    trips = (middle["far"] - middle["near"]) / (2 * _ONE_WAY)
    return Findings(
        timings=[
            *timings(f"{file.wanted.rows:,} rows, server 20 ms away", file.wanted.rows, rounds),
            *timings(f"{_TINY:,} rows, one stream: about {trips:.0f} round trips", _TINY, small),
        ]
    )


def _near(warehouse: Warehouse) -> Warehouse:
    return warehouse


def _timed_load(
    ground: Ground, file: MonthFile, streams: int, reach: Callable[[Warehouse], Warehouse], _round: int
) -> float:
    with ground.database() as warehouse:
        # The tables are there, as in every month but the first.
        settings = ground.settings(warehouse, copy_streams=streams)
        first = ground.month(Month(2020, 7), _TINY)
        Loader(warehouse, settings).load(first.dataset, first.month, first.raw)
        with timed() as clock:
            Loader(reach(warehouse), settings).load(file.dataset, file.month, file.raw)
        with warehouse.connect() as connection:
            found = fingerprint.of_file(connection, sql.Identifier("public", file.dataset.table), file.filename)
        fingerprint.check(found, file.wanted, f"{file.filename} through {streams} streams")
        return clock.seconds
