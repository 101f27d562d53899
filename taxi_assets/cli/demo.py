"""`taxi-assets demo`: two months of each taxi, loaded by the real jobs, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from psycopg import sql
from rich.markup import escape
from rich.table import Table

from taxi_assets.cli.show import console, follow, print_results
from taxi_assets.errors import SourceError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.records import loaded_files
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Source

if TYPE_CHECKING:
    from taxi_assets.automation.backfill import MonthResult

_SMALL_MONTHS = (Month(2020, 4), Month(2020, 5))
"""The months with the fewest trips of the yellow files, so the quickest to download."""
_GENERATED_ROWS = 20_000


def demo() -> None:
    """Load two months of each taxi into PostgreSQL and show what is there."""
    settings = get_settings()
    console.print("[bold]1.[/bold] the database")
    warehouse = Warehouse.from_settings(settings)
    console.print(f"   PostgreSQL at {warehouse.display}")
    console.print("[bold]2.[/bold] where the files come from")
    months = choose_source(settings, warehouse)
    console.print("[bold]3.[/bold] the Dagster jobs, a run for each month")
    results = _run(settings, months)
    console.print()
    print_results(results)
    if all(r.succeeded and not r.rows_inserted for r in results):
        console.print("\nEverything was there already: this run changed nothing.")
    if succeeded := [r for r in results if r.succeeded]:
        _show_rows(warehouse, succeeded[-1].dataset, succeeded[-1].month)
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


def choose_source(settings: Settings, warehouse: Warehouse | None = None) -> dict[Dataset, list[Month]]:
    """Two published months of each taxi; where the source does not answer, those loaded before or generated ones."""
    source = Source.from_settings(settings)
    try:
        source.check()
        months = {dataset: _published(source, dataset, settings) for dataset in DATASETS.values()}
        if all(months.values()):
            console.print(f"   {settings.source_shown}")
            return months
        reason = f"{settings.source_shown} has no month of every taxi"
    except SourceError as error:
        reason = str(error)
    console.print(f"   {escape(reason)}", soft_wrap=True)
    if warehouse and (loaded := _loaded(warehouse, settings)):
        console.print("   So the months that were loaded before are used, from the files on the disk.")
        return loaded
    console.print("   So generated months are used: their trips are made up.")
    months = {dataset: _first_two(settings.months) for dataset in DATASETS.values()}
    _generate(settings, next(iter(months.values())))
    os.environ["TAXI_SOURCE_URL"] = settings.generated_dir.as_uri()
    get_settings.cache_clear()
    return months


def _first_two(months: Iterable[Month]) -> list[Month]:
    """The small months among these, else the first ones."""
    known = list(months)
    return sorted([*(m for m in _SMALL_MONTHS if m in known), *(m for m in known if m not in _SMALL_MONTHS)][:2])


def _loaded(warehouse: Warehouse, settings: Settings) -> dict[Dataset, list[Month]]:
    """Two months of each taxi that are in the tables and real; none when nothing real is."""
    generated = settings.generated_dir.as_uri()
    with warehouse.connect() as connection:
        records = [record for record in loaded_files(connection) if not record.url.startswith(generated)]
    found: dict[Dataset, list[Month]] = {}
    for record in records:
        found.setdefault(DATASETS[record.taxi], []).append(Month.parse(record.month))
    return {dataset: _first_two(months) for dataset, months in found.items()}


def _published(source: Source, dataset: Dataset, settings: Settings) -> list[Month]:
    found: list[Month] = []
    for month in sorted(settings.months, key=lambda month: (month not in _SMALL_MONTHS, month)):
        if source.probe(dataset, month) is not None:
            found.append(month)
        if len(found) == len(_SMALL_MONTHS):
            break
    return sorted(found)


def _generate(settings: Settings, months: Sequence[Month]) -> None:
    from taxi_assets.trips.sample import write_mirror

    missing = [
        dataset
        for dataset in DATASETS.values()
        for month in months
        if not (settings.generated_dir / dataset.taxi / f"{dataset.file_name(month)}.gz").exists()
    ]
    if missing:
        write_mirror(settings.generated_dir, months, _GENERATED_ROWS)


def _run(settings: Settings, months: dict[Dataset, list[Month]]) -> list[MonthResult]:
    # Imported when the source is settled: the definitions read the settings.
    from taxi_assets.automation.backfill import backfill
    from taxi_assets.automation.instance import open_instance
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


def _show_rows(warehouse: Warehouse, dataset: Dataset, month: Month) -> None:
    """A month's first trips, with the columns a person knows."""
    query = sql.SQL(
        "SELECT filename, {pickup}, pulocationid, dolocationid, trip_distance, fare_amount"
        " FROM {table} WHERE {pickup} >= {start} ORDER BY {pickup} LIMIT 3"
    ).format(
        pickup=sql.Identifier(dataset.pickup.sql_name),
        table=sql.Identifier("public", dataset.table),
        start=sql.Literal(month.start),
    )
    table = Table(
        box=None, header_style="bold", pad_edge=False, title=f"\npublic.{dataset.table}", title_justify="left"
    )
    with warehouse.connect() as connection:
        rows = connection.execute(query).fetchall()
    for name in ("file", "pickup", "zones", "miles", "fare"):
        table.add_column(name, no_wrap=True)
    for filename, pickup, origin, destination, miles, fare in rows:
        table.add_row(filename, str(pickup), f"{origin} to {destination}", str(miles), str(fare))
    console.print(table)
