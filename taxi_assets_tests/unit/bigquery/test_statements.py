"""What is sent to BigQuery: against recorded statements, and as sqlglot reads them. No Google was asked."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
import sqlglot
from sqlglot import expressions as exp

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.tables import MonthTables, month_tables, quoted
from taxi_assets.bigquery.target import Target
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month

RECORDED = Path(__file__).parent / "recorded"
TARGET = Target("my-project", "europe-west2", "zoomcamp", "my-bucket")
APRIL = Month(2020, 4)
DAYS = [date(2009, 1, 1), *(date(2020, 4, day) for day in range(1, 31)), date(2020, 5, 1), date(2041, 8, 15)]

BOTH = pytest.mark.parametrize("dataset", DATASETS.values(), ids=lambda dataset: dataset.taxi)


def sent(dataset: Dataset) -> dict[str, str]:
    """Every statement of a month, in order."""
    tables: MonthTables = month_tables(TARGET, dataset, APRIL)
    name = dataset.file_name(APRIL)

    def month(source: str, values: list[str]) -> str:
        filename = statements.literal(name)
        return statements.month_table(dataset, quoted(tables.month), quoted(source), values, filename, "")

    partitions = statements.pickup_partitions(dataset, DAYS, null_pickups=True)
    trips, own = quoted(tables.trips), quoted(tables.month)
    return {
        "external table": statements.external_table(dataset.columns, quoted(tables.external), f"gs://my-bucket/{name}"),
        "month from external": month(tables.external, statements.external_values(dataset)),
        "month from staging": month(tables.staging, statements.loaded_values(dataset)),
        "trips table": statements.main_table(dataset, trips),
        "merge": statements.merge(dataset, trips, own, partitions),
        "replace": statements.replace(dataset, trips, own, partitions, name),
        "loaded files": statements.loaded_files(dataset, trips),
        "contents": statements.contents(dataset, trips, [name]),
        "rows of a file": statements.file_rows(dataset, trips, name),
        "remove": statements.of_file("delete_file.sql", dataset, trips, name),
    }


@BOTH
def test_statements_are_the_recorded_ones(dataset: Dataset) -> None:
    """After a change that is meant: RECORD=1 python -m pytest … writes them anew; read the difference."""
    text = "\n\n".join(f"-- {name}\n{sql};" for name, sql in sent(dataset).items()) + "\n"
    path = RECORDED / f"{dataset.taxi}.sql"
    if os.environ.get("RECORD"):
        path.write_text(text)
    assert text == path.read_text()


@BOTH
def test_bigquery_reads_every_statement(dataset: Dataset) -> None:
    kinds = [type(sqlglot.parse_one(sql, read="bigquery")) for sql in sent(dataset).values()]
    assert kinds == [*[exp.Create] * 4, exp.Merge, exp.Merge, *[exp.Select] * 3, exp.Delete]


@BOTH
def test_trips_table_has_the_flow_s_types_and_a_partition_a_day(dataset: Dataset) -> None:
    create = sqlglot.parse_one(sent(dataset)["trips table"], read="bigquery")
    columns = {c.name: c.args["kind"].sql("bigquery") for c in create.find_all(exp.ColumnDef)}
    kinds = {"INTEGER": "INT64"}
    assert columns == {c.name: kinds.get(c.bigquery, c.bigquery) for c in dataset.table_columns}
    partition = create.find(exp.PartitionedByProperty)
    assert partition is not None
    assert partition.sql("bigquery") == f"PARTITION BY DATE({dataset.pickup.name})"
    assert all(c.description in sent(dataset)["trips table"].replace("\\'", "'") for c in dataset.table_columns)


@BOTH
def test_merge_names_only_the_month_s_partitions(dataset: Dataset) -> None:
    """By constants: BigQuery skips no partition for a condition that it has to compute."""
    merge = sqlglot.parse_one(sent(dataset)["merge"], read="bigquery")
    bounds = [
        (type(comparison).__name__, next(comparison.find_all(exp.Literal)).name)
        for comparison in merge.args["on"].find_all(exp.GTE, exp.LT)
    ]
    assert sorted(bounds, key=lambda bound: bound[1]) == [
        ("GTE", "2009-01-01"),
        ("LT", "2009-01-02"),
        ("GTE", "2020-04-01"),
        ("LT", "2020-05-02"),
        ("GTE", "2041-08-15"),
        ("LT", "2041-08-16"),
    ]


def test_month_without_pickups_merges_nowhere() -> None:
    green = DATASETS["green"]
    assert statements.pickup_partitions(green, [], null_pickups=False) == "FALSE"
    assert statements.pickup_partitions(green, [], null_pickups=True) == "T.lpep_pickup_datetime IS NULL"


def test_literal_holds_any_text() -> None:
    odd = "it's a \\ and\na line"
    (found,) = sqlglot.parse_one(f"SELECT {statements.literal(odd)}", read="bigquery").find_all(exp.Literal)
    assert found.name == odd


def test_partition_filter_and_expiry_are_options() -> None:
    green = DATASETS["green"]
    sql = statements.main_table(green, "`p.d.t`", partition_filter=True)
    assert sql.endswith("OPTIONS (require_partition_filter = TRUE)")
    assert sqlglot.parse_one(sql, read="bigquery")
