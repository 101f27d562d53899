"""`taxi-assets backfill`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from taxi_assets.cli.arguments import Taxi, partition
from taxi_assets.settings import get_settings
from taxi_assets.trips.months import Month, months_between

_JOBS = {"postgres": ("postgres_taxi", "trips"), "bigquery": ("bigquery_taxi", "bq_trips")}
"""By warehouse: the job, and the asset that says what came of a month."""


def backfill(
    taxi: Taxi,
    first: Annotated[Month, typer.Option("--from", parser=partition, metavar="MONTH", help="First month, YYYY-MM.")],
    last: Annotated[
        Month | None,
        typer.Option(
            "--to", parser=partition, metavar="MONTH", help="Last month, included; the last published if not given."
        ),
    ] = None,
    warehouse: Annotated[
        Literal["postgres", "bigquery"], typer.Option(help="Where to load them; BigQuery needs the extra gcp.")
    ] = "postgres",
) -> None:
    """Load months in order, oldest first, each a Dagster run. A failed month does not stop the rest."""
    from taxi_assets.automation.backfill import backfill as run_backfill
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.cli.show import follow, print_results
    from taxi_assets.definitions import defs

    settings = get_settings()
    months = list(months_between(first, last or settings.last_month))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")
    with open_instance(settings) as instance:
        job_name, trips = _JOBS[warehouse]
        job = defs.resolve_job_def(f"{taxi.taxi}_{job_name}")
        results = follow(run_backfill(job, taxi, months, instance, trips=trips), len(months), f"{taxi.taxi}")
    print_results(results)
    if not all(result.succeeded for result in results):
        raise typer.Exit(1)
