from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taxi_assets.trips.origin_http import retry_after

NOW = datetime(2020, 7, 6, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        ("86400", 60),
        ("Mon, 06 Jul 2020 10:00:05 GMT", 5),
        ("Mon, 06 Jul 2020 10:00:05 -0000", 5),
        ("Mon, 06 Jul 2020 09:00:00 GMT", 0),
        ("Tue, 07 Jul 2020 10:00:00 GMT", 60),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
