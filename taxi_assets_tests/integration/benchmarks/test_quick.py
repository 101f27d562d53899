"""The benchmark itself, at sizes that take seconds: every part runs, every load passes its check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main

GOALS = {
    "month against bare COPY", "month against the flow, empty table", "month against the flow, large table", "growth",
    "re-load", "backfill of six green months", "backfill of twelve small months",
    "one small month by dagster job execute", "peak memory", "memory growth", "import", "heavy imports",
}  # fmt: skip


def test_quick_run_measures_every_goal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert {goal["name"] for goal in results["goals"]} == GOALS
    assert all(goal["rounds"] for goal in results["goals"])
    assert "no --kestra-url given" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "results.html").read_text(encoding="utf-8")
