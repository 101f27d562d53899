"""dagster-gcp's resources with the credentials and endpoints of this project's settings.

Theirs write a key to a temporary file and set GOOGLE_APPLICATION_CREDENTIALS for the whole process; these keep it in
memory, and talk to a stand-in where one is set. Needs the extra `gcp`: import it where it is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster_gcp import BigQueryResource, GCSResource
from google.cloud import bigquery, storage
from pydantic import PrivateAttr

from taxi_assets.bigquery.connection import bigquery_client, storage_client
from taxi_assets.bigquery.target import Target
from taxi_assets.settings import Settings, get_settings


class TaxiBigQueryResource(BigQueryResource):
    """A BigQueryResource for the project and location of the settings."""

    _settings: Settings = PrivateAttr(default_factory=get_settings)

    @classmethod
    def of(cls, settings: Settings, target: Target) -> "TaxiBigQueryResource":
        resource = cls(project=target.project, location=target.location)
        resource._settings = settings
        return resource

    @contextmanager
    def get_client(self) -> Iterator[bigquery.Client]:
        client = bigquery_client(self._settings, self.project or "", self.location or "")
        try:
            yield client
        finally:
            client.close()


class TaxiGCSResource(GCSResource):
    """A GCSResource for the project of the settings."""

    _settings: Settings = PrivateAttr(default_factory=get_settings)

    @classmethod
    def of(cls, settings: Settings, target: Target) -> "TaxiGCSResource":
        resource = cls(project=target.project)
        resource._settings = settings
        return resource

    def get_client(self) -> storage.Client:
        return storage_client(self._settings, self.project or "")
