"""How results look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from taxi_assets.automation.backfill import MonthResult

console = Console(highlight=False)


def follow(results: Iterable[MonthResult], total: int, title: str) -> list[MonthResult]:
    """Show a bar that moves with each month, and return all results."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    finished = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        for result in results:
            finished.append(result)
            progress.update(task, advance=1, description=f"{title} {result.month}")
            if not console.is_terminal:
                console.print(_line(result), soft_wrap=True)
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
    """The summary table, then one line for each failed month."""
    console.print(summary(results))
    for result in results:
        if result.error:
            console.print(f"[red]{result.dataset.taxi} {result.month}[/red]: {result.error}", soft_wrap=True)


def _line(result: MonthResult) -> str:
    what = f"{result.rows_read:,} rows, {result.rows_inserted:,} inserted" if result.succeeded else "failed"
    return f"{result.dataset.taxi} {result.month}: {what} ({result.seconds:.1f} s)"
