"""BigQuery's tables beside PostgreSQL's after the real months: the same rows but for the id."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from psycopg import sql

from taxi_assets.bigquery.connection import Clients
from taxi_assets.kestra.warehouses import compare
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.bigquery.conftest import GREEN, YELLOW, run_month

MONTHS = {GREEN: (Month(2020, 4), Month(2020, 9)), YELLOW: (Month(2019, 1), Month(2019, 12))}
"""What is shared of each."""


def _types(dataset: Dataset) -> dict[str, pa.DataType]:
    kinds = {"TIMESTAMP": pa.timestamp("s"), "NUMERIC": pa.float64(), "INTEGER": pa.int64(), "STRING": pa.string()}
    return {"filename": pa.string(), **{column.sql_name: kinds[column.bigquery] for column in dataset.columns}}


def _read(path: Path, dataset: Dataset, header: list[str]) -> pa.Table:
    """Both sides' CSV with the same types, sorted; an empty cell is NULL in either."""
    options = arrow_csv.ConvertOptions(
        column_types=_types(dataset),
        include_columns=list(_types(dataset)),
        strings_can_be_null=True,
        null_values=[""],
        timestamp_parsers=["%Y-%m-%d %H:%M:%S+00", "%Y-%m-%d %H:%M:%S"],
    )
    table = arrow_csv.read_csv(path, arrow_csv.ReadOptions(column_names=header, skip_rows=1), convert_options=options)
    return table.sort_by([(name, "ascending") for name in table.column_names])


def _from_bigquery(clients: Clients, dataset: Dataset, objects: Path) -> pa.Table:
    """By an extract job into the bucket, whose folder it lands in."""
    name = f"{clients.target.bucket}/{dataset.taxi}_extract.csv"
    clients.bigquery.extract_table(f"{clients.display}.{dataset.table}", f"gs://{name}").result()
    path = next(objects.glob(f"**/{name}"))
    return _read(path, dataset, [column.sql_name for column in dataset.table_columns])


def _from_postgres(warehouse: Warehouse, dataset: Dataset, folder: Path) -> pa.Table:
    path = folder / f"{dataset.taxi}_postgres.csv"
    query = sql.SQL("COPY {} TO STDOUT (FORMAT csv, HEADER)").format(sql.Identifier("public", dataset.table))
    with warehouse.connect() as connection, connection.cursor().copy(query) as copy, path.open("wb") as file:
        for block in copy:
            file.write(block)
    return _read(path, dataset, [column.sql_name for column in dataset.table_columns])


@pytest.mark.parametrize(("dataset", "way"), [(GREEN, "external"), (YELLOW, "load")], ids=["green", "yellow"])
def test_same_rows_as_postgresql(
    shared_dir: Path,
    clients: Clients,
    warehouse: Warehouse,
    settings: Settings,
    tmp_path: Path,
    objects: Path,
    dataset: Dataset,
    way: str,
) -> None:
    real = settings.model_copy(update={"source_url": (shared_dir / "data" / "trips").as_uri()})
    loader, source = Loader(warehouse, real), Source.from_settings(real)
    repeated = 0
    for month in months_between(*MONTHS[dataset]):
        postgres = loader.load(dataset, month, source.fetch(dataset, month))
        bigquery = run_month(clients, real, dataset, month, way)
        assert bigquery.rows_read == postgres.rows_read
        assert bigquery.rows_inserted == postgres.rows_inserted
        repeated += bigquery.repeated_ids
    left, right = _from_postgres(warehouse, dataset, tmp_path), _from_bigquery(clients, dataset, objects)
    assert left.num_rows == right.num_rows
    for name in left.column_names:
        assert left[name].equals(right[name]), name
    compared = compare(warehouse, clients, dataset, list(months_between(*MONTHS[dataset])))
    assert compared.same
    assert sum(month.bigquery.repeated_ids for month in compared.months) == repeated
    assert repeated == {"green": REPEATED_GREEN, "yellow": REPEATED_YELLOW}[dataset.taxi]


REPEATED_GREEN, REPEATED_YELLOW = 855, 0
"""Rows inside one file with the five-column id of another row of it, which differ in fare or distance."""
