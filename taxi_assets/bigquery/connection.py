"""How the clients of BigQuery and Cloud Storage are made: credentials, endpoints, patience."""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

from taxi_assets.bigquery.target import Target
from taxi_assets.errors import SettingsError
from taxi_assets.settings import Settings

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.auth.credentials import Credentials
    from google.cloud import bigquery, storage

_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
BIGQUERY_EMULATOR, STORAGE_EMULATOR = "BIGQUERY_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"
"""Variables that Google's clients read themselves: the URL of a stand-in."""


class Patience(TypedDict):
    """How a call is repeated, and how many seconds one request may be silent. Without the second it may be for ever."""

    retry: Retry
    timeout: float


@dataclass(frozen=True, slots=True)
class Clients:
    """A client for each service, and what they work on."""

    target: Target
    bigquery: bigquery.Client
    storage: storage.Client
    patience: Patience = field(repr=False)
    """For every call to BigQuery."""
    storage_patience: Patience = field(repr=False)
    """For every call to Cloud Storage, whose uploads fail in a way of their own."""

    @property
    def display(self) -> str:
        """The dataset as a person writes it."""
        return f"{self.target.project}.{self.target.dataset}"

    def within(self, seconds: float) -> Clients:
        """The same, asking BigQuery for so many seconds at most."""
        hasty = Patience(retry=self.patience["retry"].with_timeout(seconds), timeout=seconds / 2)
        return replace(self, patience=hasty)


def bigquery_client(settings: Settings, project: str, location: str) -> bigquery.Client:
    """A client for Google, or for a stand-in. Raises SettingsError for credentials that cannot be read."""
    from google.cloud import bigquery

    _check_emulators()
    return bigquery.Client(project=project, location=location, credentials=_credentials(settings))


def storage_client(settings: Settings, project: str) -> storage.Client:
    """A client for Google, or for a stand-in. Raises SettingsError for credentials that cannot be read."""
    from google.cloud import storage

    _check_emulators()
    return storage.Client(project=project, credentials=_credentials(settings))


def with_patience(settings: Settings, target: Target, bigquery: bigquery.Client, storage: storage.Client) -> Clients:
    """Both clients, asking again for TAXI_GCP_TIMEOUT seconds when Google does not answer or is overloaded.

    A request may take half of it, so that one that was lost on the way is sent again.
    """
    from google.cloud.bigquery.retry import DEFAULT_RETRY
    from google.cloud.storage.retry import DEFAULT_RETRY as STORAGE_RETRY

    seconds = settings.gcp_timeout
    patience, storage_patience = (
        Patience(retry=retry.with_timeout(seconds), timeout=seconds / 2) for retry in (DEFAULT_RETRY, STORAGE_RETRY)
    )
    return Clients(target, bigquery, storage, patience, storage_patience)


def require_extra() -> None:
    """Raises SettingsError saying what to install when Google's libraries are missing."""
    try:
        import google.cloud.bigquery
        import google.cloud.storage  # noqa: F401
    except ImportError:
        raise SettingsError(
            "BigQuery needs Google's libraries: install them with: pip install 'taxi_assets[gcp]' "
            "(in a checkout: pip install --require-hashes -r requirements/gcp.txt)"
        ) from None


def _check_emulators() -> None:
    """One without the other would send half of the work to Google."""
    given = [name for name in (BIGQUERY_EMULATOR, STORAGE_EMULATOR) if os.environ.get(name)]
    if len(given) == 1:
        raise SettingsError(f"only {given[0]} is set: set both {BIGQUERY_EMULATOR} and {STORAGE_EMULATOR}, or neither")


def _credentials(settings: Settings) -> Credentials:
    """The first there is of: the two secrets, GOOGLE_APPLICATION_CREDENTIALS, Google's defaults."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if os.environ.get(BIGQUERY_EMULATOR):
        return AnonymousCredentials()
    for name in ("secret_gcp_creds", "secret_gcp_service_account"):
        secret = getattr(settings, name)
        if secret is not None:
            return _service_account(name.upper(), secret.get_secret_value())
    path = settings.google_application_credentials
    if path is not None:
        os.environ[_FILE] = str(path)  # a .env file may have said so, which Google's libraries do not read
    try:
        found: Credentials = google.auth.default(scopes=_SCOPES)[0]
        return found
    except (DefaultCredentialsError, ValueError):
        where = f"GOOGLE_APPLICATION_CREDENTIALS names {path}, which is no credentials file" if path else (
            "no Google credentials found"
        )  # fmt: skip
        raise SettingsError(
            f"{where}: set SECRET_GCP_CREDS to the base64 of a service account's JSON key, "
            "GOOGLE_APPLICATION_CREDENTIALS to its path, or run: gcloud auth application-default login"
        ) from None


def _service_account(name: str, encoded: str) -> Credentials:
    """Nothing of the key is ever in a message."""
    from google.oauth2 import service_account

    try:
        info: dict[str, Any] = json.loads(base64.b64decode("".join(encoded.split()), validate=True))
        return service_account.Credentials.from_service_account_info(info, scopes=_SCOPES)  # type: ignore[no-any-return]
    except (binascii.Error, ValueError, AttributeError, TypeError):
        raise SettingsError(
            f"{name} is not the base64 of a service account's JSON key: make it with: base64 -w 0 key.json"
        ) from None
