"""`python -m benchmarks`: run the benchmark and write what it found."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import commands, footprint, growth, kestra, latency, month, process, report
from benchmarks.ground import Ground, Options, prepared
from benchmarks.measure import Findings
from taxi_assets.postgres.connection import Warehouse

PARTS: dict[str, Callable[[Ground], Findings]] = {
    "month": month.month,
    "growth": growth.growth,
    "job": commands.job_execute,
    "green": commands.green_backfill,
    "yellow": commands.yellow_backfill,
    "import": footprint.imports,
    "memory": footprint.memory,
    "latency": latency.latency,
    "others": month.others,
    "kestra": kestra.kestra,
}
FULL = Options()
QUICK = Options(rounds=1, rows=10_000, base_rows=40_000, small_rows=500, small_months=3)
"""Sizes that show whether the benchmark itself works; the figures mean nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 whether or not the goals are met: a slow machine is no error."""
    given = _parser().parse_args(arguments)
    options = _options(given)
    output = given.output or (report.FOLDER / "partial" if given.only or given.quick else report.FOLDER)
    findings = Findings()
    process.compile_modules()
    with tempfile.TemporaryDirectory(prefix="taxi_bench_") as folder, prepared(options, Path(folder)) as ground:
        with Warehouse(ground.server_url).connect() as connection:
            facts = report.machine(connection.info.parameter_status("server_version") or "unknown")
        for name in given.only or PARTS:
            start = time.perf_counter()
            found = PARTS[name](ground)
            sys.stdout.write(f"{name}: {time.perf_counter() - start:.0f} s\n")
            for line in report.lines(found.goals):
                sys.stdout.write(f"  {line}\n")
            sys.stdout.flush()
            findings.add(found)
            # After each part, so that a run that is ended early has not been for nothing.
            report.write(report.document(findings, options, facts), output)
    for what, why in findings.skipped.items():
        sys.stdout.write(f"skipped  {what}: {why}\n")
    sys.stdout.write(f"written  {output}/results.json and results.html\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, help=f"how often each is measured ({FULL.rounds})")
    parser.add_argument("--rows", type=int, help=f"rows of the large month ({FULL.rows:,})")
    parser.add_argument("--base-rows", type=int, help=f"rows of the large table ({FULL.base_rows:,})")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the benchmark itself")
    parser.add_argument("--kestra-url", help="a Kestra server with flow 04_postgres_taxi, to measure beside")
    parser.add_argument("--output", type=Path, help="folder for results.json and results.html (benchmarks)")
    return parser


def _options(given: argparse.Namespace) -> Options:
    from dataclasses import replace

    chosen = {
        name: value
        for name in ("rounds", "rows", "base_rows", "kestra_url")
        if (value := getattr(given, name)) is not None
    }
    return replace(QUICK if given.quick else FULL, **chosen)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped and the folder removed
    sys.exit(main())
