"""Puts the figures of results.json into docs/performance.md, between its markers, so that the two cannot drift.

`python -m benchmarks.document` writes the page anew; a test holds that nothing would change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import FOLDER

PAGE = FOLDER.parent / "docs" / "performance.md"
_FULL_ROWS = 110_000_000
"""Trips of both taxis in 2019 and 2020, about."""
_MARKED = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Results = Mapping[str, Any]


def with_figures(page: str, results: Results) -> str:
    """The page with every marked place filled from the results."""
    return _MARKED.sub(lambda found: f"{found[1]}{_FIGURES[found[2]](results)}\n{found[3]}", page)


def _goals(results: Results) -> str:
    rows = [
        f"| {goal['name']} | {goal['goal']} | {goal['ratio']:.2f} ({goal['low']:.2f} to {goal['high']:.2f}) "
        f"| {goal['limit']:.3g} | {'met' if goal['met'] else '**not met**'} |"
        for goal in results["goals"]
    ]
    return _table(("goal", "what", "measured", "limit", ""), rows)


def _machine(results: Results) -> str:
    machine = results["machine"]
    return (
        f"Measured {results['when'][:10]} with {machine['processors']} processors, {machine['memory_gb']} GB of "
        f"memory, PostgreSQL {machine['postgresql']} with default settings, Python {machine['python']}, Dagster "
        f"{machine['dagster']}; {results['options']['rounds']} rounds."
    )


def _phases(results: Results) -> str:
    rows = []
    for work, phases in results["phases"].items():
        total = sum(phases.values())
        rows += [f"| {work} | {name} | {seconds:.2f} | {seconds / total:.0%} |" for name, seconds in phases.items()]
    return _table(("work", "phase", "seconds", "share"), rows)


def _timings(results: Results) -> str:
    rows = [
        f"| {t['work']} | {t['contender']} | {t['median']:.2f} | {min(t['seconds']):.2f} to {max(t['seconds']):.2f} "
        f"| {t['note']} |"
        for t in sorted(results["timings"], key=lambda t: (t["work"], t["median"]))
    ]
    return _table(("work", "by", "seconds", "spread", ""), rows)


def _full(results: Results) -> str:
    """What two years in full cost, at the pace of a month into a large table."""
    large = {t["contender"]: t for t in results["timings"] if t["rows"] and " into " in t["work"]}
    rows = [
        f"| {name} | {t['median'] / t['rows'] * 1e6:.1f} | {t['median'] / t['rows'] * _FULL_ROWS / 60:.0f} |"
        for name, t in sorted(large.items(), key=lambda item: float(item[1]["median"]))
    ]
    return _table(("by", "seconds per million rows", f"minutes for {_FULL_ROWS:,} rows"), rows)


_FIGURES: dict[str, Callable[[Results], str]] = {
    "machine": _machine,
    "goals": _goals,
    "phases": _phases,
    "timings": _timings,
    "full": _full,
}


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows])


def read(path: Path = FOLDER / "results.json") -> Results:
    """The results as last written."""
    found: Results = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> int:
    PAGE.write_text(with_figures(PAGE.read_text(encoding="utf-8"), read()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
