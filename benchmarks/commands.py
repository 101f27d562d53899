"""What a user waits for: whole commands, from their start to their end."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from benchmarks import fingerprint, peers, process
from benchmarks.ground import GREEN, YELLOW, Ground, MonthFile
from benchmarks.measure import Findings, Goal, Seconds, interleaved, judge, timings
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between

_GREEN = Goal(
    "backfill of six green months", "at most 3 × bare COPY of the six + the time of an empty `dagster job execute`", 1.0
)
_YELLOW = Goal(
    "backfill of twelve small months",
    "at most 0.3 s per month beyond as many empty three-asset runs in one process",
    1.0,
)
_JOB = Goal(
    "one small month by dagster job execute", "at most 1.25 × an empty three-asset job by the same command", 1.25
)
_BEYOND = 0.3
_SIX = list(months_between(Month(2020, 4), Month(2020, 9)))
_TWELVE = list(months_between(Month(2019, 1), Month(2019, 12)))
_GREEN_SHARE = 15
"""A generated green month has this part of the large yellow month's rows, as the real ones have."""


def green_backfill(ground: Ground) -> Findings:
    """Six complete green months by `taxi-assets backfill`, beside their bare COPY and an empty job."""
    files, source = six_green(ground)

    def bare(_: int) -> float:
        with ground.database() as warehouse, warehouse.connect() as connection:
            return sum(peers.bare_copy(connection, file) for file in files)

    rounds = interleaved(
        ground.options.rounds,
        {
            "bare COPY": bare,
            "empty job": lambda _: _empty_job(ground),
            "taxi_assets": lambda _: shell_backfill(ground, files, source),
        },
    )
    return Findings(
        goals=[judge(_GREEN, rounds, lambda r: r["taxi_assets"] / (3 * r["bare COPY"] + r["empty job"]))],
        timings=timings("six green months, whole process", rows_of(files), rounds),
    )


def yellow_backfill(ground: Ground) -> Findings:
    """Twelve samples by `taxi-assets backfill`, beside as many empty runs in one process. The ratio is to 0.3 s."""
    files, source = twelve_yellow(ground)
    empty = process.python("-m", "benchmarks.empty", str(len(files)))
    rounds = interleaved(
        ground.options.rounds,
        {
            "empty runs": lambda _: process.seconds(ground, empty),
            "taxi_assets": lambda _: shell_backfill(ground, files, source),
        },
    )

    def ratio(figures: Seconds) -> float:
        return (figures["taxi_assets"] - figures["empty runs"]) / len(files) / _BEYOND

    return Findings(
        goals=[judge(_YELLOW, rounds, ratio)],
        timings=timings("twelve small months, whole process", rows_of(files), rounds),
    )


def job_execute(ground: Ground) -> Findings:
    """One sample by `dagster job execute`, beside an empty job of as many assets."""
    files, source = _months(ground, YELLOW, _TWELVE[:1], ground.options.small_rows)

    def ours(_: int) -> float:
        with ground.database() as warehouse:
            command = _job("taxi_assets.definitions", "yellow_postgres_taxi", files[0].month)
            seconds = process.seconds(ground, command, warehouse, source)
            check_loaded(warehouse, files)
            return seconds

    rounds = interleaved(ground.options.rounds, {"empty job": lambda _: _empty_job(ground), "taxi_assets": ours})
    return Findings(
        goals=[judge(_JOB, rounds, lambda r: r["taxi_assets"] / r["empty job"])],
        timings=timings("one small month, dagster job execute", rows_of(files), rounds),
    )


def six_green(ground: Ground) -> tuple[list[MonthFile], str]:
    """Complete months, and their source."""
    return _months(ground, GREEN, _SIX, ground.options.rows // _GREEN_SHARE)


def twelve_yellow(ground: Ground) -> tuple[list[MonthFile], str]:
    """Samples, and their source."""
    return _months(ground, YELLOW, _TWELVE[: ground.options.small_months], ground.options.small_rows)


def _months(ground: Ground, dataset: Dataset, months: list[Month], rows: int) -> tuple[list[MonthFile], str]:
    """Real months where they are at hand and the full size is asked for, else generated ones; and their source."""
    if ground.shared is not None and ground.options.rows >= 1_000_000:
        paths = {month: ground.shared / dataset.taxi / f"{dataset.file_name(month)}.gz" for month in months}
        if all(path.exists() for path in paths.values()):
            files = [ground.described(dataset, month, path) for month, path in paths.items()]
            return files, ground.shared.resolve().as_uri()
    return [ground.month(month, rows, dataset) for month in months], Path(ground.mirror(rows)).as_uri()


def shell_backfill(ground: Ground, files: list[MonthFile], source: str) -> float:
    """Seconds of a whole `taxi-assets backfill`, its start included."""
    taxi, first, last = files[0].dataset.taxi, files[0].month, files[-1].month
    with ground.database() as warehouse:
        command = [process.script("taxi-assets"), "backfill", taxi, "--from", str(first), "--to", str(last)]
        seconds = process.seconds(ground, command, warehouse, source)
        check_loaded(warehouse, files)
        return seconds


def check_loaded(warehouse: Warehouse, files: list[MonthFile]) -> None:
    """Raise WrongLoadError unless trips holds what the flow makes of each file."""
    with warehouse.connect() as connection:
        for file in files:
            found = fingerprint.of_file(connection, sql.Identifier("public", file.dataset.table), file.filename)
            fingerprint.check(found, file.wanted, f"{file.filename} in trips")


def _empty_job(ground: Ground) -> float:
    return process.seconds(ground, _job("benchmarks.empty", "empty", Month(2019, 1)))


def _job(module: str, job: str, month: Month) -> list[str]:
    tags = f'{{"dagster/partition": "{month}"}}'
    return [process.script("dagster"), "job", "execute", "-m", module, "-j", job, "--tags", tags]


def rows_of(files: list[MonthFile]) -> int:
    return sum(file.wanted.rows for file in files)
