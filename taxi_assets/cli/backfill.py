"""`taxi-assets backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from taxi_assets.cli.arguments import FirstMonth, Label, LastMonth, Taxi, given_labels
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between

if TYPE_CHECKING:
    from dagster import DagsterInstance


class Only(StrEnum):
    """Which months of the range."""

    ALL = "all"
    MISSING = "missing"
    FAILED = "failed"


def backfill(
    taxi: Taxi,
    first: FirstMonth,
    last: LastMonth = None,
    label: Label = None,
    only: Annotated[
        Only, typer.Option(help="Months that are not in the tables, or whose last run failed; else all.")
    ] = Only.ALL,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the months and labels, and run nothing.")] = False,
) -> None:
    """Load months in order, oldest first, each a Dagster run. A failed month does not stop the rest."""
    from taxi_assets.automation.instance import open_instance

    settings = get_settings()
    labels = given_labels(label)
    months = list(months_between(first, last or settings.last_month))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")
    with open_instance(settings) as instance:
        chosen = _chosen(only, taxi, months, settings, instance)
        if not chosen:
            typer.echo(f"no month of {taxi.taxi} {months[0]}..{months[-1]} is {only}: nothing to do")
        elif dry_run:
            _print_plan(taxi, chosen, labels, settings)
        else:
            _run(taxi, chosen, labels, settings, instance)


def _chosen(
    only: Only, taxi: Dataset, months: Sequence[Month], settings: Settings, instance: DagsterInstance
) -> Sequence[Month]:
    from taxi_assets.automation.backfill_months import failed_months, missing_months

    match only:
        case Only.ALL:
            return months
        case Only.MISSING:
            return missing_months(taxi, months, settings)
        case Only.FAILED:
            return failed_months(taxi, months, settings, instance)


def _print_plan(taxi: Dataset, months: Sequence[Month], labels: dict[str, str], settings: Settings) -> None:
    from taxi_assets.automation.backfill_months import backfill_tags

    for month in months:
        tags = backfill_tags(taxi, month, labels, settings)
        typer.echo(" ".join([str(month), *(f"{key}={value}" for key, value in tags.items())]))


def _run(
    taxi: Dataset, months: Sequence[Month], labels: dict[str, str], settings: Settings, instance: DagsterInstance
) -> None:
    from taxi_assets.assets.flow import bury_killed_runs, scheduled_job_name
    from taxi_assets.automation.backfill import backfill as run_backfill
    from taxi_assets.automation.backfill_control import controlled, reported
    from taxi_assets.automation.backfill_months import backfill_tags
    from taxi_assets.cli.show import console, follow, print_results
    from taxi_assets.definitions import defs
    from taxi_assets.postgres.ahead import for_runs
    from taxi_assets.postgres.backfills import live_backfill
    from taxi_assets.postgres.connection import Warehouse

    warehouse = Warehouse.from_settings(settings)
    _check_source(taxi, months, settings)
    job = defs.resolve_job_def(scheduled_job_name(taxi))
    with (
        live_backfill(warehouse, taxi.taxi, list(map(str, months)), labels) as live,
        for_runs(settings, taxi, months),
    ):
        bury_killed_runs(instance, warehouse)
        results = run_backfill(
            job,
            taxi,
            controlled(months, live, console.print),
            instance,
            lambda month: backfill_tags(taxi, month, labels, settings),
        )
        finished = follow(reported(results, live), months, taxi.taxi)
    print_results(finished)
    if len(finished) < len(months) or not all(result.succeeded for result in finished):
        raise typer.Exit(1)


def _check_source(taxi: Dataset, months: Sequence[Month], settings: Settings) -> None:
    """Say once, before the first run, that the source does not answer; months on the disk load without it."""
    from taxi_assets.errors import UnreachableError
    from taxi_assets.trips.source import Source

    source = Source.from_settings(settings)
    try:
        source.check()
    except UnreachableError:
        if not any(source.path_of(taxi, month).exists() for month in months):
            raise
