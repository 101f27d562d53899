"""The jobs of the Google Cloud flows.

Flow 06 is `gcp_kv`, flow 07 `gcp_setup`, flow 08 `{taxi}_gcp_taxi`; `{taxi}_bq_load_taxi` is the variant without a
bucket. `{taxi}_bigquery_taxi` takes the way that the settings say, and is what flow 09's schedules run.
"""

from collections.abc import Mapping

from dagster import (
    AssetSelection,
    Config,
    Failure,
    JobDefinition,
    OpExecutionContext,
    define_asset_job,
    in_process_executor,
    job,
    op,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from taxi_assets.assets.bigquery import BOTH_WAYS, EXTERNAL_WAY, LOAD_WAY, asset_key
from taxi_assets.assets.flow import FLOW_TAG
from taxi_assets.errors import SettingsError, TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset

SCHEDULED_FLOW = "09_gcp_taxi_scheduled"


def taxi_jobs(dataset: Dataset) -> list[UnresolvedAssetJobDefinition]:
    """A taxi's three jobs, the settings' way first; each loads one month, or a range of months, into BigQuery."""
    taxi = dataset.taxi
    return [
        _job(
            dataset,
            f"{taxi}_bigquery_taxi",
            BOTH_WAYS,
            f"Load {taxi} months into BigQuery, the way that TAXI_BIGQUERY_WAY says. Kestra: {SCHEDULED_FLOW}.",
            {FLOW_TAG: SCHEDULED_FLOW},
        ),
        _job(
            dataset,
            f"{taxi}_gcp_taxi",
            (*EXTERNAL_WAY, *BOTH_WAYS),
            f"Load {taxi} months into BigQuery through a bucket. Kestra: 08_gcp_taxi.",
        ),
        _job(
            dataset,
            f"{taxi}_bq_load_taxi",
            (*LOAD_WAY, *BOTH_WAYS),
            f"Load {taxi} months into BigQuery without a bucket, by load jobs.",
        ),
    ]


def _job(
    dataset: Dataset, name: str, assets: tuple[str, ...], description: str, tags: Mapping[str, str] | None = None
) -> UnresolvedAssetJobDefinition:
    return define_asset_job(
        name,
        selection=AssetSelection.assets(*(asset_key(dataset, asset) for asset in assets)),
        description=description,
        tags=tags,
        executor_def=in_process_executor,
    )


class GcpKeys(Config):
    """What `gcp_kv` sets; a key left empty takes the environment's value, else the one shown in the flow."""

    project_id: str = Field("", description="GCP_PROJECT_ID")
    location: str = Field("", description="GCP_LOCATION; europe-west2 if the environment says nothing")
    bucket_name: str = Field("", description="GCP_BUCKET_NAME, the world's only one of that name; none to load without")
    dataset: str = Field("", description="GCP_DATASET; zoomcamp if the environment says nothing")


def gcp_kv_job(settings: Settings) -> JobDefinition:
    """Flow 06_gcp_kv."""

    @op(description="Set the GCP_ keys in the key-value store.")
    def set_gcp_keys(context: OpExecutionContext, config: GcpKeys) -> None:
        from taxi_assets.assets.google import key_value_store

        values = {
            "GCP_PROJECT_ID": config.project_id or settings.gcp_project_id,
            "GCP_LOCATION": config.location or settings.gcp_location or "europe-west2",
            "GCP_BUCKET_NAME": config.bucket_name or settings.gcp_bucket_name,
            "GCP_DATASET": config.dataset or settings.gcp_dataset or "zoomcamp",
        }
        try:
            if not values["GCP_PROJECT_ID"]:
                raise SettingsError(
                    "no project: set GCP_PROJECT_ID in the environment, or project_id in the run's config"
                )
            store = key_value_store(settings)
            for key, value in values.items():
                if value:
                    store.set(key, value)
                    context.log.info(f"{key} = {value} in namespace {store.namespace}")
        except TaxiAssetsError as error:
            raise Failure(str(error)) from None

    @job(executor_def=in_process_executor, description="Set the GCP_ keys in the key-value store. Kestra: 06_gcp_kv.")
    def gcp_kv() -> None:
        set_gcp_keys()

    return gcp_kv


def gcp_setup_job(settings: Settings) -> JobDefinition:
    """Flow 07_gcp_setup."""

    @op(description="Make the bucket and the dataset where they are missing.")
    def make_bucket_and_dataset(context: OpExecutionContext) -> None:
        from taxi_assets.assets.google import open_google

        try:
            with open_google(settings) as clients:
                from taxi_assets.bigquery.setup import set_up

                for made in set_up(clients):
                    context.log.info(str(made))
        except TaxiAssetsError as error:
            raise Failure(str(error)) from None

    @job(
        executor_def=in_process_executor,
        description="Make the bucket and the dataset where they are missing. Kestra: 07_gcp_setup.",
    )
    def gcp_setup() -> None:
        make_bucket_and_dataset()

    return gcp_setup
