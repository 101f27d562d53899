"""`taxi-assets month` and `taxi-assets clean`: taking months out again, and their raw files off the disk."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from taxi_assets.cli.arguments import PartitionMonth, Taxi
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.postgres.records import loaded_files
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.raw_folder import verified_record
from taxi_assets.trips.source import Source

month_app = typer.Typer(help="Take a month out of the tables, or put the source's present file in its place.")


class WarehouseName(StrEnum):
    POSTGRES = "postgres"
    BIGQUERY = "bigquery"


Where = Annotated[WarehouseName, typer.Option("--warehouse", help="Whose tables.")]


@month_app.command()
def remove(taxi: Taxi, month: PartitionMonth, warehouse: Where = WarehouseName.POSTGRES) -> None:
    """Delete the rows that a month's file brought from trips, and the tables' other traces of the month.

    In PostgreSQL that is staging, in the same transaction; in BigQuery the month's own tables.
    """
    settings = get_settings()
    if warehouse is WarehouseName.POSTGRES:
        removed = Loader(Warehouse.from_settings(settings), settings).remove(taxi, month)
        where, assets = f"public.{taxi.table}, and all from staging", ("staging", "trips")
    else:
        removed, where = _remove_from_bigquery(settings, taxi, month)
        assets = ("bq_month", "bq_trips")
    _observe(settings, taxi, month, assets, removed)
    typer.echo(f"{taxi.file_name(month)}: {removed:,} rows removed from {where}")
    typer.echo(
        "Dagster cannot unmark a month: its UI goes on showing it as materialized, with an observation of the removal"
    )


def _remove_from_bigquery(settings: Settings, taxi: Dataset, month: Month) -> tuple[int, str]:
    from taxi_assets.assets.google import open_google

    with open_google(settings) as clients:
        from taxi_assets.bigquery.remove import remove as remove_rows
        from taxi_assets.bigquery.tables import month_tables

        removed = remove_rows(clients, taxi, month, settings.lock_timeout)
        tables = month_tables(clients.target, taxi, month)
    kept = f"; gs://{clients.target.bucket}/{taxi.file_name(month)} is left in the bucket" * bool(clients.target.bucket)
    return removed, f"{tables.trips}, and {tables.month} with its sources dropped{kept}"


def _observe(settings: Settings, taxi: Dataset, month: Month, assets: tuple[str, ...], removed: int) -> None:
    """Dagster cannot take a materialization back; this is what a person sees beside it."""
    from dagster import AssetObservation

    from taxi_assets.automation.instance import open_instance

    with open_instance(settings) as instance:
        for asset in assets:
            observation = AssetObservation(
                f"{taxi.taxi}_{asset}", partition=str(month), description=f"{month} removed", metadata={"rows": removed}
            )
            instance.report_runless_asset_event(observation)


@month_app.command()
def replace(taxi: Taxi, month: PartitionMonth, warehouse: Where = WarehouseName.POSTGRES) -> None:
    """Fetch a month again and put it in the place of what its file brought before, all at once."""
    from taxi_assets.assets.request import REPLACE_TAG
    from taxi_assets.automation.backfill import backfill
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.cli.show import follow, print_results
    from taxi_assets.definitions import defs

    settings = get_settings()
    name, trips = {
        WarehouseName.POSTGRES: (f"{taxi.taxi}_postgres_taxi", "trips"),
        WarehouseName.BIGQUERY: (f"{taxi.taxi}_bigquery_taxi", "bq_trips"),
    }[warehouse]
    with open_instance(settings) as instance:
        job = defs.resolve_job_def(name)
        runs = backfill(job, taxi, [month], instance, lambda _month: {REPLACE_TAG: "true"}, trips)
        results = follow(runs, [month], taxi.taxi)
    print_results(results)
    if not results[0].succeeded:
        raise typer.Exit(1)


def clean() -> None:
    """Remove the raw files of months that are merged, as the flow purges its own."""
    settings = get_settings()
    source = Source.from_settings(settings)
    with Warehouse.from_settings(settings).connect() as connection:
        loaded = loaded_files(connection)
    freed = count = 0
    for record in loaded:
        dataset, month = DATASETS[record.taxi], Month.parse(record.month)
        path = source.path_of(dataset, month)
        kept = verified_record(path)
        if kept is not None and kept.sha256 == record.sha256:
            freed += path.stat().st_size
            count += 1
            source.discard(dataset, month)
    typer.echo(
        f"{count} raw files removed, {freed / 1e6:.1f} MB" if count else "no raw file of a merged month is on the disk"
    )
