from __future__ import annotations

import pytest

from taxi_assets.assets.request import labels_at_start, requested_months, run_labels
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


@pytest.mark.parametrize(
    ("tags", "dates"),
    [
        ({"dagster/backfill": "abc", "dagster/partition": "2020-04"}, ["2020-04-01T09:00:00Z"]),
        ({"dagster/asset_partition_range_start": "2020-04", "dagster/asset_partition_range_end": "2020-04"},
         ["2020-04-01T09:00:00Z"]),
        ({"dagster/asset_partition_range_start": "2020-04", "dagster/asset_partition_range_end": "2020-06"}, []),
        ({"dagster/partition": "2020-04"}, []),
    ],
)  # fmt: skip
def test_month_of_a_backfill_is_labelled_with_its_own_tick(tags: dict[str, str], dates: list[str]) -> None:
    months = requested_months(tags, GREEN, Settings(), "green_postgres_taxi")
    labels = labels_at_start(tags, GREEN, months, Settings())
    assert [labels[name] for name in labels if name == "trigger.date"] == dates
    assert labels.items() >= run_labels(GREEN, months).items()


@pytest.mark.parametrize("tags", [{}, {"dagster/partition": "2035-04"}, {"dagster/partition": "april"}])
def test_wrong_request_names_the_command_that_works(tags: dict[str, str]) -> None:
    with pytest.raises(MonthError, match=r'dagster job execute .* --tags \'{"dagster/partition": "2019-01"}\''):
        requested_months(tags, GREEN, Settings(), "green_postgres_taxi")
