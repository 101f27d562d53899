"""A comparison with Kestra in words and tables: for a terminal and as a page. Its first line says what Kestra was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from taxi_assets.kestra.compare import Comparison, MonthComparison
from taxi_assets.kestra.page import Bars, Bullets, Grid, Heading, Page
from taxi_assets.kestra.table_diff import TableComparison
from taxi_assets.postgres.digest import Digest

RUN_COLUMNS = ("month", "rows", "Dagster s", "Kestra s", "Kestra ÷ Dagster", "labels", "tables")
TABLE_COLUMNS = ("month", "table", "rows Dagster", "rows Kestra", "md5 Dagster", "md5 Kestra", "")
_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for 100,000 rows, month by month; None where a month has no rows or failed."""

    side: str
    values: tuple[float | None, ...]

    def trend(self) -> str:
        """From the first month that has a cost to the last one."""
        known = [value for value in self.values if value is not None]
        if len(known) < 2:
            return f"{self.side}: one month has no trend"
        return f"{self.side}: {known[0]:.2f} → {known[-1]:.2f} ({known[-1] / known[0]:.2f} times as much)"


def costs(comparison: Comparison) -> tuple[Cost, Cost]:
    """How the cost of a row moves from month to month, on our side and on Kestra's."""
    ours = tuple(_cost(month.ours.seconds, month) for month in comparison.months)
    kestra = tuple(_cost(month.kestra.seconds, month) for month in comparison.months)
    return Cost("Dagster", ours), Cost("Kestra", kestra)


def _cost(seconds: float, month: MonthComparison) -> float | None:
    failed = month.ours.error or month.kestra.error
    return seconds / month.rows * _ROWS if month.rows and not failed else None


def verdict(comparison: Comparison) -> str:
    months, name = comparison.months, comparison.dataset.taxi
    same = sum(month.same for month in months)
    if comparison.same:
        return f"All {len(months)} {name} months are the same on both sides: tables, digests, labels."
    return f"{len(months) - same} of {len(months)} {name} months differ or failed."


def trend(comparison: Comparison) -> str:
    first, last = comparison.months[0].month, comparison.months[-1].month
    said = "; ".join(cost.trend() for cost in costs(comparison))
    return f"Seconds for {_ROWS:,} rows, {first} to {last}: {said}."


def run_rows(comparison: Comparison) -> Iterator[Sequence[str]]:
    """A row a month, under RUN_COLUMNS."""
    for month in comparison.months:
        ratio = month.kestra.seconds / month.ours.seconds if month.ours.seconds else 0.0
        yield (
            str(month.month),
            f"{month.rows:,}",
            f"{month.ours.seconds:.2f}" if month.ours.error is None else "failed",
            f"{month.kestra.seconds:.2f}" if month.kestra.error is None else "failed",
            "" if month.ours.error or month.kestra.error else f"{ratio:.1f}",
            "differ" if month.label_differences else "same",
            "same" if all(table.same for table in month.tables) else "differ",
        )


def table_rows(comparison: Comparison) -> Iterator[Sequence[str]]:
    """A row for each month and table, under TABLE_COLUMNS."""
    for month in comparison.months:
        for table in month.tables:
            digests = (table.ours, table.kestra)
            rows, md5s = [_rows(each) for each in digests], [_md5(each) for each in digests]
            yield (str(month.month), table.name, *rows, *md5s, "same" if table.same else "DIFFERS")


def _rows(digest: Digest | None) -> str:
    return f"{digest.rows:,}" if digest else "no table"


def _md5(digest: Digest | None) -> str:
    return digest.md5 if digest else ""


def differences(comparison: Comparison) -> Iterator[str]:
    """Every failure and difference in one line each, the first rows of each table among them."""
    for month in comparison.months:
        for side, run in (("Dagster", month.ours), ("Kestra", month.kestra)):
            if run.error is not None:
                yield f"{month.month}: {side} failed: {run.error}"
        for said in month.label_differences:
            yield f"{month.month}: label {said}"
        for table in month.tables:
            for said in _table_differences(table):
                yield f"{month.month} {table.name}: {said}"


def _table_differences(table: TableComparison) -> Iterator[str]:
    yield from table.column_differences
    yield from table.rows.describe()


def labels(comparison: Comparison) -> Iterator[str]:
    for month in comparison.months:
        ours, kestra = (
            ", ".join(f"{name}={value}" for name, value in sorted(run.labels.items()))
            for run in (month.ours, month.kestra)
        )
        yield f"{month.month}: {ours}" if ours == kestra else f"{month.month}: Dagster {ours}; Kestra {kestra}"


def page(comparison: Comparison) -> Page:
    """The report as it is written to files."""
    months = [str(month.month) for month in comparison.months]
    seconds = {
        "Dagster": [month.ours.seconds for month in comparison.months],
        "Kestra": [month.kestra.seconds for month in comparison.months],
    }
    cost = {cost.side: [value or 0.0 for value in cost.values] for cost in costs(comparison)}
    return Page(
        comparison.how,
        f"{comparison.dataset.taxi} {months[0]} to {months[-1]}: Dagster and Kestra",
        verdict(comparison),
        [
            Grid(RUN_COLUMNS, list(run_rows(comparison))),
            Bars("Seconds for each month", months, seconds, "{:.2f} s"),
            Bars("Seconds for 100,000 rows", months, cost, "{:.2f} s"),
            trend(comparison),
            Heading("Tables"),
            Grid(TABLE_COLUMNS, list(table_rows(comparison))),
            Heading("Labels"),
            Bullets(list(labels(comparison))),
            Heading("Differences"),
            Bullets(list(differences(comparison))),
        ],
    )


def for_terminal(comparison: Comparison) -> RenderableType:
    runs, tables = Table(box=None, header_style="bold"), Table(box=None, header_style="bold")
    for name in RUN_COLUMNS:
        runs.add_column(name, justify="left" if name in {"month", "labels", "tables"} else "right")
    for row in run_rows(comparison):
        runs.add_row(*row)
    for name in ("month", "table", "rows", "md5", ""):
        tables.add_column(name, no_wrap=True, justify="right" if name == "rows" else "left")
    for month, table, ours, kestra, our_md5, kestra_md5, same in table_rows(comparison):
        rows, md5 = _either(ours, kestra), _either(our_md5[:8], kestra_md5[:8])
        tables.add_row(month, table, rows, md5, Text(same, style="green" if same == "same" else "red"))
    found = (Text(line) for line in differences(comparison))
    return Group(comparison.how, "", runs, "", tables, "", trend(comparison), *found, verdict(comparison))


def _either(ours: str, kestra: str) -> str:
    return ours if ours == kestra else f"{ours} ≠ {kestra}"


def show(comparison: Comparison, console: Console) -> None:
    console.print(for_terminal(comparison), soft_wrap=True)
