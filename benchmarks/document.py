"""Puts measured figures into the pages that quote them, between their markers, so that the two cannot drift.

`python -m benchmarks.document` writes the pages anew; a test holds that nothing would change.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import FOLDER

_DOCS = FOLDER.parent / "docs"
PAGES = {
    _DOCS / "performance.md": FOLDER / "results.json",
    _DOCS / "scheduling.md": FOLDER / "backfills.json",
}
"""Each page, and the results that it quotes."""
_SOON = 15
"""Seconds after the first run's start until which twelve yellow months from the UI are to be loaded."""
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
    return f"{_measured(results)}; {results['options']['rounds']} rounds."


def _measured(results: Results) -> str:
    machine = results["machine"]
    return (
        f"Measured {results['when'][:10]} with {machine['processors']} processors, {machine['memory_gb']} GB of "
        f"memory, PostgreSQL {machine['postgresql']} with default settings, Python {machine['python']}, Dagster "
        f"{machine['dagster']}"
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


def _backfills(results: Results) -> str:
    """A line for each taxi's months and way, and whether the UI's is soon enough."""
    found = results["backfills"]
    rows = [
        f"| {b['months']} {b['taxi']}, {b['rows']:,} rows | {b['way']} | {b['seconds']:.1f} "
        f"| {'' if b['at_work'] is None else format(b['at_work'], '.1f')} |"
        for b in found
    ]
    soon = next(b["at_work"] for b in found if b["taxi"] == "yellow" and b["at_work"] is not None)
    verdict = "met" if soon <= _SOON else "**not met**"
    head = ("months", "by", "seconds in all", "from the first run's start")
    return (
        f"{_measured(results)}; one round.\n\n{_table(head, rows)}\n\n"
        f"The goal that twelve yellow months launched from the UI are loaded at most {_SOON} s after the first run "
        f"starts is {verdict}."
    )


_FIGURES: dict[str, Callable[[Results], str]] = {
    "machine": _machine,
    "goals": _goals,
    "phases": _phases,
    "timings": _timings,
    "full": _full,
    "backfills": _backfills,
}


def _table(head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows])


def read(path: Path) -> Results:
    """The results as last written."""
    found: Results = json.loads(path.read_text(encoding="utf-8"))
    return found


def main() -> int:
    for page, results in PAGES.items():
        page.write_text(with_figures(page.read_text(encoding="utf-8"), read(results)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
