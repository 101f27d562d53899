"""`taxi-assets compare --warehouses`: what PostgreSQL holds beside what BigQuery holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from taxi_assets.cli.show import console, write_page
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month


def compare_warehouses(settings: Settings, dataset: Dataset, months: Sequence[Month], output: Path) -> None:
    """Report what differs between the trips tables of both warehouses; exit with 1 on any difference."""
    from taxi_assets.assets.google import open_google
    from taxi_assets.kestra import warehouse_report
    from taxi_assets.kestra.warehouses import compare

    with open_google(settings) as clients:
        comparison = compare(Warehouse.from_settings(settings), clients, dataset, months)
    console.print(warehouse_report.for_terminal(comparison), soft_wrap=True)
    write_page(warehouse_report.page(comparison), output)
    if not comparison.same:
        raise typer.Exit(1)
