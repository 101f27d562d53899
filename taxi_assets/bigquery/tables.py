"""The tables of a taxi in BigQuery: their names, and the trips table made when missing, checked when there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.jobs import Labels, run_statement
from taxi_assets.bigquery.refusals import told_plainly
from taxi_assets.bigquery.target import Target
from taxi_assets.errors import GoogleError, SettingsError
from taxi_assets.trips.datasets import Column, Dataset
from taxi_assets.trips.months import Month

if TYPE_CHECKING:
    from google.cloud.bigquery import SchemaField, Table

_STANDARD = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


@dataclass(frozen=True, slots=True)
class MonthTables:
    """The tables that a month of a taxi touches, as `project.dataset.table`."""

    trips: str
    month: str
    external: str
    staging: str


def quoted(name: str) -> str:
    """The name of a table for a statement. Its parts were checked when they were read."""
    return f"`{name}`"


def trips_table(target: Target, dataset: Dataset) -> str:
    """The table of all of a taxi's trips, as `project.dataset.table`."""
    return f"{target.project}.{target.dataset}.{dataset.table}"


def month_tables(target: Target, dataset: Dataset, month: Month) -> MonthTables:
    """Named as the flow names them."""
    trips = trips_table(target, dataset)
    own = f"{trips}_{month.year:04d}_{month.month:02d}"
    return MonthTables(trips, own, f"{own}_ext", f"{own}_staging")


def find_table(clients: Clients, name: str) -> Table | None:
    """What BigQuery says of a table; None when there is none of that name. Raises GoogleError."""
    from google.api_core.exceptions import NotFound

    with told_plainly(f"looking at {name}"):
        try:
            return clients.bigquery.get_table(name, **clients.patience)
        except NotFound:
            return None


def check_dataset(clients: Clients) -> None:
    """Raises GoogleError when the dataset is missing, or is not where GCP_LOCATION says."""
    with told_plainly(f"looking for dataset {clients.display}"):
        found = clients.bigquery.get_dataset(clients.display, **clients.patience)
    if found.location and found.location.lower() != clients.target.location.lower():
        raise GoogleError(
            f"dataset {clients.display} is in {found.location}, and GCP_LOCATION is {clients.target.location}: set "
            f"GCP_LOCATION to {found.location}, or GCP_DATASET to a dataset in {clients.target.location}"
        )


def prepare_trips(clients: Clients, dataset: Dataset, table: str, labels: Labels, *, partition_filter: bool) -> None:
    """Make the trips table if it is not there.

    Raises SettingsError when one is there with other columns, or when it would not keep its rows.
    """
    sql = statements.main_table(dataset, quoted(table), partition_filter=partition_filter)
    run_statement(clients, sql, f"making {table}", labels)
    with told_plainly(f"looking at {table}"):
        found = clients.bigquery.get_table(table, **clients.patience)
    wrong = _differences(found.schema, dataset.table_columns)
    if wrong:
        raise SettingsError(
            f"{table} is not a table of {dataset.taxi} trips as the flow makes it: {wrong}; rename it, or set "
            "GCP_DATASET to another dataset"
        )
    partitions = found.time_partitioning
    if found.expires is not None or (partitions is not None and partitions.expiration_ms is not None):
        raise SettingsError(
            f"{table} loses its rows after a while, as tables do that are made in a dataset with a default expiration; "
            f"keep them with: ALTER TABLE {quoted(table)} SET OPTIONS (expiration_timestamp = NULL, "
            "partition_expiration_days = NULL), then run the month again"
        )


def _differences(schema: Sequence[SchemaField], columns: Sequence[Column]) -> str:
    found = {field.name.lower(): _STANDARD.get(field.field_type, field.field_type) for field in schema}
    expected = {c.sql_name: _STANDARD.get(c.bigquery, c.bigquery) for c in columns}
    odd = [f"{name} is {found.get(name, 'missing')}" for name, kind in expected.items() if found.get(name) != kind]
    odd += [f"{name} is unknown" for name in found if name not in expected]
    return ", ".join(odd[:3])
