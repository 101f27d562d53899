"""`taxi-assets gcp-backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from taxi_assets.cli.arguments import FirstMonth, Label, LastMonth, Taxi
from taxi_assets.cli.backfill import Backfill, DryRun, Only, OnlyOption, carry_out
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from taxi_assets.automation.backfill import MonthResult


class BigQueryBackfill(Backfill):
    """Into BigQuery, the way that the settings say."""

    trips = "bq_trips"

    def missing(self, months: Sequence[Month]) -> Sequence[Month]:
        from taxi_assets.assets.google import open_google

        with open_google(self.settings) as clients:
            from taxi_assets.bigquery.contents import loaded_files

            loaded = loaded_files(clients, self.taxi)
        return [month for month in months if self.taxi.file_name(month) not in loaded]

    def run(self, months: Sequence[Month]) -> Sequence[MonthResult]:
        from taxi_assets.automation.backfill import backfill
        from taxi_assets.cli.show import follow
        from taxi_assets.definitions import defs

        self.check_source(months)
        job = defs.resolve_job_def(f"{self.taxi.taxi}_bigquery_taxi")
        return follow(backfill(job, self.taxi, months, self.instance, self.tags, self.trips), months, self.taxi.taxi)


def gcp_backfill(
    taxi: Taxi,
    first: FirstMonth,
    last: LastMonth = None,
    label: Label = None,
    only: OnlyOption = Only.ALL,
    dry_run: DryRun = False,
) -> None:
    """Load months into BigQuery in order, each a Dagster run. A failed month does not stop the rest."""
    carry_out(BigQueryBackfill, taxi, (first, last), label, only, dry_run=dry_run)
