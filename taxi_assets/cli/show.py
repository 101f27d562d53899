"""How results look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from taxi_assets.kestra.page import Page, markdown
from taxi_assets.kestra.page_html import html
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from taxi_assets.automation.backfill import MonthResult

console = Console(highlight=False)


def follow(results: Iterable[MonthResult], months: Sequence[Month], taxi: str) -> list[MonthResult]:
    """Show a bar with the month under way and a line for each that ended, and return all results."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    under_way = iter([*months[1:], "done"])
    finished = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{taxi} {months[0]}", total=len(months))
        for result in results:
            finished.append(result)
            console.print(_line(result), soft_wrap=True)
            progress.update(task, advance=1, description=f"{taxi} {next(under_way)}")
    return finished


def summary(results: Sequence[MonthResult]) -> Table:
    """A row a month: rows read, inserted, already there, seconds; the reason below for those that failed."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("taxi", "month"):
        table.add_column(name)
    for name in ("rows read", "inserted", "already there", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for r in results:
        counts = [f"{n:,}" if r.succeeded else "" for n in (r.rows_read, r.rows_inserted, r.rows_matched)]
        state = "[green]ok[/green]" if r.succeeded else "[red]failed[/red]"
        table.add_row(r.dataset.taxi, str(r.month), *counts, f"{r.seconds:.1f}", state)
    return table


def print_results(results: Sequence[MonthResult]) -> None:
    """The summary table, then one line for each reason that months failed for."""
    console.print(summary(results))
    reasons: dict[str, list[MonthResult]] = {}
    for result in results:
        if result.error:
            reasons.setdefault(result.error, []).append(result)
    for error, failed in reasons.items():
        months = ", ".join(str(result.month) for result in failed)
        console.print(f"[red]{failed[0].dataset.taxi} {months}[/red]: {escape(error)}", soft_wrap=True)


def write_page(page: Page, folder: Path) -> None:
    """Write compare.md and compare.html, and say where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.md").write_text(markdown(page), encoding="utf-8")
    (folder / "compare.html").write_text(html(page), encoding="utf-8")
    console.print(f"Written: {folder / 'compare.md'}, {folder / 'compare.html'}", soft_wrap=True)


def _line(result: MonthResult) -> str:
    what = f"{result.rows_read:,} rows, {result.rows_inserted:,} inserted" if result.succeeded else "failed"
    return f"{result.dataset.taxi} {result.month}: {what} ({result.seconds:.1f} s)"
