"""`taxi-assets backfill`, and what it has in common with `taxi-assets gcp-backfill`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from taxi_assets.cli.arguments import FirstMonth, Label, LastMonth, Taxi, given_labels
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from taxi_assets.automation.backfill import MonthResult


class Only(StrEnum):
    """Which months of the range."""

    ALL = "all"
    MISSING = "missing"
    FAILED = "failed"


OnlyOption = Annotated[
    Only, typer.Option(help="Months that are not in the tables, or whose last run failed; else all.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the months and labels, and run nothing.")]


@dataclass(frozen=True, slots=True)
class Backfill(ABC):
    """Months of a taxi on their way into a warehouse, which a subclass knows."""

    trips: ClassVar[str]
    """The last asset of a month, without the taxi."""
    taxi: Dataset
    labels: dict[str, str]
    settings: Settings
    instance: DagsterInstance

    @abstractmethod
    def missing(self, months: Sequence[Month]) -> Sequence[Month]:
        """Those of which no file is in the tables."""

    def failed(self, months: Sequence[Month]) -> Sequence[Month]:
        """Those whose last run failed, whatever started it."""
        from taxi_assets.automation.backfill_months import failed_months

        return failed_months(f"{self.taxi.taxi}_{self.trips}", months, self.settings, self.instance)

    @abstractmethod
    def run(self, months: Sequence[Month]) -> Sequence[MonthResult]:
        """Load them in order, showing how far it is."""

    def tags(self, month: Month) -> dict[str, str]:
        """Of a month's run."""
        from taxi_assets.automation.backfill_months import backfill_tags

        return backfill_tags(self.taxi, month, self.labels, self.settings)

    def chosen(self, only: Only, months: Sequence[Month]) -> Sequence[Month]:
        match only:
            case Only.ALL:
                return months
            case Only.MISSING:
                return self.missing(months)
            case Only.FAILED:
                return self.failed(months)

    def print_plan(self, months: Sequence[Month]) -> None:
        for month in months:
            typer.echo(" ".join([str(month), *(f"{key}={value}" for key, value in self.tags(month).items())]))

    def check_source(self, months: Sequence[Month]) -> None:
        """Say once, before the first run, that the source does not answer; months on the disk load without it."""
        from taxi_assets.errors import UnreachableError
        from taxi_assets.trips.source import Source

        source = Source.from_settings(self.settings)
        try:
            source.check()
        except UnreachableError:
            if not any(source.path_of(self.taxi, month).exists() for month in months):
                raise


class PostgresBackfill(Backfill):
    """Into PostgreSQL, where other shells see it and may stop it."""

    trips = "trips"

    def missing(self, months: Sequence[Month]) -> Sequence[Month]:
        from taxi_assets.automation.backfill_months import missing_months

        return missing_months(self.taxi, months, self.settings)

    def run(self, months: Sequence[Month]) -> Sequence[MonthResult]:
        from taxi_assets.assets.flow import bury_killed_runs, scheduled_job_name
        from taxi_assets.automation.backfill import backfill as run_backfill
        from taxi_assets.automation.backfill_control import controlled, reported
        from taxi_assets.cli.show import console, follow
        from taxi_assets.definitions import defs
        from taxi_assets.postgres.ahead import for_runs
        from taxi_assets.postgres.backfills import live_backfill
        from taxi_assets.postgres.connection import Warehouse

        warehouse = Warehouse.from_settings(self.settings)
        self.check_source(months)
        job = defs.resolve_job_def(scheduled_job_name(self.taxi))
        with (
            live_backfill(warehouse, self.taxi.taxi, list(map(str, months)), self.labels) as live,
            for_runs(self.settings, self.taxi, months),
        ):
            bury_killed_runs(self.instance, warehouse)
            going = controlled(months, live, console.print)
            results = run_backfill(job, self.taxi, going, self.instance, self.tags, self.trips)
            return follow(reported(results, live), months, self.taxi.taxi)


def backfill(
    taxi: Taxi,
    first: FirstMonth,
    last: LastMonth = None,
    label: Label = None,
    only: OnlyOption = Only.ALL,
    dry_run: DryRun = False,
) -> None:
    """Load months in order, oldest first, each a Dagster run. A failed month does not stop the rest."""
    carry_out(PostgresBackfill, taxi, (first, last), label, only, dry_run=dry_run)


def carry_out(
    into: Callable[[Dataset, dict[str, str], Settings, DagsterInstance], Backfill],
    taxi: Dataset,
    span: tuple[Month, Month | None],
    label: list[str] | None,
    only: Only,
    *,
    dry_run: bool,
) -> None:
    """Load the chosen months of a span, or print them; the last month of it may be left to the settings."""
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.cli.show import print_results

    settings, labels = get_settings(), given_labels(label)
    first, last = span
    months = list(months_between(first, last or settings.last_month))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")
    with open_instance(settings) as instance:
        backfill = into(taxi, labels, settings, instance)
        chosen = backfill.chosen(only, months)
        if not chosen:
            typer.echo(f"no month of {taxi.taxi} {months[0]}..{months[-1]} is {only}: nothing to do")
            return
        if dry_run:
            backfill.print_plan(chosen)
            return
        finished = backfill.run(chosen)
    print_results(finished)
    if len(finished) < len(chosen) or not all(result.succeeded for result in finished):
        raise typer.Exit(1)
