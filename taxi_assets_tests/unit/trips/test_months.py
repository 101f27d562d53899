from __future__ import annotations

import pytest

from taxi_assets.errors import MonthError
from taxi_assets.trips.months import Month, months_between


def test_months_in_order_over_a_year_end() -> None:
    assert [str(m) for m in months_between(Month(2019, 11), Month(2020, 2))] == [
        "2019-11", "2019-12", "2020-01", "2020-02",
    ]  # fmt: skip
    assert list(months_between(Month(2020, 2), Month(2020, 1))) == []


@pytest.mark.parametrize("text", ["2020-13", "2020-00", "2020-4", "202004", "2020-04-01", "", "٢٠٢٠-٠٤", "2020-04\n"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(MonthError, match="YYYY-MM"):
        Month.parse(text)
