"""Which project, dataset and bucket to work in, and where that is written down."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from taxi_assets.errors import MissingKeyError, SettingsError
from taxi_assets.settings import Settings

Way = Literal["external", "load"]
KeyLookup = Callable[[str], str]
"""The value of a key in the key-value store. Raises MissingKeyError naming key and namespace."""

_FORMS = {
    "GCP_PROJECT_ID": re.compile(r"[a-z][a-z0-9.:-]{2,60}[a-z0-9]"),
    "GCP_LOCATION": re.compile(r"[A-Za-z][A-Za-z0-9-]+"),
    "GCP_DATASET": re.compile(r"[A-Za-z0-9_]{1,1024}"),
    "GCP_BUCKET_NAME": re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where months go in Google Cloud. Every name is checked to be one, so it may be quoted into SQL."""

    project: str
    location: str
    dataset: str
    bucket: str | None
    """None when there is none, or when it was not looked for, as the settings' way needs none."""
    lookup: KeyLookup | None = field(default=None, repr=False, compare=False)

    @classmethod
    def resolve(cls, settings: Settings, lookup: KeyLookup) -> Target:
        """From the environment, else the key-value store; the bucket may be missing.

        Raises MissingKeyError, or SettingsError for a name that cannot be one.
        """
        known = {
            "GCP_PROJECT_ID": settings.gcp_project_id,
            "GCP_LOCATION": settings.gcp_location,
            "GCP_DATASET": settings.gcp_dataset,
        }
        found = {key: _checked(key, value or _required(lookup, key)) for key, value in known.items()}
        bucket = settings.gcp_bucket_name
        if bucket is not None:
            bucket = _checked("GCP_BUCKET_NAME", bucket)
        elif settings.bigquery_way != "load":
            bucket = _bucket(lookup)
        return cls(found["GCP_PROJECT_ID"], found["GCP_LOCATION"], found["GCP_DATASET"], bucket, lookup)

    def way(self, settings: Settings) -> Way:
        """The way by TAXI_BIGQUERY_WAY, else by whether there is a bucket."""
        return settings.bigquery_way or ("external" if self.bucket else "load")

    def find_bucket(self) -> str | None:
        """The bucket, looked for in the key-value store too, whatever way the settings say."""
        return self.bucket or (_bucket(self.lookup) if self.lookup else None)

    def need_bucket(self) -> str:
        """The bucket. Raises SettingsError when there is none."""
        bucket = self.find_bucket()
        if bucket is None:
            raise SettingsError(
                "GCP_BUCKET_NAME is not set, and external tables read from a bucket: set it (taxi-assets kv set "
                "GCP_BUCKET_NAME …), or load without one: leave out the assets gcs_csv and bq_external, as the job "
                "bq_load_taxi does, or set TAXI_BIGQUERY_WAY=load"
            )
        return bucket


def _checked(key: str, value: str) -> str:
    if not _FORMS[key].fullmatch(value):
        raise SettingsError(f"{key} is {value!r}, which cannot be one: correct it in the environment or with `kv set`")
    return value


def _required(lookup: KeyLookup, key: str) -> str:
    try:
        return lookup(key)
    except MissingKeyError as error:
        raise MissingKeyError(f"{key} is not set in the environment, and {error}") from None


def _bucket(lookup: KeyLookup) -> str | None:
    try:
        return _checked("GCP_BUCKET_NAME", lookup("GCP_BUCKET_NAME"))
    except MissingKeyError:
        return None
