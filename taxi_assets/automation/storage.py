"""Dagster's own storage in PostgreSQL: where it is, and how the runs so far get there."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import psycopg
from dagster import AssetCheckEvaluation, DagsterInstance, DagsterRun, EventLogEntry
from dagster._core.instance.utils import RUNLESS_RUN_ID
from dagster_shared.record import replace
from psycopg import errors, sql

from taxi_assets.assets.checks import last_materialization
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings

STORAGE_VARIABLE = "DAGSTER_POSTGRES_URL"
"""What deploy/dagster.yaml reads."""
_DATABASE = "dagster"


def storage_is_embedded(settings: Settings) -> bool:
    """Whether the storage is on the embedded server: no other is given."""
    given = settings.dagster_postgres_url
    return given is None or EmbeddedServer(settings.data_dir / "postgres").issued(given.get_secret_value())


def storage_url(settings: Settings) -> str:
    """The database that is given, else one on the embedded server, which is started and asked to have it."""
    if settings.dagster_postgres_url is not None and not storage_is_embedded(settings):
        return settings.dagster_postgres_url.get_secret_value()
    server = EmbeddedServer(settings.data_dir / "postgres")
    # A URL of the embedded server may have come from .env and tell of a port it no longer has.
    url = server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE]).fetchone()
        if found is None:
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):  # another process was quicker
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_DATABASE)))
    return f"postgresql+psycopg2{url.removeprefix('postgresql').rpartition('/')[0]}/{_DATABASE}"


def copy_history(before: DagsterInstance, after: DagsterInstance) -> int:
    """Write the runs and events of one instance into another; return the number of runs that were not there."""
    runs = [record for record in before.get_run_records(ascending=True) if not after.has_run(record.dagster_run.run_id)]
    for record in runs:
        _copy_snapshots(record.dagster_run, before, after)
        after.run_storage.add_historical_run(record.dagster_run, record.create_timestamp)
        for entry in before.all_logs(record.dagster_run.run_id):
            after.event_log_storage.store_event(_pointing_into(after, entry))
            if entry.dagster_event is not None:  # the run's start and end come from its events
                at = datetime.fromtimestamp(entry.timestamp, UTC)
                after.run_storage.handle_run_event(entry.run_id, entry.dagster_event, at)
    for entry in before.all_logs(RUNLESS_RUN_ID):
        after.event_log_storage.store_event(entry)
    return len(runs)


def _pointing_into(instance: DagsterInstance, entry: EventLogEntry) -> EventLogEntry:
    """The same, but for the id of the materialization that a check is about, which differs between storages."""
    event = entry.dagster_event
    evaluation = event.event_specific_data if event else None
    if event is None or not isinstance(evaluation, AssetCheckEvaluation) or evaluation.partition is None:
        return entry
    target = last_materialization(instance, evaluation.asset_key, evaluation.partition)
    moved = replace(evaluation, target_materialization_data=target)
    return entry._replace(dagster_event=event._replace(event_specific_data=moved))


def _copy_snapshots(run: DagsterRun, before: DagsterInstance, after: DagsterInstance) -> None:
    """What the job looked like then; the run refers to it."""
    job, plan = run.job_snapshot_id, run.execution_plan_snapshot_id
    if job and not after.run_storage.has_job_snapshot(job):
        after.run_storage.add_job_snapshot(before.run_storage.get_job_snapshot(job))
    if plan and not after.run_storage.has_execution_plan_snapshot(plan):
        after.run_storage.add_execution_plan_snapshot(before.run_storage.get_execution_plan_snapshot(plan))
