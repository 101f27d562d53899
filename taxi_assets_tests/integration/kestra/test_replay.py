from __future__ import annotations

import copy
import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from psycopg import sql

from taxi_assets.errors import KestraError
from taxi_assets.kestra import documents, flows
from taxi_assets.kestra.replay import Replay, replay
from taxi_assets.kestra.target import Target
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import digest, table_columns
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets_tests.shared import kestra_truth, shared_path

NewDatabase = Callable[[], str]
SETTINGS = Settings()
MANUAL, SCHEDULED = (
    cast("Any", documents.load(text, name))
    for name, text in flows.render(SETTINGS, Target(), flows.POSTGRES_BUILDERS).items()
)
"""As a Kestra server would read them from the YAML."""


def inputs(taxi: str, month: str) -> dict[str, str]:
    return {"taxi": taxi, "year": month[:4], "month": month[5:]}


def trip_file(folder: Path, dataset: Dataset, month: str, rows: Iterable[dict[str, str]]) -> Path:
    """A month's .csv.gz with the given values, the other columns empty."""
    lines = [",".join(dataset.header)]
    lines += [",".join(row.get(name, "") for name in dataset.header) for row in rows]
    path = folder / f"{dataset.taxi}_tripdata_{month}.csv.gz"
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return path


@pytest.fixture
def green_file(tmp_path: Path) -> Path:
    row = {"VendorID": "2", "lpep_pickup_datetime": "2020-04-01 00:00:00", "fare_amount": "5.5"}
    return trip_file(tmp_path, DATASETS["green"], "2020-04", [row, {**row, "fare_amount": "7"}])


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        (rows,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchall()
        return int(rows[0])


def test_replay_leaves_at_every_step_what_a_kestra_server_left(new_database: NewDatabase) -> None:
    truth = kestra_truth("loads.json")
    url = new_database()
    with Warehouse(url).connect() as connection:
        for step in truth["steps"]:
            taxi, month = step["taxi"], step["month"]
            file = shared_path(f"data/trips/{taxi}/{taxi}_tripdata_{month}.csv.gz")
            execution = replay(MANUAL, inputs(taxi, month), url, file)
            assert execution.labels == step["labels"]
            staging = digest(connection, f"public.{taxi}_tripdata_staging")
            final = digest(connection, f"public.{taxi}_tripdata")
            assert staging == (step["staging_rows"], step["staging_md5"]), f"staging after step {step['step']}"
            assert final == (step["final_rows"], step["final_md5"]), f"trips after step {step['step']}"
        for table, columns in truth["columns"].items():
            found = [f"{column.name} {column.type}" for column in table_columns(connection, f"public.{table}")]
            assert found == columns


def test_each_task_is_committed_before_the_next_begins(new_database: NewDatabase, green_file: Path) -> None:
    url = new_database()
    steps = Replay.prepare(MANUAL, inputs("green", "2020-04"), url, green_file).steps()
    seen = {}
    for task in steps:
        if task.task_id.endswith(("copy_in_to_staging_table", "merge_data")):
            seen[task.task_id] = (count(url, "green_tripdata_staging"), count(url, "green_tripdata"))
    assert seen == {"green_copy_in_to_staging_table": (2, 0), "green_merge_data": (2, 2)}


def test_tasks_are_reported_in_their_order_with_seconds(new_database: NewDatabase, green_file: Path) -> None:
    told: list[str] = []
    execution = replay(
        MANUAL, inputs("green", "2020-04"), new_database(), green_file, on_task=lambda task: told.append(task.task_id)
    )
    assert told == [
        "set_label",
        "extract",
        "green_create_table",
        "green_create_staging_table",
        "green_truncate_staging_table",
        "green_copy_in_to_staging_table",
        "green_add_unique_id_and_filename",
        "green_merge_data",
        "purge_files",
    ]
    assert execution.seconds == pytest.approx(sum(task.seconds for task in execution.tasks))
    assert all(task.seconds >= 0 for task in execution.tasks)


def test_scheduled_flow_loads_the_month_of_its_tick(new_database: NewDatabase, green_file: Path) -> None:
    url = new_database()
    execution = replay(SCHEDULED, {"taxi": "green"}, url, green_file, datetime(2020, 4, 1, 9, tzinfo=UTC))
    assert execution.labels == {"file": "green_tripdata_2020-04.csv", "taxi": "green"}
    assert count(url, "green_tripdata") == 2


def test_scheduled_flow_by_hand_fails_at_its_first_task(new_database: NewDatabase, green_file: Path) -> None:
    execution = Replay.prepare(SCHEDULED, {"taxi": "green"}, new_database(), green_file)
    with pytest.raises(KestraError, match=r"has no value: there is no trigger\.date"):
        list(execution.steps())
    assert execution.tasks == []


def test_a_value_that_does_not_fit_names_task_line_and_column(new_database: NewDatabase, tmp_path: Path) -> None:
    file = trip_file(tmp_path, DATASETS["yellow"], "2019-01", [{"fare_amount": "1"}, {"fare_amount": "abc"}])
    url = new_database()
    with pytest.raises(KestraError, match=r"^yellow_copy_in_to_staging_table: .*\"abc\".* line 3, column fare_amount"):
        replay(MANUAL, inputs("yellow", "2019-01"), url, file)
    assert count(url, "yellow_tripdata_staging") == 0


def test_a_damaged_archive_fails_before_staging_is_emptied(new_database: NewDatabase, green_file: Path) -> None:
    url = new_database()
    replay(MANUAL, inputs("green", "2020-04"), url, green_file)
    green_file.write_bytes(green_file.read_bytes()[:-20])
    with pytest.raises(KestraError, match=r"^extract: cannot unpack .*green_tripdata_2020-04\.csv\.gz"):
        replay(MANUAL, inputs("green", "2020-04"), url, green_file)
    assert count(url, "green_tripdata_staging") == 2


def test_a_file_of_another_month_is_refused(new_database: NewDatabase, green_file: Path) -> None:
    with pytest.raises(KestraError, match=r"downloads green_tripdata_2020-05\.csv\.gz, the file given is .*2020-04"):
        replay(MANUAL, inputs("green", "2020-05"), new_database(), green_file)


def test_sql_is_executed_as_it_stands_in_the_flow(new_database: NewDatabase, green_file: Path) -> None:
    flow = copy.deepcopy(MANUAL)
    merge = next(task for task in flow["tasks"][3]["then"] if task["id"] == "green_merge_data")
    merge["sql"] += "DELETE FROM {{render(vars.table)}} WHERE fare_amount > 6;"
    url = new_database()
    replay(flow, inputs("green", "2020-04"), url, green_file)
    assert (count(url, "green_tripdata_staging"), count(url, "green_tripdata")) == (2, 1)


def test_a_shell_command_of_another_kind_is_refused_by_name(warehouse: Warehouse, tmp_path: Path) -> None:
    flow = copy.deepcopy(MANUAL)
    extract = next(task for task in flow["tasks"] if task["id"] == "extract")
    extract["commands"].append("sed -i s/1/2/ *.csv")
    file = tmp_path / "green_tripdata_2020-04.csv.gz"
    file.write_bytes(gzip.compress(b""))
    with pytest.raises(KestraError, match=r"extract: the replay does not know the command 'sed -i s/1/2/ \*.csv'"):
        replay(flow, inputs("green", "2020-04"), warehouse.url, file)
