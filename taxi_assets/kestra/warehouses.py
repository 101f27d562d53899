"""PostgreSQL's trips beside BigQuery's, file by file: what each holds, and the rows that only one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from psycopg import Connection

from taxi_assets.bigquery import contents as bigquery_contents
from taxi_assets.bigquery.connection import Clients
from taxi_assets.kestra.row_diff import RowDifferences, differences
from taxi_assets.postgres import contents as postgres_contents
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.trips.contents import NOTHING, Contents, compared_columns
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month


@dataclass(frozen=True, slots=True)
class FileComparison:
    """The rows that a month's file brought to both trips tables."""

    month: Month
    postgres: Contents
    bigquery: Contents
    differences: RowDifferences = field(default_factory=RowDifferences)

    @property
    def same(self) -> bool:
        """Whether the rows are. Ids may repeat more often in BigQuery, whose id is made of fewer columns."""
        ours, theirs = self.postgres, self.bigquery
        return (ours.rows, ours.checksum) == (theirs.rows, theirs.checksum)

    @property
    def absent(self) -> bool:
        """Whether neither warehouse has the month."""
        return self.postgres.rows == self.bigquery.rows == 0


@dataclass(frozen=True, slots=True)
class WarehouseComparison:
    dataset: Dataset
    how: str
    """What was compared, in one sentence."""
    months: tuple[FileComparison, ...]

    @property
    def same(self) -> bool:
        """Whether there are rows, and no difference."""
        return all(month.same for month in self.months) and not all(month.absent for month in self.months)


def compare(warehouse: Warehouse, clients: Clients, dataset: Dataset, months: Sequence[Month]) -> WarehouseComparison:
    """Compare what is loaded, without loading anything. Rows are fetched only of months that differ."""
    how = (
        f"The rows that each month's file brought to {dataset.table} in PostgreSQL ({warehouse.display}) and in "
        f"BigQuery ({clients.display}), compared in all columns but the id, which BigQuery computes from fewer."
    )
    names = [dataset.file_name(month) for month in months]
    with warehouse.connect() as connection:
        ours = postgres_contents.contents(connection, dataset, names)
        theirs = bigquery_contents.contents(clients, dataset, names)
        found = []
        for month, name in zip(months, names, strict=True):
            compared = FileComparison(month, ours.get(name, NOTHING), theirs.get(name, NOTHING))
            if not compared.same:
                rows = _row_differences(connection, clients, dataset, compared)
                compared = replace(compared, differences=rows)
            found.append(compared)
    return WarehouseComparison(dataset, how, tuple(found))


def _row_differences(
    connection: Connection, clients: Clients, dataset: Dataset, compared: FileComparison
) -> RowDifferences:
    """Rows that agree in the columns of BigQuery's id are one trip, of which something else was changed."""
    filename, nothing = dataset.file_name(compared.month), iter(())
    ours = postgres_contents.file_rows(connection, dataset, filename) if compared.postgres.rows else nothing
    theirs = bigquery_contents.file_rows(clients, dataset, filename) if compared.bigquery.rows else nothing
    columns = tuple(column.name for column in compared_columns(dataset))
    return RowDifferences.among(differences(columns, ours, theirs, same_row=len(dataset.bigquery_id_columns)))
