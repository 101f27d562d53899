"""The BigQuery assets and jobs as Dagster runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
)
from google.cloud.bigquery import QueryJob
from typer.testing import CliRunner

from taxi_assets.assets.flow import FLOW_TAG
from taxi_assets.automation.instance import open_instance
from taxi_assets.bigquery.connection import Clients
from taxi_assets.cli import app
from taxi_assets.definitions import build_defs
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.kv import KeyValueStore
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, MAY, LoadMonth, read_settings, rows

ROWS = 300
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Run = Callable[..., ExecuteInProcessResult]


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    """Runs a job of the definitions for these settings, on generated months."""
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS)

    def execute(job: str, defs: Definitions | None = None, **given: object) -> ExecuteInProcessResult:
        resolved = (defs or build_defs(settings)).resolve_job_def(job)
        config = {**QUIET, **given.pop("config", {})}  # type: ignore[dict-item]
        instance = DagsterInstance.ephemeral()
        return resolved.execute_in_process(instance=instance, run_config=config, raise_on_error=False, **given)  # type: ignore[arg-type]

    return execute


def reason(result: ExecuteInProcessResult) -> str:
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    description = failure.step_failure_data.user_failure_data.description  # type: ignore[union-attr]
    assert description
    assert "\n" not in description
    return description


def materialized(result: ExecuteInProcessResult) -> list[tuple[str, str | None]]:
    return [(e.asset_key.to_user_string(), e.partition) for e in result.get_asset_materialization_events()]  # type: ignore[union-attr]


def metadata(result: ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == AssetKey(asset))
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_flow_08_month(clients: Clients, run: Run) -> None:
    result = run("green_gcp_taxi", partition_key="2020-04")
    assert result.success
    names = ["green_gcs_csv", "green_bq_external", "green_bq_month", "green_bq_trips"]
    assert materialized(result) == [(name, "2020-04") for name in names]
    checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
    assert set(checks) >= {"header_equals_definition", "staging_rows_equal_file", "repeated_ids"}
    assert checks["header_equals_definition"]
    assert checks["staging_rows_equal_file"]
    merged = metadata(result, "green_bq_trips")
    assert (merged["rows_read"], merged["rows_inserted"], merged["rows_matched"]) == (ROWS, ROWS, 0)
    assert merged["dagster/table_name"] == f"{clients.display}.green_tripdata"
    job = clients.bigquery.get_job(str(merged["job_id"]))
    assert isinstance(job, QueryJob)
    assert job.statement_type == "MERGE"
    assert str(merged["console"]).startswith("https://console.cloud.google.com/bigquery?project=test-project&j=bq:")
    assert "bytes_processed" in merged
    uploaded = metadata(result, "green_gcs_csv")
    assert uploaded["uri"] == f"gs://{clients.target.bucket}/green_tripdata_2020-04.csv"
    again = run("green_gcp_taxi", partition_key="2020-04")
    assert metadata(again, "green_gcs_csv")["reused"] is True
    assert metadata(again, "green_bq_trips")["rows_inserted"] == 0


def test_labels_are_the_flow_s_on_failed_runs_too(settings: Settings) -> None:
    instance = DagsterInstance.ephemeral()
    job = build_defs(settings).resolve_job_def("green_gcp_taxi")
    result = job.execute_in_process(instance=instance, partition_key="2021-01", run_config=QUIET, raise_on_error=False)
    assert not result.success
    tags = instance.get_runs()[0].tags
    assert (tags["file"], tags["taxi"]) == ("green_tripdata_2021-01.csv", "green")


def test_variant_without_a_bucket(clients: Clients, run: Run) -> None:
    result = run("yellow_bq_load_taxi", partition_key="2020-04")
    names = ["yellow_bq_staging", "yellow_bq_month", "yellow_bq_trips"]
    assert materialized(result) == [(name, "2020-04") for name in names]
    assert list(clients.storage.list_blobs(clients.target.bucket)) == []


@pytest.mark.parametrize(("way", "first"), [("external", "green_gcs_csv"), ("load", "green_bq_staging")])
@pytest.mark.usefixtures("clients")
def test_setting_chooses_the_way(settings: Settings, run: Run, way: str, first: str) -> None:
    defs = build_defs(settings.model_copy(update={"bigquery_way": way}))
    result = run("green_bigquery_taxi", defs, partition_key="2020-04")
    assert materialized(result)[0] == (first, "2020-04")
    assert metadata(result, "green_bq_trips")["rows_inserted"] == ROWS


@pytest.mark.parametrize("way", ["external", "load"])
@pytest.mark.usefixtures("clients")
def test_all_assets_are_materialized_when_all_are_selected(settings: Settings, run: Run, way: str) -> None:
    """As by "Materialize all": Dagster counts a partition of a selected asset without a materialization as failed."""
    defs = build_defs(settings.model_copy(update={"bigquery_way": way}))
    names = ("gcs_csv", "bq_external", "bq_staging", "bq_month", "bq_trips")
    everything = define_asset_job("everything", AssetSelection.assets(*(f"green_{name}" for name in names)))
    result = run("everything", Definitions.merge(defs, Definitions(jobs=[everything])), partition_key="2020-04")
    assert result.success
    assert materialized(result) == [(f"green_{name}", "2020-04") for name in names]
    assert metadata(result, "green_bq_trips")["rows_inserted"] == ROWS


def test_one_asset_runs_what_it_needs(clients: Clients, run: Run) -> None:
    result = run("green_gcp_taxi", partition_key="2020-04", asset_selection=[AssetKey("green_gcs_csv")])
    assert materialized(result) == [("green_gcs_csv", "2020-04")]
    assert list(clients.bigquery.list_tables(clients.display)) == []


def test_failed_month_does_not_stop_the_others(clients: Clients, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mirror" / "green" / "green_tripdata_2020-04.csv.gz").write_bytes(b"no gzip")
    tags = {"dagster/asset_partition_range_start": "2020-04", "dagster/asset_partition_range_end": "2020-05"}
    result = run("green_gcp_taxi", tags=tags)
    assert not result.success
    assert reason(result).startswith("1 of 2 green months failed, the others are loaded. 2020-04: ")
    assert ("green_bq_trips", "2020-05") in materialized(result)
    assert rows(clients, "SELECT COUNT(*) FROM `{d}.green_tripdata`") == [(ROWS,)]


@pytest.mark.usefixtures("clients")
def test_header_that_is_not_the_definition_s_fails_the_blocking_check(run: Run, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "mirror" / "green" / "green_tripdata_2020-04.csv.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"trip_type", b"trip_kind", 1)))
    result = run("green_gcp_taxi", partition_key="2020-04")
    assert "missing trip_type; unknown trip_kind" in reason(result)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.blocking) == ("header_equals_definition", False, True)
    assert materialized(result) == []


def test_no_month_names_the_command_that_works(run: Run) -> None:
    said = reason(run("green_gcp_taxi"))
    assert "-j green_gcp_taxi --tags" in said
    assert "taxi-assets gcp-backfill green --from 2019-01 --to 2019-01" in said


def test_flows_06_and_07(warehouse: Warehouse, run: Run, settings: Settings, tmp_path: Path) -> None:
    """The keys go into the store, and a run that finds none in the environment reads them there."""
    named = {
        "project_id": "test-project",
        "location": "EU",
        "bucket_name": "kv-bucket",
        "dataset": settings.gcp_dataset,
    }
    bare = read_settings(data_dir=tmp_path / "data", source_url=settings.source_url, postgres_url=warehouse.url)
    defs = build_defs(bare)
    missing = reason(run("gcp_setup", defs))
    assert missing.startswith("GCP_PROJECT_ID is not set in the environment, and namespace zoomcamp and those above")
    assert run("gcp_kv", defs, config={"ops": {"set_gcp_keys": {"config": named}}}).success
    assert KeyValueStore(warehouse, "zoomcamp.team").get("GCP_BUCKET_NAME") == "kv-bucket"
    assert run("gcp_setup", defs).success
    assert run("gcp_setup", defs).success
    assert run("green_gcp_taxi", defs, partition_key="2020-04").success


def test_flow_06_without_a_project(warehouse: Warehouse, run: Run, tmp_path: Path) -> None:
    bare = read_settings(data_dir=tmp_path / "data", postgres_url=warehouse.url)
    assert reason(run("gcp_kv", build_defs(bare))).startswith("no project: set GCP_PROJECT_ID")


RANGE = ("gcp-backfill", "green", "--from", "2020-04", "--to", "2020-06")


def backfill(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As a person types it; the definitions are made for a process's environment."""
    command = [str(Path(sys.executable).parent / "taxi-assets"), *RANGE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def plan(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, [*RANGE, "--dry-run", *arguments])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def planned_months(*arguments: str) -> list[str]:
    return [line[:7] for line in plan(*arguments)]


@pytest.mark.usefixtures("command_line")
def test_backfill_of_months_that_are_missing_or_failed(load_month: LoadMonth, tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS)
    assert planned_months("--only", "missing") == ["2020-04", "2020-05", "2020-06"]
    load_month(GREEN, MAY)
    planned = plan("--only", "missing", "--label", "why=test")
    assert [line[:7] for line in planned] == ["2020-04", "2020-06"]
    assert "why=test" in planned[0]
    assert "file=green_tripdata_2020-04.csv" in planned[0]
    assert plan("--only", "failed") == ["no month of green 2020-04..2020-06 is failed: nothing to do"]
    with open_instance(get_settings()) as instance:
        assert instance.get_runs() == []
    assert backfill("--only", "missing").returncode == 1
    assert planned_months("--only", "missing") == planned_months("--only", "failed") == ["2020-06"]
    write_mirror(tmp_path / "mirror", [MAY.next], ROWS)
    assert backfill("--only", "failed").returncode == 0
    assert plan("--only", "missing") == ["no month of green 2020-04..2020-06 is missing: nothing to do"]


@pytest.mark.usefixtures("command_line")
def test_backfill_is_labelled_as_the_flow_s_and_goes_past_a_failed_month(clients: Clients, tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror", [APRIL, MAY.next], ROWS)
    done = backfill("--label", "backfill=true")
    assert done.returncode == 1
    assert "green 2020-05: green_tripdata_2020-05.csv.gz is not published" in done.stdout
    assert rows(clients, "SELECT COUNT(*) FROM `{d}.green_tripdata`") == [(2 * ROWS,)]
    with open_instance(get_settings()) as instance:
        tags = [run.tags for run in reversed(instance.get_runs())]
    assert [each["trigger.date"] for each in tags] == [f"2020-0{month}-01T09:00:00Z" for month in (4, 5, 6)]
    assert [each["file"] for each in tags] == [f"green_tripdata_2020-0{month}.csv" for month in (4, 5, 6)]
    assert {(each["taxi"], each["backfill"], each[FLOW_TAG]) for each in tags} == {
        ("green", "true", "09_gcp_taxi_scheduled")
    }
