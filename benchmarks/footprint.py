"""What a process needs: memory while it loads, and time to import the definitions.

`python -m benchmarks.footprint TAXI MONTH FILE` loads a file and prints the process's own peak memory in MB.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from benchmarks import process
from benchmarks.ground import Ground, MonthFile, raw_file
from benchmarks.measure import Findings, Goal, interleaved, judge, timings

HEAVY = ("google", "dbt", "duckdb", "matplotlib", "pandas")
"""Libraries that the definitions must not import: they are imported where they are used."""
_MEMORY = Goal("peak memory", "under 400 MB in the loading process, at ten times the rows", 400)
_FLAT = Goal("memory growth", "no more at ten times the rows than at once (5 % for the allocator's mood)", 1.05)
_IMPORT = Goal("import", "`import taxi_assets.definitions` at most 0.5 s beyond `import dagster`", 0.5)
_HEAVY = Goal("heavy imports", f"none of {', '.join(HEAVY)} in `import taxi_assets.definitions`", 0)


def memory(ground: Ground) -> Findings:
    """Peak memory of the process that loads, not of the server, at the month's rows and at ten times as many."""
    from taxi_assets.trips.months import Month

    rows = ground.options.rows
    once, tenfold = ground.month(Month(2020, 10), rows), ground.month(Month(2020, 10), 10 * rows)
    rounds = interleaved(
        min(2, ground.options.rounds),
        {"once": lambda _: _peak(ground, once), "tenfold": lambda _: _peak(ground, tenfold)},
    )
    return Findings(
        goals=[
            judge(_MEMORY, rounds, lambda r: r["tenfold"], "MB"),
            judge(_FLAT, rounds, lambda r: r["tenfold"] / r["once"], "MB"),
        ]
    )


def _peak(ground: Ground, file: MonthFile) -> float:
    with ground.database() as warehouse:
        env = {"TAXI_DATA_DIR": str(ground.folder / "data"), "TAXI_POSTGRES_URL": warehouse.url}
        command = process.python("-m", "benchmarks.footprint", file.dataset.taxi, str(file.month), str(file.path))
        told = json.loads(process.output(command, env))
    if told["rows"] != file.wanted.rows:
        raise process.CommandError(f"loaded {told['rows']} of {file.wanted.rows} rows")
    return float(told["peak_mb"])


def imports(ground: Ground) -> Findings:
    """Seconds of a process that imports the definitions beyond one that imports Dagster, and what came in."""
    listed = "import sys, json, taxi_assets.definitions; print(json.dumps(sorted(sys.modules)))"
    env = {"TAXI_DATA_DIR": str(ground.folder / "data")}
    modules = json.loads(process.output(process.python("-c", listed), env))
    heavy = [name for name in modules if name.partition(".")[0] in HEAVY]
    rounds = interleaved(
        ground.options.rounds,
        {
            "import dagster": lambda _: process.seconds(ground, process.python("-c", "import dagster")),
            "import taxi_assets.definitions": lambda _: process.seconds(
                ground, process.python("-c", "import taxi_assets.definitions")
            ),
        },
    )
    return Findings(
        goals=[
            judge(_IMPORT, rounds, lambda r: r["import taxi_assets.definitions"] - r["import dagster"]),
            judge(_HEAVY, [{"modules": float(len(heavy))}], lambda r: r["modules"], "modules"),
        ],
        timings=timings("import", 0, rounds),
    )


def _load(taxi: str, month: str, path: str) -> None:
    from taxi_assets.postgres.connection import Warehouse
    from taxi_assets.postgres.load import Loader
    from taxi_assets.settings import get_settings
    from taxi_assets.trips.datasets import DATASETS
    from taxi_assets.trips.months import Month

    settings = get_settings()
    loader = Loader(Warehouse.from_settings(settings), settings)
    load = loader.load(DATASETS[taxi], Month.parse(month), raw_file(Path(path)))
    sys.stdout.write(json.dumps({"rows": load.rows_read, "peak_mb": _own_peak()}))


def _own_peak() -> float:
    """In MB. Linux's ru_maxrss begins at what the parent had when it started this process; VmHWM is this one's own."""
    status = Path("/proc/self/status")
    if status.exists():
        (kilobytes,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(kilobytes) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    _load(*sys.argv[1:])
