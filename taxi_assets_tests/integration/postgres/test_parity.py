"""Table for table as Kestra leaves them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance

from taxi_assets.definitions import build_defs
from taxi_assets.kestra import postgres_flows
from taxi_assets.kestra.replay import replay
from taxi_assets.kestra.target import Target
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import digest
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.origin_folder import folder_of
from taxi_assets.trips.quirks import HARD
from taxi_assets.trips.sample import write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.shared import kestra_truth, shared_path

MONTHS = (Month(2020, 4), Month(2020, 5), Month(2020, 4), Month(2020, 6))
"""A month again between others, as people do."""


def test_every_step_of_the_recorded_loads(make_settings: MakeSettings, warehouse: Warehouse) -> None:
    truth = kestra_truth("loads.json")
    settings = make_settings(source_url=shared_path("data/trips").as_uri())
    defs = build_defs(settings)
    with DagsterInstance.ephemeral() as instance, warehouse.connect() as connection:
        for step in truth["steps"]:
            dataset = DATASETS[step["taxi"]]
            job = defs.resolve_job_def(f"{dataset.taxi}_postgres_taxi")
            result = job.execute_in_process(partition_key=step["month"], instance=instance)
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            assert step["labels"].items() <= run.tags.items()
            assert digest(connection, dataset.staging_table) == (step["staging_rows"], step["staging_md5"])
            assert digest(connection, dataset.table) == (step["final_rows"], step["final_md5"])


def flow_loads(settings: Settings, dataset: Dataset, month: Month, url: str) -> None:
    """Load a month by the flow's own statements."""
    inputs = {"taxi": dataset.taxi, "year": str(month)[:4], "month": str(month)[5:]}
    file = folder_of(settings.source_url) / dataset.taxi / f"{dataset.file_name(month)}.gz"
    replay(postgres_flows.manual(settings, Target()), inputs, url, file)


def we_load(settings: Settings, dataset: Dataset, month: Month, url: str) -> None:
    raw = Source.from_settings(settings).fetch(dataset, month)
    Loader(Warehouse(url), settings).load(dataset, month, raw)


REGULAR = replace(HARD, null_pickups=0, null_dropoffs=0, swapped_nulls=0)
"""As hard, but every row has both its times, so that only the trips of a month's own pickups are read."""


@pytest.fixture(params=[HARD, REGULAR], ids=["null times", "all times"])
def hard_months(make_settings: MakeSettings, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A source of months with everything that is hard about trips."""
    write_mirror(tmp_path / "mirror", sorted(set(MONTHS)), 3000, quirks=request.param)
    return make_settings(source_url=(tmp_path / "mirror").as_uri(), max_outside_share=1)


@pytest.fixture
def flow_database(warehouse: Warehouse) -> str:
    """A second database beside the test's own."""
    name = warehouse.url.rpartition("/")[2] + "_flow"
    with warehouse.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return warehouse.url + "_flow"


@pytest.mark.parametrize("taxi", DATASETS)
def test_hard_months_come_out_as_by_the_flow(
    taxi: str, hard_months: Settings, warehouse: Warehouse, flow_database: str
) -> None:
    dataset = DATASETS[taxi]
    with warehouse.connect() as ours, psycopg.connect(flow_database) as flows:
        for month in MONTHS:
            we_load(hard_months, dataset, month, warehouse.url)
            flow_loads(hard_months, dataset, month, flow_database)
            for table in (dataset.staging_table, dataset.table):
                assert digest(ours, table) == digest(flows, table), (table, month)
                flows.commit()


@pytest.mark.parametrize(
    "order", [["flow", "ours"], ["ours", "flow"], ["flow", "ours", "ours"], ["ours", "flow", "flow"]]
)
def test_the_flow_runs_on_our_tables_and_we_on_its(
    order: list[str], hard_months: Settings, warehouse: Warehouse, flow_database: str
) -> None:
    dataset = DATASETS["green"]
    loads = itertools.cycle([flow_loads if by == "flow" else we_load for by in order])
    with warehouse.connect() as mixed, psycopg.connect(flow_database, autocommit=True) as flows:
        for month, by in zip(MONTHS, loads, strict=False):
            by(hard_months, dataset, month, warehouse.url)
            flow_loads(hard_months, dataset, month, flow_database)
            for table in (dataset.staging_table, dataset.table):
                assert digest(mixed, table) == digest(flows, table), (table, month, by.__name__)


def test_ids_do_not_follow_the_databases_settings(
    hard_months: Settings, warehouse: Warehouse, flow_database: str
) -> None:
    dataset, month = DATASETS["yellow"], MONTHS[0]
    name = warehouse.url.rpartition("/")[2]
    with warehouse.connect() as connection:
        for setting in ("DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Kathmandu'", "extra_float_digits = -3"):
            connection.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())
    we_load(hard_months, dataset, month, warehouse.url)
    flow_loads(hard_months, dataset, month, flow_database)
    with warehouse.connect() as ours, psycopg.connect(flow_database) as flows:
        assert digest(ours, dataset.table) == digest(flows, dataset.table)
