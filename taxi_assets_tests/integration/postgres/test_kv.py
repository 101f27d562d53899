"""The key-value store, with the meaning that Kestra gives it."""

from __future__ import annotations

import base64
import json

import pytest

from taxi_assets.errors import MissingKeyError, SettingsError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.kv import KeyValue, KeyValueStore

ACCOUNT = json.dumps(
    {"project_id": "p?>~ÿ", "type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----s3cret"},
    ensure_ascii=False,
).encode()


def test_set_replaces(warehouse: Warehouse) -> None:
    store = KeyValueStore(warehouse, "zoomcamp")
    store.set("GCP_DATASET", "one")
    store.set("GCP_DATASET", "two")
    assert store.get("GCP_DATASET") == "two"


def test_set_without_overwriting_keeps_the_first(warehouse: Warehouse) -> None:
    store = KeyValueStore(warehouse, "zoomcamp")
    store.set("K", "one", overwrite=False)
    with pytest.raises(SettingsError, match="K is set in namespace zoomcamp already"):
        store.set("K", "two", overwrite=False)
    assert store.get("K") == "one"


def test_child_sees_its_parents_keys_nearest_first(warehouse: Warehouse) -> None:
    parent, child = KeyValueStore(warehouse, "zoomcamp"), KeyValueStore(warehouse, "zoomcamp.team.me")
    parent.set("A", "parent's")
    parent.set("B", "parent's")
    KeyValueStore(warehouse, "zoomcamp.team").set("B", "team's")
    KeyValueStore(warehouse, "zoomcampus").set("A", "a stranger's")
    assert (child.get("A"), child.get("B"), parent.get("B")) == ("parent's", "team's", "parent's")
    assert child.visible() == [KeyValue("zoomcamp", "A", "parent's"), KeyValue("zoomcamp.team", "B", "team's")]


def test_delete_is_of_this_namespace_only(warehouse: Warehouse) -> None:
    parent, child = KeyValueStore(warehouse, "zoomcamp"), KeyValueStore(warehouse, "zoomcamp.team")
    parent.set("A", "parent's")
    assert not child.delete("A")
    assert parent.delete("A")
    assert parent.visible() == []


def test_missing_key_names_key_and_namespace(warehouse: Warehouse) -> None:
    """Also in a database where nothing was ever set, and without making anything there."""
    with pytest.raises(MissingKeyError, match="namespace zoomcamp and those above it have no key GCP_DATASET: set"):
        KeyValueStore(warehouse, "zoomcamp").get("GCP_DATASET")
    with warehouse.connect() as connection:
        assert connection.execute("SELECT to_regnamespace('taxi_assets')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("GCP_CREDS", "x"),
        ("MY_KEY", '{"type": "service_account", "private_key": "s3cret"}'),
        ("PEM", "-----BEGIN PRIVATE KEY-----s3cret"),
        ("SECRET_GCP_CREDS", "x"),
        ("secret_anything", "x"),
        ("gcp_creds", "x"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json"),
        ("MY_KEY", base64.b64encode(ACCOUNT).decode()),
        ("MY_KEY", base64.encodebytes(ACCOUNT).decode()),
        ("MY_KEY", base64.urlsafe_b64encode(ACCOUNT).decode().rstrip("=")),
    ],
)
def test_secret_is_refused_and_not_shown(warehouse: Warehouse, key: str, value: str) -> None:
    store = KeyValueStore(warehouse, "zoomcamp")
    with pytest.raises(SettingsError, match="set it in the environment as SECRET_GCP_CREDS") as error:
        store.set(key, value)
    assert "s3cret" not in str(error.value)
    assert value == "x" or value not in str(error.value)
    assert store.visible() == []


@pytest.mark.parametrize(
    "value", ["europe-west2", "my-project_1", "a", "c2VydmljZV9hY2NvdW50", "x@p.iam.gserviceaccount.com"]
)
def test_value_that_is_no_secret_is_kept(warehouse: Warehouse, value: str) -> None:
    store = KeyValueStore(warehouse, "zoomcamp")
    store.set("GCP_SERVICE_ACCOUNT_EMAIL", value)
    assert store.get("GCP_SERVICE_ACCOUNT_EMAIL") == value


@pytest.mark.parametrize("key", ["", "a b", "-x", "a'; DROP TABLE x"])
def test_key_that_cannot_be_one(warehouse: Warehouse, key: str) -> None:
    with pytest.raises(SettingsError, match="is not a key"):
        KeyValueStore(warehouse, "zoomcamp").set(key, "x")


@pytest.mark.parametrize("namespace", ["", ".", "a..b", "a b"])
def test_namespace_that_cannot_be_one(warehouse: Warehouse, namespace: str) -> None:
    with pytest.raises(SettingsError, match="is not a namespace"):
        KeyValueStore(warehouse, namespace)
