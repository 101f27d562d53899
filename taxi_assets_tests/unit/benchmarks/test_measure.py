"""The arithmetic behind the figures: a wrong median would be believed."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from benchmarks.document import with_figures
from benchmarks.ground import Options
from benchmarks.measure import Findings, Goal, Seconds, Timing, interleaved, judge, medians, timings
from benchmarks.page import page
from benchmarks.report import document, lines, write

GOAL = Goal("load", "at most 1.5 × a copy", 1.5)
ROUNDS: list[Seconds] = [{"copy": 2.0, "load": 2.0}, {"copy": 1.0, "load": 1.5}, {"copy": 1.0, "load": 9.0}]


def by_copy(figures: Seconds) -> float:
    return figures["load"] / figures["copy"]


def findings() -> Findings:
    return Findings(
        goals=[judge(GOAL, ROUNDS, by_copy)],
        timings=[*timings("a month", 1000, ROUNDS), Timing("a month into many", "taxi_assets", 1_000_000, [3.0])],
        phases={"a month": {"copy": 1.0, "merge": 3.0}},
        skipped={"kestra": "no <server>"},
    )


def results() -> dict[str, object]:
    return document(findings(), Options(), {"processors": 2, "memory_gb": 8, "postgresql": "18", "python": "3",
                                            "dagster": "1"})  # fmt: skip


def test_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    result = judge(GOAL, ROUNDS, by_copy)
    assert (result.ratio, result.low, result.high) == (1.5, 1.0, 9.0)
    assert [figures["ratio"] for figures in result.rounds] == [1.0, 1.5, 9.0]


@pytest.mark.parametrize(("limit", "met"), [(1.5, True), (1.49, False)])
def test_a_goal_is_met_at_its_limit_and_not_above(limit: float, met: bool) -> None:
    assert judge(Goal("load", "", limit), ROUNDS, by_copy).met is met


def test_contenders_take_turns_in_beginning_a_round() -> None:
    order: list[tuple[int, str]] = []

    def note(name: str, number: int) -> float:
        order.append((number, name))
        return float(number)

    found = interleaved(3, {name: partial(note, name) for name in "ab"})
    assert order == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]
    assert found == [{"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 2.0}]


def test_a_phase_that_a_round_did_not_have_counts_as_nothing() -> None:
    assert medians([{"copy": 1.0}, {"copy": 3.0, "merge": 2.0}, {"copy": 2.0}]) == {"copy": 2.0, "merge": 0.0}


def test_results_json_has_an_entry_for_each_goal() -> None:
    found = json.loads(json.dumps(results()))
    assert found["goals"] == [
        {
            "name": "load",
            "goal": "at most 1.5 × a copy",
            "limit": 1.5,
            "ratio": 1.5,
            "low": 1.0,
            "high": 9.0,
            "met": True,
            "unit": "s",
            "rounds": [
                {"copy": 2.0, "load": 2.0, "ratio": 1.0},
                {"copy": 1.0, "load": 1.5, "ratio": 1.5},
                {"copy": 1.0, "load": 9.0, "ratio": 9.0},
            ],
        }
    ]
    assert set(found) == {"when", "machine", "options", "goals", "timings", "phases", "skipped"}
    assert [t["median"] for t in found["timings"]] == [1.0, 2.0, 3.0]


def test_terminal_line_says_whether_a_goal_is_met() -> None:
    missed = judge(Goal("load", "", 1.0), ROUNDS, by_copy)
    assert [line[:7] for line in lines([judge(GOAL, ROUNDS, by_copy), missed])] == ["met    ", "NOT MET"]


def test_page_shows_goals_and_escapes_what_it_is_told() -> None:
    shown = page(results())
    assert "at most 1.5 × a copy" in shown
    assert "no &lt;server&gt;" in shown
    assert shown.count("<svg") == shown.count("</svg>") == 4


def test_files_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write(results(), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["results.html", "results.json"]


def test_marked_places_of_a_page_are_filled_again_and_again() -> None:
    marked = "before\n<!-- figures: full -->\nold\n<!-- end -->\nafter\n"
    once = with_figures(marked, results())
    assert "old" not in once
    assert "| taxi_assets | 3.0 | 6 |" in once
    assert with_figures(once, results()) == once
