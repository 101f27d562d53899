"""Faults as a person meets them: through the Dagster job. The loads themselves are tested beside this."""

from __future__ import annotations

from dagster import DagsterInstance, ExecuteInProcessResult

from taxi_assets.automation.backfill import backfill
from taxi_assets.automation.instance import dagster_home
from taxi_assets.definitions import build_defs
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.bad_files import CASES, GOOD, ROWS
from taxi_assets_tests.integration.faults.months import APRIL, YELLOW, Mirror, csv_of, packed
from taxi_assets_tests.integration.faults.proxy import proxied
from taxi_assets_tests.integration.faults.tables import both, rows_by_file
from taxi_assets_tests.integration.faults.test_outages import elsewhere

NAME = YELLOW.file_name(APRIL)


def run(settings: Settings, instance: DagsterInstance) -> ExecuteInProcessResult:
    job = build_defs(settings).resolve_job_def("yellow_postgres_taxi")
    return job.execute_in_process(partition_key=str(APRIL), instance=instance, raise_on_error=False)


def said(result: ExecuteInProcessResult) -> str:
    """The line that the failed run ends with."""
    (event,) = (event for event in result.all_events if event.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure
    return str(failure.description)


def test_bad_value_fails_the_run_and_a_repaired_file_loads(settings: Settings, mirror: Mirror) -> None:
    warehouse = Warehouse.from_settings(settings)
    mirror.publish(YELLOW, APRIL, CASES["row500_non_numeric_fare"].make())
    with DagsterInstance.ephemeral() as instance:
        failed = run(settings, instance)
        assert not failed.success
        assert CASES["row500_non_numeric_fare"].says in said(failed)
        assert both(warehouse, YELLOW).trips.rows == 0
        (check,) = (evaluation for evaluation in failed.get_asset_check_evaluations() if not evaluation.passed)
        assert check.check_name == "staging_rows_equal_file"
        tags = instance.get_run_by_id(failed.run_id).tags  # type: ignore[union-attr]
        assert (tags["file"], tags["taxi"]) == (NAME, "yellow")
        mirror.publish(YELLOW, APRIL, packed(GOOD))
        assert run(settings, instance).success
    assert rows_by_file(warehouse, YELLOW) == {NAME: ROWS}


def test_month_that_is_not_published_fails_the_run(settings: Settings, mirror: Mirror) -> None:
    mirror.folder.mkdir()
    with DagsterInstance.ephemeral() as instance:
        assert f"{NAME}.gz is not published" in said(run(settings, instance))


def test_odd_cells_are_shown_in_the_preview(settings: Settings, mirror: Mirror) -> None:
    mirror.publish(YELLOW, APRIL, CASES["row500_empty_fare"].make())
    lines = GOOD.splitlines()[:3]
    lines[1] = lines[1].replace(lines[1].split(b",")[1], b"infinity").replace(b",N,", b"," + b"N" * 1_000_000 + b",")
    mirror.publish(YELLOW, APRIL, packed(b"\n".join(lines)))
    with DagsterInstance.ephemeral() as instance:
        result = run(settings, instance)
    assert result.success
    assert len(str(result.get_asset_materialization_events())) < 100_000


def test_server_that_goes_away_once_is_tried_again(
    make_settings: MakeSettings, mirror: Mirror, server: EmbeddedServer, warehouse: Warehouse
) -> None:
    postmaster = server.running()
    assert postmaster
    mirror.publish(YELLOW, APRIL, packed(GOOD))
    with proxied(postmaster.port, {1: 500_000}) as proxy, DagsterInstance.ephemeral() as instance:
        url = elsewhere(warehouse.url, port=proxy.port)
        result = run(make_settings(source_url=mirror.url, postgres_url=url, copy_streams=1), instance)
        assert (proxy.broken, proxy.connections) == (1, 2)
    assert result.success
    assert rows_by_file(warehouse, YELLOW) == {NAME: ROWS}


def test_wrong_password_is_not_tried_again(
    make_settings: MakeSettings, mirror: Mirror, server: EmbeddedServer, warehouse: Warehouse
) -> None:
    postmaster = server.running()
    assert postmaster
    mirror.publish(YELLOW, APRIL, packed(GOOD))
    with proxied(postmaster.port, {}) as proxy, DagsterInstance.ephemeral() as instance:
        url = elsewhere(warehouse.url, port=proxy.port, password="wrong")  # noqa: S106
        result = run(make_settings(source_url=mirror.url, postgres_url=url), instance)
        tries = proxy.connections
    assert "check the user and password in TAXI_POSTGRES_URL" in said(result)
    assert tries == 1


def test_storage_of_dagster_gone_and_back_in_a_backfill(settings: Settings, mirror: Mirror) -> None:
    """The month in between fails in one line, the others load, and it loads when it is run again."""
    months = [APRIL, APRIL.next, APRIL.next.next]
    for month in months:
        mirror.publish(YELLOW, month, packed(csv_of(YELLOW, month, 100)))
    job = build_defs(settings).resolve_job_def("yellow_postgres_taxi")
    history = dagster_home(settings) / "history"
    away = history.with_name("away")
    with DagsterInstance.from_config(str(history.parent)) as instance:
        results = backfill(job, YELLOW, months, instance)
        assert next(results).succeeded
        history.rename(away)
        failed = next(results)
        away.rename(history)
        assert next(results).succeeded
        assert str(failed.error).startswith("Dagster's own storage does not answer, ")
        assert str(failed.error).isprintable()
        assert [result.succeeded for result in backfill(job, YELLOW, months, instance)] == [True] * 3
    found = rows_by_file(Warehouse.from_settings(settings), YELLOW)
    assert found == {YELLOW.file_name(month): 100 for month in months}
