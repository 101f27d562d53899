"""Runs as people start them: Dagster's own commands as processes, seen afterwards in the instance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, DagsterRunStatus
from dagster._core.events import DagsterEventType

from taxi_assets.automation.instance import dagster_home, open_instance
from taxi_assets.definitions import build_defs
from taxi_assets.settings import Settings
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.conftest import MakeSettings

APRIL, MAY, JUNE = "2020-04", "2020-05", "2020-06"


@pytest.fixture
def settings(make_settings: MakeSettings, tmp_path: Path) -> Settings:
    """A source with April and June, and none of May."""
    write_mirror(tmp_path / "mirror", [Month.parse(APRIL), Month.parse(JUNE)], 200)
    return make_settings(source_url=(tmp_path / "mirror").as_uri(), dagster_home=tmp_path / "home")


def dagster(settings: Settings, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Dagster's told where its storage is by a .env, as `taxi-assets init` writes it."""
    assert settings.postgres_url is not None
    dagster_home(settings)
    (tmp_path / ".env").write_text(f"DAGSTER_HOME={settings.dagster_home}\n")
    env = {
        **os.environ,
        "TAXI_SOURCE_URL": settings.source_url,
        "TAXI_DATA_DIR": str(settings.data_dir),
        "TAXI_POSTGRES_URL": settings.postgres_url.get_secret_value(),
    }
    command = [str(Path(sys.executable).parent / "dagster"), *arguments]
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)


def materialized(instance: DagsterInstance, asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(AssetKey(asset)))


def test_job_execute(settings: Settings, tmp_path: Path) -> None:
    with open_instance(settings) as instance:
        done = dagster(
            settings, tmp_path, "job", "execute", "-m", "taxi_assets.definitions", "-j", "green_postgres_taxi",
            "--tags", f'{{"dagster/partition": "{APRIL}"}}',
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (run,) = instance.get_runs()
        assert run.status == DagsterRunStatus.SUCCESS
        assert run.tags.items() >= {"file": "green_tripdata_2020-04.csv", "taxi": "green"}.items()
        for asset in ("green_raw_csv", "green_staging", "green_trips"):
            assert materialized(instance, asset) == {APRIL}


@pytest.mark.parametrize(
    ("tags", "said"),
    [("{}", "this run names no month"), ('{"dagster/partition": "2035-04"}', "there is no month 2035-04")],
)
def test_job_execute_without_a_month_says_what_works(settings: Settings, tmp_path: Path, tags: str, said: str) -> None:
    failed = dagster(
        settings, tmp_path, "job", "execute", "-m", "taxi_assets.definitions", "-j", "green_postgres_taxi",
        "--tags", tags,
    )  # fmt: skip
    assert failed.returncode != 0
    assert f"Failure: {said}" in failed.stderr
    assert "taxi-assets backfill green --from 2019-01" in failed.stderr
    assert not settings.data_dir.exists()


def test_materialize_one_asset_runs_what_it_needs(settings: Settings, tmp_path: Path) -> None:
    with open_instance(settings) as instance:
        done = dagster(
            settings, tmp_path, "asset", "materialize", "-m", "taxi_assets.definitions",
            "--select", "green_trips", "--partition", APRIL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert materialized(instance, "green_trips") == {APRIL}


def execute(
    settings: Settings, instance: DagsterInstance, tags: dict[str, str], assets: list[str] | None = None
) -> str:
    job = build_defs(settings).resolve_job_def("green_postgres_taxi")
    selection = [AssetKey(asset) for asset in assets] if assets else None
    result = job.execute_in_process(tags=tags, instance=instance, raise_on_error=False, asset_selection=selection)
    return result.run_id


def test_range_goes_on_past_a_failed_month_and_tells_of_each(settings: Settings) -> None:
    tags = {"dagster/asset_partition_range_start": APRIL, "dagster/asset_partition_range_end": JUNE}
    with open_instance(settings) as instance:
        run_id = execute(settings, instance, tags)
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == DagsterRunStatus.FAILURE
        assert run.tags["file"] == "green_tripdata_2020-04.csv..green_tripdata_2020-06.csv"
        for asset in ("green_raw_csv", "green_staging", "green_trips"):
            assert materialized(instance, asset) == {APRIL, JUNE}
        (failure,) = instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE)
        data = failure.get_dagster_event().step_failure_data.user_failure_data
        assert data is not None
        assert data.description is not None
        assert data.description.startswith("1 of 3 green months failed, the others are loaded. 2020-05: ")


def test_failed_month_has_its_labels_too(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run = instance.get_run_by_id(execute(settings, instance, {"dagster/partition": MAY}))
        assert run is not None
        assert run.status == DagsterRunStatus.FAILURE
        assert run.tags.items() >= {"file": "green_tripdata_2020-05.csv", "taxi": "green"}.items()


def test_raw_file_alone(settings: Settings) -> None:
    with open_instance(settings) as instance:
        execute(settings, instance, {"dagster/partition": APRIL}, ["green_raw_csv"])
        assert materialized(instance, "green_raw_csv") == {APRIL}
        assert materialized(instance, "green_trips") == set()


def test_raw_file_goes_when_it_is_not_to_be_kept(make_settings: MakeSettings, settings: Settings) -> None:
    settings = make_settings(source_url=settings.source_url, dagster_home=settings.dagster_home, keep_raw=False)
    with open_instance(settings) as instance:
        execute(settings, instance, {"dagster/partition": APRIL})
        assert materialized(instance, "green_trips") == {APRIL}
    assert list((settings.data_dir / "raw" / "green").iterdir()) == []


def test_metadata_and_checks_that_a_person_looks_for(settings: Settings) -> None:
    with open_instance(settings) as instance:
        run_id = execute(settings, instance, {"dagster/partition": APRIL})
        shown = {}
        for asset in ("green_raw_csv", "green_staging", "green_trips"):
            event = instance.get_latest_materialization_event(AssetKey(asset))
            assert event is not None
            assert event.asset_materialization is not None
            shown[asset] = event.asset_materialization.metadata
        checks = instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
    assert shown["green_raw_csv"].keys() >= {"url", "sha256", "bytes", "etag", "path"}
    assert shown["green_staging"].keys() >= {"rows_read", "rows_per_second", "preview"}
    assert shown["green_trips"]["rows_inserted"].value == 200
    assert shown["green_trips"].keys() >= {"rows_read", "rows_matched", "total_rows", "seconds_copy", "seconds_merge"}
    assert len(checks) == 5


def test_checks_count_for_every_month_of_a_range(settings: Settings) -> None:
    """As the UI counts them: a check is of no month when it does not point to the month's last materialization."""
    tags = {"dagster/asset_partition_range_start": APRIL, "dagster/asset_partition_range_end": JUNE}
    with open_instance(settings) as instance:
        execute(settings, instance, tags)
        execute(settings, instance, {"dagster/partition": APRIL})
        key = AssetCheckKey(AssetKey("green_staging"), "repeated_ids")
        found = instance.event_log_storage.get_asset_check_partition_info([key])
    assert {info.partition_key: info.is_current for info in found} == {APRIL: True, JUNE: True}
