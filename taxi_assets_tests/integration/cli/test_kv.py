"""`taxi-assets kv` as a person types it, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taxi_assets.cli import app
from taxi_assets.errors import MissingKeyError, SettingsError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import get_settings


@pytest.fixture(autouse=True)
def _database(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)  # away from the .env of the person who runs the tests
    monkeypatch.setenv("TAXI_POSTGRES_URL", warehouse.url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def kv(*arguments: str) -> Result:
    return CliRunner().invoke(app, ("kv", *arguments))


def lines(*arguments: str) -> list[str]:
    result = kv(*arguments)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_set_get_and_overwrite() -> None:
    assert lines("set", "GCP_DATASET", "one") == ["GCP_DATASET set in namespace zoomcamp"]
    lines("set", "GCP_DATASET", "two")
    assert lines("get", "GCP_DATASET") == ["two"]


def test_no_overwrite_keeps_what_is_there() -> None:
    lines("set", "GCP_DATASET", "one")
    refused = kv("set", "GCP_DATASET", "two", "--no-overwrite")
    assert isinstance(refused.exception, SettingsError)
    assert "GCP_DATASET is set in namespace zoomcamp already" in str(refused.exception)
    assert lines("get", "GCP_DATASET") == ["one"]


def test_namespace_sees_the_keys_above_it_and_its_own_first() -> None:
    lines("set", "GCP_DATASET", "parent's")
    lines("set", "GCP_LOCATION", "EU")
    lines("set", "GCP_DATASET", "team's", "--namespace", "zoomcamp.team")
    assert lines("get", "GCP_DATASET", "-n", "zoomcamp.team.me") == ["team's"]
    assert lines("get", "GCP_DATASET") == ["parent's"]
    assert lines("list", "-n", "zoomcamp.team") == [
        "GCP_DATASET = team's    (zoomcamp.team)",
        "GCP_LOCATION = EU    (zoomcamp)",
    ]
    assert lines("list", "-n", "another") == [
        "namespace another sees no keys; set one with: taxi-assets kv set KEY VALUE"
    ]


def test_namespace_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAXI_NAMESPACE", "elsewhere")
    get_settings.cache_clear()
    assert lines("set", "K", "v") == ["K set in namespace elsewhere"]


def test_missing_key_names_key_and_namespace_and_what_to_type() -> None:
    missing = kv("get", "GCP_DATASET", "-n", "zoomcamp.team")
    assert missing.exit_code == 1
    assert isinstance(missing.exception, MissingKeyError)
    assert str(missing.exception) == (
        "namespace zoomcamp.team and those above it have no key GCP_DATASET: set it with: "
        "taxi-assets kv set --namespace zoomcamp.team GCP_DATASET VALUE"
    )


def test_delete_is_of_one_namespace() -> None:
    lines("set", "GCP_DATASET", "parent's")
    refused = kv("delete", "GCP_DATASET", "-n", "zoomcamp.team")
    assert refused.exit_code == 1
    assert refused.output == "namespace zoomcamp.team has no key GCP_DATASET\n"
    assert lines("delete", "GCP_DATASET") == ["GCP_DATASET deleted from namespace zoomcamp"]
    assert kv("get", "GCP_DATASET").exit_code == 1


@pytest.mark.parametrize("key", ["GCP_CREDS", "ANY_KEY"])
def test_service_account_is_refused_and_shown_nowhere(key: str, warehouse: Warehouse) -> None:
    refused = kv("set", key, '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----s3cret"}')
    assert refused.exit_code == 1
    assert "set it in the environment as SECRET_GCP_CREDS" in str(refused.exception)
    assert "s3cret" not in refused.output + str(refused.exception)
    assert not any("s3cret" in line for line in lines("list"))
    with warehouse.connect() as connection:
        assert connection.execute("SELECT to_regclass('taxi_assets.key_values')").fetchone() == (None,)
