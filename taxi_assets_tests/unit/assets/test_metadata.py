from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime

import pytest
from dagster import TableSchema

from taxi_assets.assets import bigquery_metadata, metadata
from taxi_assets.trips.datasets import DATASETS, Column

GREEN = DATASETS["green"]


@pytest.mark.parametrize(
    ("schema", "named"),
    [(metadata.table_schema, "pulocationid"), (bigquery_metadata.table_schema, "PULocationID")],
    ids=["postgres", "bigquery"],
)
def test_preview_is_short_and_json(schema: Callable[[tuple[Column, ...]], TableSchema], named: str) -> None:
    odd = {"pulocationid": "x" * 1000, "fare_amount": math.inf, "lpep_pickup_datetime": datetime(2020, 4, 1)}
    row = tuple(odd.get(column.sql_name) for column in GREEN.table_columns)
    shown = metadata.preview([row], GREEN, schema)
    (record,) = shown.records
    assert [column.name for column in shown.schema.columns] == list(record.data)
    assert len(str(record.data[named])) == 81
    assert json.loads(json.dumps(record.data, allow_nan=False))["fare_amount"] == "inf"
