"""Giving an instance a server's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, AssetObservation, DagsterInstance, asset, materialize

from taxi_assets.automation.instance import deploy_instance, open_instance
from taxi_assets.errors import ServiceError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings, project_dir

CONFIG = project_dir() / "deploy" / "dagster.yaml"


@pytest.fixture
def settings(tmp_path: Path, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Storage goes to the test's database."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", warehouse.url.replace("postgresql:", "postgresql+psycopg2:"))
    return Settings(data_dir=tmp_path, _env_file=None)


def run_something(settings: Settings) -> str:
    @asset(name="something")
    def something() -> None: ...

    with open_instance(settings) as instance:
        result = materialize([something], instance=instance)
        instance.report_runless_asset_event(AssetObservation("something", metadata={"rows": 1}))
        return result.run_id


def last_observation(instance: DagsterInstance) -> object:
    (record,) = instance.fetch_observations(AssetKey("something"), limit=1).records
    assert record.asset_observation is not None
    return record.asset_observation.metadata["rows"].value


def test_runs_and_observations_come_along_with_their_times(settings: Settings) -> None:
    run_id = run_something(settings)
    with open_instance(settings) as before:
        expected = before.get_run_record_by_id(run_id)
        events = [entry.message for entry in before.all_logs(run_id)]
    assert deploy_instance(settings, CONFIG) == 1
    with open_instance(settings) as after:
        record = after.get_run_record_by_id(run_id)
        assert expected is not None
        assert record is not None
        assert record.dagster_run == expected.dagster_run
        assert record.dagster_run.is_success
        assert record.end_time == pytest.approx(expected.end_time)
        assert [entry.message for entry in after.all_logs(run_id)] == events
        assert last_observation(after) == 1
        assert after.get_latest_materialization_event(AssetKey("something")) is not None


def test_configuration_of_ones_own_stays(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "home" / "dagster.yaml"
    own.parent.mkdir()
    own.write_text(f"storage: {{sqlite: {{base_dir: {tmp_path / 'runs'}}}}}\n")
    before = own.read_text()
    assert deploy_instance(settings, CONFIG) == 0
    assert own.read_text() == before


def test_configuration_that_dagster_does_not_take_is_told_in_one_line(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "home" / "dagster.yaml"
    own.parent.mkdir()
    own.write_text("telemetrie: {enabled: false}\n")
    with pytest.raises(ServiceError, match=r'dagster.yaml: Received unexpected config entry "telemetrie"[^\n]*$'):
        deploy_instance(settings, CONFIG)


def test_a_server_that_does_not_answer_leaves_everything_as_it_was(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run_something(settings)
    away = "postgresql+psycopg2://nobody@127.0.0.1:9/dagster"
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", away)
    given = Settings(data_dir=settings.data_dir, _env_file=None)
    with pytest.raises(
        ServiceError, match=r"PostgreSQL does not answer: [^\n]*refused[^\n]*; check DAGSTER_POSTGRES_URL"
    ):
        deploy_instance(given, CONFIG)
    with open_instance(given) as instance:
        assert instance.has_run(run_id)
