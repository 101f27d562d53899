"""Every knob of the project, read from the environment (and a `.env` file beside it), with its default and meaning.

`docs/settings.md` is written from the descriptions here.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from taxi_assets.errors import MonthError, SettingsError
from taxi_assets.labels import parse_labels
from taxi_assets.trips.months import Month, months_between

PUBLIC_RELEASE = "https://github.com/DataTalksClub/nyc-tlc-data/releases/download"


def project_dir() -> Path:
    """The checkout this package runs from, or the working directory when it is installed elsewhere."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


def _month(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Month.parse(value)
    except MonthError as error:
        raise ValueError(str(error)) from None


def _source_url(value: str) -> str:
    if not value.startswith(("https://", "http://", "file://")):
        hint = f" (for a folder: {Path(value).as_uri()})" if value.startswith("/") else ""
        raise ValueError(f"must start with https://, http:// or file://{hint}")
    return value.rstrip("/")


def _storage_url(value: SecretStr | None) -> SecretStr | None:
    # SQLAlchemy 2.1 takes another driver for plain postgresql://, whose syntax dagster-postgres does not speak.
    if value is not None and not value.get_secret_value().startswith("postgresql+psycopg2://"):
        raise ValueError("must start with postgresql+psycopg2://")
    return value


def _timezone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not a timezone: write it as in America/New_York, or UTC") from None


def _labels(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_labels(part for part in value.split(",") if part.strip())
    except SettingsError as error:
        raise ValueError(str(error)) from None


def _webhook(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(("https://", "http://")):
        raise ValueError("must start with https:// or http://")
    return value


Folder = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())]
MonthSetting = Annotated[Month, NoDecode, BeforeValidator(_month), PlainSerializer(str)]


class Settings(BaseSettings):
    """One field per environment variable; the variable is the field's name in capitals with `TAXI_` before it."""

    model_config = SettingsConfigDict(
        env_prefix="TAXI_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    source_url: Annotated[str, AfterValidator(_source_url)] = Field(
        PUBLIC_RELEASE,
        repr=False,  # may hold a password; `source_shown` is for people
        description="Where the files are: `{url}/{taxi}/{taxi}_tripdata_{YYYY-MM}.csv.gz`; http(s) or file://.",
    )
    data_dir: Folder = Field(
        default_factory=lambda: project_dir() / "data",
        description="Folder for raw files, the embedded PostgreSQL and Dagster's own storage.",
    )
    postgres_url: SecretStr | None = Field(
        None,
        description="Any PostgreSQL from 15 on, as postgresql://user:password@host:5432/database, "
        "in place of the embedded one.",
    )
    first_month: MonthSetting = Field(Month(2019, 1), description="First monthly partition.")
    last_month: MonthSetting = Field(Month(2021, 7), description="Last monthly partition: the last one published.")
    keep_raw: bool = Field(True, description="Keep the downloaded .csv.gz after its month is merged.")
    copy_streams: int = Field(
        default_factory=lambda: max(1, min(4, os.cpu_count() or 1)),
        ge=1,
        le=16,
        description="Connections that fill a month's work table side by side.",
    )
    work_mem_mb: int = Field(
        128, ge=1, le=4096, description="Memory in MB that the server may use to match a month's ids."
    )
    lock_timeout: float = Field(
        300, gt=0, description="Seconds to wait for a lock on the trips or staging table before the month fails."
    )
    connect_timeout: int = Field(10, ge=1, description="Seconds to wait for PostgreSQL to answer.")
    silence_timeout: float = Field(
        60,
        gt=0,
        description="Seconds without a byte from PostgreSQL before it is asked for another session, which a busy "
        "server gives; the month fails if it does not within TAXI_CONNECT_TIMEOUT.",
    )
    http_timeout: float = Field(30, gt=0, description="Seconds without a byte before a download is tried again.")
    http_attempts: int = Field(4, ge=1, description="How often a download is tried before the month fails.")
    max_csv_mb: int = Field(
        4096, ge=1, description="Largest CSV in MB that a .csv.gz may unpack to; a bigger one is refused."
    )
    max_outside_share: float = Field(
        0.5, gt=0, le=1, description="A file fails when more than this share of its pickups lies outside its month."
    )

    namespace: str = Field("zoomcamp", description="Namespace of the key-value store, as a Kestra flow has one.")
    bigquery_way: Literal["external", "load"] | None = Field(
        None,
        description="How a file gets into BigQuery: `external` by a bucket and an external table, `load` by a load job "
        "straight from the disk; if not set, `external` where there is a GCP_BUCKET_NAME.",
    )
    bigquery_expire_days: int | None = Field(
        None, ge=1, description="Days after which a month's own BigQuery tables go; kept if not set, as the flow does."
    )
    bigquery_partition_filter: bool = Field(
        False,
        description="Make BigQuery trips tables refuse queries that do not limit the pickup, the Kestra flow's merge "
        "included.",
    )
    gcp_timeout: float = Field(120, gt=0, description="Seconds to ask again when Google does not answer.")

    gcp_project_id: str | None = Field(None, validation_alias="GCP_PROJECT_ID", description="Google Cloud project.")
    gcp_location: str | None = Field(
        None, validation_alias="GCP_LOCATION", description="Where bucket and dataset are, e.g. europe-west2."
    )
    gcp_bucket_name: str | None = Field(
        None, validation_alias="GCP_BUCKET_NAME", description="Bucket for the CSV files; not needed to `load`."
    )
    gcp_dataset: str | None = Field(None, validation_alias="GCP_DATASET", description="BigQuery dataset.")
    secret_gcp_creds: SecretStr | None = Field(
        None, validation_alias="SECRET_GCP_CREDS", description="Service account key as base64 of its JSON."
    )
    secret_gcp_service_account: SecretStr | None = Field(
        None, validation_alias="SECRET_GCP_SERVICE_ACCOUNT", description="The same, under its other usual name."
    )
    google_application_credentials: Path | None = Field(
        None,
        validation_alias="GOOGLE_APPLICATION_CREDENTIALS",
        description="Credentials file, read where neither secret is set; else Google's default credentials serve.",
    )

    schedule_timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        "UTC", description="Timezone of the schedules' crons, green `0 9 1 * *` and yellow `0 10 1 * *`."
    )
    schedule_labels: Annotated[dict[str, str], NoDecode, BeforeValidator(_labels)] = Field(
        default_factory=dict, description="Labels on every run that a schedule requests, as `team=data,env=dev`."
    )
    recover_missed_schedules: Literal["ALL", "LAST", "NONE"] = Field(
        "ALL",
        description="What a schedule does about ticks missed while nothing ran: ALL of them, oldest first; the LAST "
        "one; or NONE.",
    )
    backfill_policy: Literal["single_run", "per_month"] = Field(
        "single_run",
        description="How the Dagster UI backfills the assets: the whole range in a single_run that tells of each "
        "month, or a run per_month, each with a process of its own.",
    )
    reload_changed: bool = Field(
        False, description="Let release_sensor replace a loaded month whose published file has changed."
    )
    failure_webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = Field(
        None, description="Where failure_sensor posts a failed run as JSON. Treated as a secret."
    )

    dagster_home: Folder | None = Field(
        None,
        validation_alias="DAGSTER_HOME",
        description="Dagster's own storage of runs and events; a folder in the data folder if not set.",
    )

    dagster_postgres_url: Annotated[SecretStr | None, AfterValidator(_storage_url)] = Field(
        None,
        validation_alias="DAGSTER_POSTGRES_URL",
        description="PostgreSQL for Dagster's own storage once `taxi-assets up` has run, as "
        "postgresql+psycopg2://user:password@host:5432/database, in place of a database `dagster` on the embedded "
        "server.",
    )

    @model_validator(mode="after")
    def _months_in_order(self) -> Settings:
        if self.last_month < self.first_month:
            raise SettingsError(f"TAXI_LAST_MONTH {self.last_month} is before TAXI_FIRST_MONTH {self.first_month}")
        return self

    @property
    def source_shown(self) -> str:
        """`source_url` without user and password."""
        scheme, _, rest = self.source_url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"

    @property
    def months(self) -> tuple[Month, ...]:
        """Every monthly partition, oldest first."""
        return tuple(months_between(self.first_month, self.last_month))

    @property
    def generated_dir(self) -> Path:
        """Mirror of generated months, for use where the source cannot be reached."""
        return self.data_dir / "generated"

    def partition(self, month: str | Month) -> Month:
        """Check that a month is one of the partitions. Raises MonthError naming the first and the last."""
        parsed = Month.parse(month) if isinstance(month, str) else month
        if not self.first_month <= parsed <= self.last_month:
            raise MonthError(
                f"there is no month {parsed}: the published months are {self.first_month} to {self.last_month} "
                f"(TAXI_FIRST_MONTH, TAXI_LAST_MONTH)"
            )
        return parsed


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError in one line naming each bad variable."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = (f"{_variable(str(e['loc'][0]))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        raise SettingsError("; ".join(wrong)) from None


def _variable(field: str) -> str:
    return field if field.isupper() else f"TAXI_{field.upper()}"
