"""A month taken out of BigQuery again."""

from __future__ import annotations

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import run_statement
from taxi_assets.bigquery.locks import merge_lock
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.bigquery.tables import check_dataset, find_table, month_tables, quoted
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month


def remove(clients: Clients, dataset: Dataset, month: Month, lock_timeout: float) -> int:
    """Delete from trips the rows that a month's file brought, then the month's own tables; return how many rows.

    The file in the bucket stays. A trip that two files hold was loaded from the first of them only, and goes with that
    one. Raises GoogleError, and BusyError when a merge holds trips for longer than `lock_timeout` seconds.
    """
    check_dataset(clients)
    tables, filename = month_tables(clients.target, dataset, month), dataset.file_name(month)
    what, removed = f"removing {filename}", 0
    if find_table(clients, tables.trips) is not None:
        sql = statements.of_file("delete_file.sql", dataset, quoted(tables.trips), filename)
        with merge_lock(clients, tables.trips, what, lock_timeout) as job_ids:
            labels = {"taxi": dataset.taxi, "month": str(month)}
            removed = run_statement(clients, sql, what, labels, job_ids).rows_written or 0
    with told_plainly(what):
        for name in (tables.month, tables.external, tables.staging):
            clients.bigquery.delete_table(name, not_found_ok=True, **clients.patience)
    return removed
