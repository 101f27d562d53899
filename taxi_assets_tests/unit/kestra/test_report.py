from __future__ import annotations

import dataclasses

import pytest

from taxi_assets.kestra import report
from taxi_assets.kestra.compare import Comparison, MonthComparison, MonthRun
from taxi_assets.kestra.page import markdown
from taxi_assets.kestra.page_html import html
from taxi_assets.kestra.table_diff import TableComparison
from taxi_assets.postgres.digest import Digest
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month

HOW = "This is a replay of the flow's statements and not a Kestra server."


def month(number: int, rows: int, ours: float, kestra: float) -> MonthComparison:
    labels = {"file": f"green_tripdata_2020-{number:02d}.csv", "taxi": "green"}
    digest = Digest(rows, f"{number:032x}")
    table = TableComparison("public.green_tripdata_staging", None, digest, digest)
    return MonthComparison(Month(2020, number), MonthRun(ours, labels), MonthRun(kestra, labels), (table,))


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(DATASETS["green"], HOW, (month(4, 100_000, 1.0, 3.0), month(5, 200_000, 3.0, 12.0)))


def failed(comparison: Comparison) -> Comparison:
    first, second = comparison.months
    run = MonthRun(1.0, {"taxi": "green"}, "FAILED at extract: <no> file | here")
    return dataclasses.replace(comparison, months=(first, dataclasses.replace(second, kestra=run)))


def test_how_the_cost_of_a_row_moves(comparison: Comparison) -> None:
    ours, kestra = report.costs(comparison)
    assert ours.values == (1.0, 1.5)
    assert kestra.values == (3.0, 6.0)
    assert report.trend(comparison) == (
        "Seconds for 100,000 rows, 2020-04 to 2020-05: "
        "Dagster: 1.00 → 1.50 (1.50 times as much); Kestra: 3.00 → 6.00 (2.00 times as much)."
    )


def test_equal_sides_are_said_to_be_the_same(comparison: Comparison) -> None:
    assert comparison.same
    assert report.verdict(comparison) == "All 2 green months are the same on both sides: tables, digests, labels."
    assert list(report.differences(comparison)) == []


def test_a_failed_month_is_a_difference_with_its_reason(comparison: Comparison) -> None:
    broken = failed(comparison)
    assert not broken.same
    assert report.verdict(broken) == "1 of 2 green months differ or failed."
    assert list(report.differences(broken)) == [
        "2020-05: Kestra failed: FAILED at extract: <no> file | here",
        "2020-05: label file: green_tripdata_2020-05.csv in Dagster, None in Kestra",
    ]
    assert report.costs(broken)[0].values == (1.0, None)


def test_both_sides_failing_alike_is_no_success(comparison: Comparison) -> None:
    first = comparison.months[0]
    run = dataclasses.replace(first.ours, error="no such file")
    assert not dataclasses.replace(first, ours=run, kestra=run).same


def test_markdown_begins_with_what_kestras_side_was_and_holds_its_tables_together(comparison: Comparison) -> None:
    lines = markdown(report.page(failed(comparison))).splitlines()
    assert lines[0] == HOW
    assert "- 2020-05: Kestra failed: FAILED at extract: &lt;no> file \\| here" in lines
    rows = [line for line in lines if line.startswith("| 2020-0")]
    assert [row.count(" | ") for row in rows] == [6, 6, 6, 6]


def test_html_escapes_what_a_server_said_and_loads_nothing(comparison: Comparison) -> None:
    page = html(report.page(failed(comparison)))
    assert "&lt;no&gt; file | here" in page
    assert "<no>" not in page
    assert "src=" not in page
    assert "href=" not in page


def test_bars_stand_for_the_seconds(comparison: Comparison) -> None:
    page = html(report.page(comparison))
    assert "<title>Kestra 2020-05: 12.00 s</title>" in page
    assert "<title>Dagster 2020-04: 1.00 s</title>" in page
