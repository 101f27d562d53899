"""`trips_changed`: starts what works on the trips tables, once for all months newly loaded, and that job itself."""

from collections.abc import Iterable

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    EventLogRecord,
    JobDefinition,
    OpExecutionContext,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    in_process_executor,
    job,
    op,
    sensor,
)
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from taxi_assets.assets.flow import bury_killed_runs, flow_limit, loads_trips
from taxi_assets.errors import TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS

MONTHS_TAG = "taxi_assets/months"
"""The newly loaded months, as `green 2020-04, yellow 2019-01`."""
_INTERVAL = 60
_PAGE = 1000
_COMING = [status for status in NOT_FINISHED_STATUSES if status is not DagsterRunStatus.NOT_STARTED]
"""One that is not even queued was left by a request that broke off."""


def analyze_trips(settings: Settings) -> JobDefinition:
    """Fresh planner statistics of the trips tables: what every query after a load is better for."""

    @op(description="ANALYZE both trips tables; a table of somebody else's is left to its owner.")
    def analyze_tables(context: OpExecutionContext) -> None:
        from psycopg import sql

        from taxi_assets.postgres.connection import Warehouse, statement, told_plainly

        with Warehouse.from_settings(settings).connect("taxi_assets analyze") as connection:
            for dataset in DATASETS.values():
                exists = connection.execute("SELECT to_regclass(%s)", [f"public.{dataset.table}"]).fetchone()
                if exists == (None,):
                    context.log.info(f"there is no public.{dataset.table} yet")
                    continue
                with told_plainly(f"analyzing public.{dataset.table}"):
                    connection.execute(statement("analyze.sql", table=sql.Identifier("public", dataset.table)))

    @job(name="analyze_trips", executor_def=in_process_executor, description="Refresh the trips tables' statistics.")
    def analyze() -> None:
        analyze_tables()

    return analyze


def trips_changed(job: JobDefinition, settings: Settings) -> SensorDefinition:
    """Requests the job once for all months loaded since its last request, and not while a backfill runs."""

    @sensor(
        name="trips_changed",
        job=job,
        minimum_interval_seconds=_INTERVAL,
        default_status=DefaultSensorStatus.STOPPED,
        description=f"Starts {job.name} when months have been loaded, once for all of them.",
    )
    def look(context: SensorEvaluationContext) -> SensorResult:
        after = int(context.cursor or 0)
        records = [record for taxi in DATASETS for record in _loads(context.instance, taxi, after)]
        if not records:
            return SensorResult(skip_reason="no month was loaded since the last look")
        last = max(record.storage_id for record in records)
        changed = [record for record in records if _rows_inserted(record)]
        if not changed:
            return SensorResult(skip_reason=f"{len(records)} loads that added no row", cursor=str(last))
        try:
            busy = _shell_backfill(settings) or _busy(context.instance, settings)
        except TaxiAssetsError as error:
            return SensorResult(skip_reason=str(error))
        if busy:
            return SensorResult(skip_reason=f"{len(changed)} months were loaded; waiting for {busy}")
        months = ", ".join(sorted({_month(record) for record in changed}))
        return SensorResult(
            run_requests=[RunRequest(run_key=f"until {last}", tags={MONTHS_TAG: months})], cursor=str(last)
        )

    return look


def _loads(instance: DagsterInstance, taxi: str, after: int) -> Iterable[EventLogRecord]:
    """The materializations of a taxi's trips after a storage id, oldest first."""
    while True:
        found = instance.fetch_materializations(
            AssetRecordsFilter(AssetKey(f"{taxi}_trips"), after_storage_id=after), limit=_PAGE, ascending=True
        )
        yield from found.records
        if not found.has_more:
            return
        after = found.records[-1].storage_id


def _rows_inserted(record: EventLogRecord) -> int:
    materialization = record.asset_materialization
    value = materialization.metadata.get("rows_inserted") if materialization else None
    return int(str(value.value)) if value is not None else 1


def _month(record: EventLogRecord) -> str:
    key = record.asset_key
    return f"{(key.path[-1] if key else '').removesuffix('_trips')} {record.partition_key}"


def _busy(instance: DagsterInstance, settings: Settings) -> str | None:
    """A backfill that runs, or a run of flow 05: more months are about to come. Raises WarehouseError."""
    from taxi_assets.postgres.connection import Warehouse

    for backfill in instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        if loads_trips(backfill.asset_selection):
            return f"backfill {backfill.backfill_id}"
    bury_killed_runs(instance, Warehouse.from_settings(settings))
    runs = instance.get_runs(RunsFilter(statuses=_COMING))
    busy = next((run for run in runs if flow_limit(run) is not None and loads_trips(run.asset_selection)), None)
    return f"run {busy.run_id[:8]} of {busy.tags.get('file', busy.job_name)}" if busy else None


def _shell_backfill(settings: Settings) -> str | None:
    """A `taxi-assets backfill` that is alive: paused or between two months it has no run. Raises WarehouseError."""
    from taxi_assets.postgres.backfills import backfill_status
    from taxi_assets.postgres.connection import Warehouse

    with Warehouse.from_settings(settings).connect() as connection:
        return next((str(status) for status in backfill_status(connection) if status.alive), None)
