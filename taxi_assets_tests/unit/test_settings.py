from __future__ import annotations

from pathlib import Path

import pytest

from taxi_assets.errors import MonthError, SettingsError
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.months import Month


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    get_settings.cache_clear()
    monkeypatch.chdir(tmp_path)


def test_environment_and_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Settings.model_config, "env_file", ".env")
    Path(".env").write_text("TAXI_LAST_MONTH=2020-06\nTAXI_KEEP_RAW=false\n")
    monkeypatch.setenv("TAXI_FIRST_MONTH", "2020-01")
    settings = get_settings()
    assert (settings.first_month, settings.last_month, settings.keep_raw) == (Month(2020, 1), Month(2020, 6), False)
    assert [str(month) for month in settings.months][:2] == ["2020-01", "2020-02"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TAXI_LAST_MONTH", "2020-13", "TAXI_LAST_MONTH: '2020-13' is not a month"),
        ("TAXI_LAST_MONTH", "2018-01", "TAXI_LAST_MONTH 2018-01 is before TAXI_FIRST_MONTH 2019-01"),
        ("TAXI_SOURCE_URL", "ftp://host/", "TAXI_SOURCE_URL: must start with"),
        ("TAXI_COPY_STREAMS", "0", "TAXI_COPY_STREAMS: "),
    ],
)
def test_bad_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said) as error:
        get_settings()
    assert "\n" not in str(error.value)


def test_relative_folder_is_one_of_the_working_directory() -> None:
    assert Settings(data_dir=Path("data")).data_dir == Path.cwd() / "data"


def test_password_is_not_shown() -> None:
    settings = Settings(postgres_url="postgresql://me:s3cret@host/db")
    assert "s3cret" not in repr(settings)


def test_month_that_is_no_partition() -> None:
    with pytest.raises(MonthError, match="the published months are 2019-01 to 2021-07"):
        Settings().partition("2021-08")
