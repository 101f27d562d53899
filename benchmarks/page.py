"""results.html: the goals as bars against their limits, the peers beside us, where a month's time goes."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from benchmarks.charts import bars, stack

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd }
svg { display: block; max-width: 100%; height: auto } svg text { font-size: 12.5px; fill: #222 }
table { border-collapse: collapse; width: 100% } td, th { padding: 3px 8px; text-align: left; vertical-align: top }
tr { border-bottom: 1px solid #eee } .met { color: #2c7a45 } .not { color: #b03a30; font-weight: 600 }
p.note { color: #666; margin: .3em 0 }
"""


def page(results: Mapping[str, Any]) -> str:
    """A page without anything outside itself. `results` is the content of results.json."""
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in results["machine"].items())
    options = results["options"]
    parts = [
        "<h1>Speed of taxi_assets</h1>",
        f"<p class=note>{escape(results['when'])}: {escape(machine)}. {options['rounds']} rounds, interleaved; bars "
        "are medians, dots the rounds. A goal's ratio is computed within each round.</p>",
        "<h2>Goals</h2>",
        _goals(results["goals"]),
        _shares(results["goals"]),
        *_works(results["timings"]),
    ]
    for work, phases in results["phases"].items():
        parts += [f"<h2>Where the time goes: {escape(work)}</h2>", stack(phases)]
    if results["skipped"]:
        left_out = "; ".join(f"{what} ({why})" for what, why in results["skipped"].items())
        parts.append(f"<p class=note>Not measured: {escape(left_out)}.</p>")
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Speed of taxi_assets</title><style>{_STYLE}</style>"
    )
    return head + "\n".join(parts) + "</html>\n"


def _goals(goals: list[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(goal['name'])}</td><td>{escape(goal['goal'])}</td>"
        f"<td>{goal['ratio']:.2f}<br><small>{goal['low']:.2f} to {goal['high']:.2f}</small></td>"
        f"<td>{goal['limit']:.3g}</td>"
        + ("<td class=met>met</td></tr>" if goal["met"] else "<td class=not>not met</td></tr>")
        for goal in goals
    )
    return f"<table><tr><th>goal<th>what<th>measured<br><small>least to most</small><th>limit<th></tr>{rows}</table>"


def _shares(goals: list[Mapping[str, Any]]) -> str:
    """Every goal on one scale: how much of its limit it uses."""
    used = {
        goal["name"]: [round_["ratio"] / goal["limit"] for round_ in goal["rounds"]] for goal in goals if goal["limit"]
    }
    if not used:
        return ""
    return "<p class=note>The measured ratio as a share of its limit; left of the dashed line is met.</p>" + bars(
        used, "of the limit", 1.0
    )


def _works(timings: list[Mapping[str, Any]]) -> list[str]:
    works: dict[str, list[Mapping[str, Any]]] = {}
    for timing in timings:
        works.setdefault(timing["work"], []).append(timing)
    parts = []
    for work, contenders in works.items():
        parts.append(f"<h2>{escape(work[0].upper() + work[1:])}</h2>")
        ordered = sorted(contenders, key=lambda timing: float(timing["median"]))
        parts.append(bars({timing["contender"]: timing["seconds"] for timing in ordered}, "s"))
        notes = "; ".join(f"{timing['contender']}: {timing['note']}" for timing in ordered if timing["note"])
        if notes:
            parts.append(f"<p class=note>{escape(notes)}</p>")
    return parts
