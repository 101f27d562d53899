"""`taxi-assets demo`: two months of each taxi, loaded by the real jobs, and what came of it."""

from __future__ import annotations

import os
from itertools import chain

from psycopg import sql
from rich.table import Table

from taxi_assets.automation.backfill import MonthResult, backfill
from taxi_assets.automation.instance import open_instance
from taxi_assets.cli.show import console, follow, print_results
from taxi_assets.errors import SourceError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.records import loaded_files
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Source

_SMALL_MONTHS = (Month(2020, 4), Month(2020, 5))
"""The months with the fewest trips of the yellow files, so the quickest to download."""
_GENERATED_ROWS = 20_000


def demo() -> None:
    """Load two months of each taxi into PostgreSQL and show what is there."""
    settings = get_settings()
    console.print("[bold]1.[/bold] where the files come from")
    months = choose_source(settings)
    console.print("[bold]2.[/bold] the database")
    warehouse = Warehouse.from_settings(settings)
    console.print(f"   PostgreSQL at {warehouse.display}")
    console.print("[bold]3.[/bold] the Dagster jobs, a run for each month")
    results = _run(settings, months)
    console.print()
    print_results(results)
    if all(r.succeeded and not r.rows_inserted for r in results):
        console.print("\nEverything was there already: this run changed nothing.")
    if any(r.succeeded for r in results):
        _show_rows(warehouse, months[DATASETS["green"]][-1])
    _warn_of_generated(warehouse, settings)
    console.print(
        "\nThe database       taxi-assets db url      (for psql, pgAdmin, DBeaver …)"
        "\nThe Dagster UI     dagster dev             then open http://127.0.0.1:3000"
        "\nMore real months   taxi-assets backfill green --from 2020-06 --to 2020-09"
        "\nStop the database  taxi-assets db stop"
        "\n\nThese commands are in .venv/bin: type `. .venv/bin/activate` once, or put .venv/bin/ before them.",
        soft_wrap=True,
    )
    if not all(r.succeeded for r in results):
        raise SystemExit(1)


def choose_source(settings: Settings) -> dict[Dataset, list[Month]]:
    """Two published months of each taxi, or generated ones where the source does not answer."""
    source = Source.from_settings(settings)
    try:
        source.check()
        months = {dataset: _published(source, dataset, settings) for dataset in DATASETS.values()}
        if all(months.values()):
            console.print(f"   {settings.source_url}")
            return months
        reason = f"{settings.source_url} has no month of every taxi"
    except SourceError as error:
        reason = str(error)
    console.print(f"   {reason}", soft_wrap=True)
    console.print(
        "   So generated months are used: their trips are made up.",
        soft_wrap=True,
    )
    _generate(settings)
    os.environ["TAXI_SOURCE_URL"] = settings.generated_dir.as_uri()
    get_settings.cache_clear()
    return {dataset: list(_SMALL_MONTHS) for dataset in DATASETS.values()}


def _published(source: Source, dataset: Dataset, settings: Settings) -> list[Month]:
    found: list[Month] = []
    for month in dict.fromkeys(chain(_SMALL_MONTHS, settings.months)):
        if source.probe(dataset, month) is not None:
            found.append(month)
        if len(found) == len(_SMALL_MONTHS):
            break
    return sorted(found)


def _generate(settings: Settings) -> None:
    from taxi_assets.trips.sample import write_mirror

    missing = [
        dataset
        for dataset in DATASETS.values()
        for month in _SMALL_MONTHS
        if not (settings.generated_dir / dataset.taxi / f"{dataset.file_name(month)}.gz").exists()
    ]
    if missing:
        write_mirror(settings.generated_dir, _SMALL_MONTHS, _GENERATED_ROWS)


def _run(settings: Settings, months: dict[Dataset, list[Month]]) -> list[MonthResult]:
    # Imported when the source is settled: the definitions read the settings.
    from taxi_assets.definitions import defs

    results: list[MonthResult] = []
    with open_instance(settings) as instance:
        for dataset, chosen in months.items():
            job = defs.resolve_job_def(f"{dataset.taxi}_postgres_taxi")
            results += follow(backfill(job, dataset, chosen, instance), chosen, dataset.taxi)
    return results


def _warn_of_generated(warehouse: Warehouse, settings: Settings) -> None:
    """Name the months in the tables whose trips are made up."""
    generated = settings.generated_dir.as_uri()
    with warehouse.connect() as connection:
        months = [f"{r.taxi} {r.month}" for r in loaded_files(connection) if r.url.startswith(generated)]
    if months:
        console.print(
            f"\n[yellow]Made-up trips are in the tables:[/yellow] {', '.join(months)}."
            f" Take a month out with, for example, taxi-assets month remove {months[0]}",
            soft_wrap=True,
        )


def _show_rows(warehouse: Warehouse, month: Month) -> None:
    """A month's first trips, with the columns a person knows."""
    green = DATASETS["green"]
    query = sql.SQL(
        "SELECT filename, {pickup}, pulocationid, dolocationid, trip_distance, fare_amount"
        " FROM {table} WHERE {pickup} >= {start} ORDER BY {pickup} LIMIT 3"
    ).format(
        pickup=sql.Identifier(green.pickup.sql_name),
        table=sql.Identifier("public", green.table),
        start=sql.Literal(month.start),
    )
    table = Table(box=None, header_style="bold", pad_edge=False, title=f"\npublic.{green.table}", title_justify="left")
    with warehouse.connect() as connection:
        rows = connection.execute(query).fetchall()
    for name in ("file", "pickup", "zones", "miles", "fare"):
        table.add_column(name, no_wrap=True)
    for filename, pickup, origin, destination, miles, fare in rows:
        table.add_row(filename, str(pickup), f"{origin} to {destination}", str(miles), str(fare))
    console.print(table)
