from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_assets.assets.ticks import Tick, ticks_after
from taxi_assets.trips.months import Month


@pytest.mark.parametrize(
    ("zone", "dates"),
    [
        ("UTC", ("2019-03-01T09:00:00Z", "2019-04-01T09:00:00Z", "2019-02-01T09:00:00Z")),
        (
            "America/New_York",
            ("2019-03-01T09:00:00-05:00", "2019-04-01T09:00:00-04:00", "2019-02-01T09:00:00-05:00"),
        ),
        ("Asia/Kolkata", ("2019-03-01T09:00:00+05:30", "2019-04-01T09:00:00+05:30", "2019-02-01T09:00:00+05:30")),
    ],
)
def test_tick_of_a_month(zone: str, dates: tuple[str, str, str]) -> None:
    tick = Tick.of_month("0 9 1 * *", zone, Month(2019, 3))
    assert tuple(tick.labels.values()) == dates
    assert tuple(tick.labels) == ("trigger.date", "trigger.next", "trigger.previous")
    assert tick.month == Month(2019, 3)


def test_ticks_after_a_moment_leave_that_moment_out() -> None:
    first, last = datetime(2019, 1, 1, 9, tzinfo=UTC), datetime(2019, 3, 1, 9, tzinfo=UTC)
    assert [str(t) for t in ticks_after("0 9 1 * *", "UTC", first.timestamp(), last)] == [
        "2019-02-01T09:00:00Z",
        "2019-03-01T09:00:00Z",
    ]
