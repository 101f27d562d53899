"""`taxi-assets demo-gcp`: the Google Cloud path, run by the real jobs against stand-ins on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from taxi_assets.cli.demo import choose_source
from taxi_assets.cli.show import console, follow, print_results
from taxi_assets.settings import get_settings
from taxi_assets.standin.process import running
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from taxi_assets.automation.backfill import MonthResult

_NAMES = {
    "GCP_PROJECT_ID": "demo-project",
    "GCP_LOCATION": "europe-west2",
    "GCP_BUCKET_NAME": "demo-bucket",
    "GCP_DATASET": "zoomcamp",
}
_JOBS = {"green": "gcp_taxi", "yellow": "bq_load_taxi"}
"""Green through the bucket, yellow without one."""


def demo_gcp() -> None:
    """Load two months of each taxi into a stand-in for BigQuery, and again, and show what is there."""
    console.print("[bold]1.[/bold] where the files come from")
    months = choose_source(get_settings())
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as addresses:
        console.print("[bold]2.[/bold] BigQuery and Cloud Storage, played by bqemulator and gcp-storage-emulator")
        os.environ.update({**_NAMES, **addresses})
        get_settings.cache_clear()
        console.print("[bold]3.[/bold] the Dagster jobs: gcp_setup, green through the bucket, yellow by load jobs")
        results = _run(months)
        console.print()
        print_results(results)
        again = _run(months)
        inserted = sum(result.rows_inserted for result in again)
        console.print(f"\nThe same once more: {inserted:,} rows inserted.")
        _show_tables()
    console.print(
        "\nNothing left this machine, and the stand-ins are gone with their tables. For a real project: docs/gcp.md",
        soft_wrap=True,
    )
    if inserted or not all(result.succeeded for result in [*results, *again]):
        raise SystemExit(1)


def _run(months: dict[Dataset, list[Month]]) -> list[MonthResult]:
    # Imported when the names are settled: the definitions read the settings.
    from taxi_assets.automation.backfill import backfill
    from taxi_assets.automation.instance import open_instance
    from taxi_assets.definitions import build_defs

    settings = get_settings()
    defs = build_defs(settings)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    results: list[MonthResult] = []
    with open_instance(settings) as instance:
        defs.resolve_job_def("gcp_setup").execute_in_process(instance=instance, run_config=quiet)
        for dataset, chosen in months.items():
            job = defs.resolve_job_def(f"{dataset.taxi}_{_JOBS[dataset.taxi]}")
            runs = backfill(job, dataset, chosen, instance, trips="bq_trips")
            results += follow(runs, chosen, f"   {dataset.taxi}")
    return results


def _show_tables() -> None:
    """The objects in the bucket and the tables in the dataset, as a person would look for them in the console."""
    from taxi_assets.assets.google import open_google

    table = Table(box=None, header_style="bold", pad_edge=False, title="\nwhat is there", title_justify="left")
    table.add_column("object or table", no_wrap=True)
    table.add_column("size", justify="right")
    with open_google(get_settings()) as clients:
        for blob in clients.storage.list_blobs(clients.target.need_bucket()):
            table.add_row(f"gs://{clients.target.bucket}/{blob.name}", f"{blob.size:,} bytes")
        for item in clients.bigquery.list_tables(clients.display):
            rows = clients.bigquery.get_table(item).num_rows
            table.add_row(f"{clients.display}.{item.table_id}", f"{rows:,} rows" if rows is not None else "")
    console.print(table)
