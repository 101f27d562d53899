from __future__ import annotations

import pytest

from taxi_assets.assets.request import requested_months, run_labels
from taxi_assets.errors import MonthError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month

GREEN = DATASETS["green"]
APRIL, JUNE = Month(2020, 4), Month(2020, 6)


def test_one_month() -> None:
    assert requested_months({"dagster/partition": "2020-04"}, GREEN, Settings(), "green_postgres_taxi") == (APRIL,)
    assert run_labels(GREEN, (APRIL,)) == {"file": "green_tripdata_2020-04.csv", "taxi": "green"}


def test_range_of_months() -> None:
    tags = {"dagster/asset_partition_range_start": "2020-04", "dagster/asset_partition_range_end": "2020-06"}
    months = requested_months(tags, GREEN, Settings(), "green_postgres_taxi")
    assert months == (APRIL, Month(2020, 5), JUNE)
    assert run_labels(GREEN, months)["file"] == "green_tripdata_2020-04.csv..green_tripdata_2020-06.csv"


@pytest.mark.parametrize("tags", [{}, {"dagster/partition": "2035-04"}, {"dagster/partition": "april"}])
def test_wrong_request_names_the_command_that_works(tags: dict[str, str]) -> None:
    with pytest.raises(MonthError, match=r'dagster job execute .* --tags \'{"dagster/partition": "2019-01"}\''):
        requested_months(tags, GREEN, Settings(), "green_postgres_taxi")
