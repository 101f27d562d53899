"""A comparison of the warehouses in words and tables: for a terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_assets.kestra.page import Bars, Bullets, Grid, Heading, Page
from taxi_assets.kestra.warehouses import FileComparison, WarehouseComparison
from taxi_assets.trips.contents import Contents

SIDES = ("PostgreSQL", "BigQuery")
COLUMNS = ("month", *(f"{what} {side}" for what in ("rows", "repeated ids", "checksum") for side in SIDES), "")


def verdict(comparison: WarehouseComparison) -> str:
    taxi, months = comparison.dataset.taxi, comparison.months
    absent, differing = sum(month.absent for month in months), sum(not month.same for month in months)
    if absent == len(months):
        return f"Neither warehouse has any of the {len(months)} {taxi} months."
    missing = f" ({absent} more are in neither)" if absent else ""
    if differing:
        return f"{differing} of {len(months) - absent} {taxi} months differ{missing}."
    return f"All {len(months) - absent} {taxi} months have the same rows in both{missing}."


def rows(comparison: WarehouseComparison) -> Iterator[Sequence[str]]:
    """A row a month, under COLUMNS."""
    for month in comparison.months:
        sides = (month.postgres, month.bigquery)
        figures = [_figure(side, name) for name in ("rows", "repeated_ids", "checksum") for side in sides]
        yield (str(month.month), *figures, _state(month))


def _figure(contents: Contents, name: str) -> str:
    value: int = getattr(contents, name)
    return f"{value:x}" if name == "checksum" else f"{value:,}"


def _state(month: FileComparison) -> str:
    return "in neither" if month.absent else "same" if month.same else "DIFFERS"


def differences(comparison: WarehouseComparison) -> Iterator[str]:
    """Every month's differences in one line each: how many, then the first rows."""
    for month in comparison.months:
        for said in month.differences.describe(*SIDES):
            yield f"{month.month}: {said}"


def page(comparison: WarehouseComparison) -> Page:
    months = [str(month.month) for month in comparison.months]
    loaded = {
        SIDES[0]: [float(month.postgres.rows) for month in comparison.months],
        SIDES[1]: [float(month.bigquery.rows) for month in comparison.months],
    }
    return Page(
        comparison.how,
        f"{comparison.dataset.taxi} {months[0]} to {months[-1]}: PostgreSQL and BigQuery",
        verdict(comparison),
        [
            Grid(COLUMNS, list(rows(comparison))),
            Bars("Rows of each month", months, loaded, "{:,.0f}"),
            Heading("Differences"),
            Bullets(list(differences(comparison))),
        ],
    )


def for_terminal(comparison: WarehouseComparison) -> RenderableType:
    table = Table(box=None, header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in {"month", ""} else "right")
    for *cells, state in rows(comparison):
        table.add_row(*cells, Text(state, style="red" if state == "DIFFERS" else "green" if state == "same" else ""))
    return Group(comparison.how, "", table, "", *map(Text, differences(comparison)), verdict(comparison))
