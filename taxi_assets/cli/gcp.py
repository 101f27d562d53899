"""`taxi-assets gcp-backfill`."""

from __future__ import annotations

import typer

from taxi_assets.cli.arguments import FirstMonth, Label, LastMonth, Taxi, given_labels
from taxi_assets.settings import get_settings
from taxi_assets.trips.months import Month, months_between


def gcp_backfill(taxi: Taxi, first: FirstMonth, last: LastMonth = None, label: Label = None) -> None:
    """Load months into BigQuery in order, each a Dagster run. A failed month does not stop the rest."""
    from taxi_assets.assets.flow import FLOW_TAG
    from taxi_assets.automation.backfill import backfill
    from taxi_assets.automation.backfill_months import backfill_tags
    from taxi_assets.automation.gcp_jobs import SCHEDULED_FLOW
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.cli.show import follow, print_results
    from taxi_assets.definitions import defs

    settings, labels = get_settings(), given_labels(label)
    months = list(months_between(first, last or settings.last_month))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")

    def tags(month: Month) -> dict[str, str]:
        return {**backfill_tags(taxi, month, labels, settings), FLOW_TAG: SCHEDULED_FLOW}

    with open_instance(settings) as instance:
        job = defs.resolve_job_def(f"{taxi.taxi}_bigquery_taxi")
        results = follow(backfill(job, taxi, months, instance, tags, "bq_trips"), months, taxi.taxi)
    print_results(results)
    if not all(result.succeeded for result in results):
        raise typer.Exit(1)
