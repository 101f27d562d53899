"""Text from outside, whatever it holds: refused, or nothing but what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from taxi_assets.errors import MonthError, SettingsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Source

NASTY = st.one_of(
    st.text(),
    st.sampled_from(["2019-04'; DROP TABLE x; --", "$(reboot)", "../../etc/passwd", "2019-04\n", "٢٠١٩-٠٤", "2019-13"]),
    st.from_regex(r"\A.{0,3}\d{4}-\d{2}.{0,3}\Z"),
)
SCHEMES = st.sampled_from(["http", "https", "file", "ftp", "gopher"])


def parsed(text: str) -> Month | str:
    """The month, or what is said of the text."""
    try:
        return Month.parse(text)
    except MonthError as error:
        return str(error)


@given(NASTY)
def test_month_is_digits_or_refused(text: str) -> None:
    found = parsed(text)
    if isinstance(found, str):
        assert found.isprintable()
    else:
        assert str(found) == text
        assert re.fullmatch(r"[0-9]{4}-[0-9]{2}", text)


@given(NASTY)
def test_taxi_is_one_of_two_or_refused(text: str) -> None:
    if text in DATASETS:
        return
    with pytest.raises(MonthError, match="choose yellow or green") as error:
        dataset(text)
    assert str(error.value).isprintable()


@given(st.integers(1, 9999), st.integers(1, 12), st.sampled_from(sorted(DATASETS)))
def test_file_names_are_plain(year: int, month: int, taxi: str) -> None:
    """They become the `file` label, a path, a part of SQL and of a shell's command."""
    assert re.fullmatch(r"[a-z]+_tripdata_[0-9]{4}-[0-9]{2}\.csv", DATASETS[taxi].file_name(Month(year, month)))


@given(st.one_of(st.text(), st.builds("{}://{}".format, SCHEMES, st.text())))
def test_source_is_http_or_file_below_the_data_folder_or_refused(url: str) -> None:
    folder = Path("/nowhere/raw")
    try:
        settings = Settings(source_url=url, _env_file=None)
        source = Source(settings.source_url, folder, timeout=1, attempts=1, max_csv_bytes=1)
    except (ValidationError, SettingsError):
        return
    green = DATASETS["green"]
    assert source.url_of(green, Month(2020, 4)).startswith(("http://", "https://", "file://"))
    assert source.path_of(green, Month(2020, 4)) == folder / "green" / "green_tripdata_2020-04.csv.gz"
