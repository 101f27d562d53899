"""Everything Dagster loads, put together in one place."""

from __future__ import annotations

import warnings

from dagster import BetaWarning, Definitions, PreviewWarning, SupersessionWarning, in_process_executor

from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import DATASETS

# Dagster marks some of what the definitions use as beta, preview or superseded: for us to follow, not for users.
for _category in (BetaWarning, PreviewWarning, SupersessionWarning):
    warnings.filterwarnings("ignore", category=_category)

from taxi_assets.assets.bigquery import bigquery_assets  # noqa: E402
from taxi_assets.assets.postgres import postgres_assets, release_asset  # noqa: E402
from taxi_assets.automation.downstream import analyze_trips, trips_changed  # noqa: E402
from taxi_assets.automation.failure_sensor import failure_sensor  # noqa: E402
from taxi_assets.automation.gcp_jobs import gcp_kv_job, gcp_setup_job, taxi_jobs  # noqa: E402
from taxi_assets.automation.jobs import postgres_job, scheduled_job  # noqa: E402
from taxi_assets.automation.release_sensor import release_sensor  # noqa: E402
from taxi_assets.automation.schedules import taxi_schedule  # noqa: E402


def build_defs(settings: Settings) -> Definitions:
    """The definitions for given settings: production, tests and the shell use the same."""
    assets = {taxi: postgres_assets(dataset, settings) for taxi, dataset in DATASETS.items()}
    scheduled = {taxi: scheduled_job(dataset, assets[taxi]) for taxi, dataset in DATASETS.items()}
    manual = [postgres_job(dataset, assets[taxi]) for taxi, dataset in DATASETS.items()]
    downstream = analyze_trips(settings)
    google = {taxi: taxi_jobs(dataset) for taxi, dataset in DATASETS.items()}
    schedules = [
        *(taxi_schedule(dataset, scheduled[taxi], settings) for taxi, dataset in DATASETS.items()),
        *(taxi_schedule(dataset, google[taxi][0], settings, flow="gcp") for taxi, dataset in DATASETS.items()),
    ]
    return Definitions(
        assets=[
            release_asset(settings),
            *assets.values(),
            *(bigquery_assets(dataset, settings) for dataset in DATASETS.values()),
        ],
        jobs=[
            *manual,
            *scheduled.values(),
            downstream,
            *(job for jobs in google.values() for job in jobs),
            gcp_kv_job(settings),
            gcp_setup_job(settings),
        ],
        schedules=schedules,
        sensors=[release_sensor(scheduled, settings), trips_changed(downstream, settings), failure_sensor(settings)],
        executor=in_process_executor,
    )


defs = build_defs(get_settings())
