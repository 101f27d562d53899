from __future__ import annotations

import pytest

from taxi_assets.errors import SettingsError
from taxi_assets.labels import parse_labels


def test_labels() -> None:
    assert parse_labels(["backfill=true", " team=a=b ", "x/y.z=1"]) == {"backfill": "true", "team": "a=b", "x/y.z": "1"}


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("novalue", "write it as key=value"),
        ("=x", "write it as key=value"),
        ("system.correlationId=1", "kept for the engine"),
        ("dagster/partition=2019-01", "kept for Dagster"),
        (".dagster/x=1", "write it as key=value"),
        ("taxi_assets/replace=true", "kept for this project"),
        ("trigger.date=now", "set from the schedule's tick"),
        ("taxi=yellow", "every run sets taxi itself"),
    ],
)
def test_reserved_and_odd_labels_are_refused(label: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        parse_labels([label])


def test_one_key_with_two_values_is_refused() -> None:
    with pytest.raises(SettingsError, match="given twice"):
        parse_labels(["a=1", "a=2"])
