from __future__ import annotations

import pytest

from taxi_assets.errors import MonthError
from taxi_assets.trips.datasets import DATASETS, dataset
from taxi_assets.trips.months import Month
from taxi_assets_tests.shared import kestra_truth


@pytest.mark.parametrize("taxi", DATASETS)
def test_columns_are_those_of_the_recorded_tables(taxi: str) -> None:
    recorded = kestra_truth("loads.json")["columns"]
    columns = [f"{column.sql_name} {column.postgres}" for column in DATASETS[taxi].table_columns]
    assert columns == recorded[DATASETS[taxi].table]


def test_names() -> None:
    green = dataset("green")
    assert green.file_name(Month(2020, 4)) == "green_tripdata_2020-04.csv"
    assert (green.table, green.staging_table) == ("green_tripdata", "green_tripdata_staging")


def test_unknown_taxi() -> None:
    with pytest.raises(MonthError, match="unknown taxi 'black': choose yellow or green"):
        dataset("black")
