"""dagster-gcp's resources, with the project, place and credentials that the settings and the key-value store name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.kv import KeyValueStore
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from taxi_assets.bigquery.connection import Clients


def key_value_store(settings: Settings) -> KeyValueStore:
    """The store in the PostgreSQL warehouse, seen from TAXI_NAMESPACE."""
    return KeyValueStore(Warehouse.from_settings(settings), settings.namespace)


@contextmanager
def open_google(settings: Settings) -> Iterator[Clients]:
    """Clients of BigQuery and Cloud Storage. Raises SettingsError, also when the extra `gcp` is not installed.

    PostgreSQL is asked only for names that the environment does not give.
    """
    from taxi_assets.bigquery.connection import require_extra, with_patience

    require_extra()
    from taxi_assets.assets.gcp_resources import TaxiBigQueryResource, TaxiGCSResource
    from taxi_assets.bigquery.target import Target

    def lookup(key: str) -> str:
        return key_value_store(settings).get(key)

    target = Target.resolve(settings, lookup)
    with TaxiBigQueryResource.of(settings, target).get_client() as bigquery:
        storage = TaxiGCSResource.of(settings, target).get_client()
        yield with_patience(settings, target, bigquery, storage)
