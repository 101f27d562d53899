"""`taxi-assets gcp-backfill`."""

from __future__ import annotations

from typing import Annotated

import typer

from taxi_assets.cli.arguments import Taxi, partition
from taxi_assets.settings import get_settings
from taxi_assets.trips.months import Month, months_between


def gcp_backfill(
    taxi: Taxi,
    first: Annotated[Month, typer.Option("--from", parser=partition, metavar="MONTH", help="First month, YYYY-MM.")],
    last: Annotated[
        Month | None,
        typer.Option(
            "--to", parser=partition, metavar="MONTH", help="Last month, included; the last published if not given."
        ),
    ] = None,
) -> None:
    """Load months into BigQuery in order, each a Dagster run. A failed month does not stop the rest."""
    from taxi_assets.automation.backfill import backfill
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.cli.show import follow, print_results
    from taxi_assets.definitions import defs

    settings = get_settings()
    months = list(months_between(first, last or settings.last_month))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")
    with open_instance(settings) as instance:
        job = defs.resolve_job_def(f"{taxi.taxi}_bigquery_taxi")
        results = follow(backfill(job, taxi, months, instance, trips="bq_trips"), months, taxi.taxi)
    print_results(results)
    if not all(result.succeeded for result in results):
        raise typer.Exit(1)
