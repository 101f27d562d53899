"""What a benchmark run leaves: results.json, a page to look at, and lines in the terminal."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.ground import Options
from benchmarks.measure import Findings, Result

FOLDER = Path(__file__).parent


def machine(server_version: str) -> dict[str, Any]:
    """Facts without which a figure means little. No host name, no path."""
    return {
        "processors": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "postgresql": server_version,
        "dagster": version("dagster"),
    }


def document(findings: Findings, options: Options, facts: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "options": {name: value for name, value in asdict(options).items() if name != "kestra_url"},
        "goals": [asdict(result) for result in findings.goals],
        "timings": [{**asdict(timing), "median": timing.median} for timing in findings.timings],
        "phases": findings.phases,
        "skipped": findings.skipped,
    }


def write(results: dict[str, Any], folder: Path) -> None:
    """results.json and results.html."""
    from benchmarks.page import page

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(rounded(results), indent=1) + "\n", encoding="utf-8")
    (folder / "results.html").write_text(page(results), encoding="utf-8")


def lines(results: Iterable[Result]) -> Iterable[str]:
    """A line for each goal."""
    for result in results:
        verdict = "met    " if result.met else "NOT MET"
        spread = f"{result.ratio:.2f} ({result.low:.2f} to {result.high:.2f}), limit {result.limit:.3g}"
        yield f"{verdict}  {result.name:40} {spread:38} {result.goal}"


def rounded(value: Any) -> Any:
    """Results as they are written: more digits would only seem to say more."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value
