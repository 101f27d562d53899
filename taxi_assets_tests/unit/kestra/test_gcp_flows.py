"""The Google Cloud flows: their statements are those that the assets send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot

from taxi_assets.bigquery import statements
from taxi_assets.bigquery.tables import month_tables, quoted
from taxi_assets.bigquery.target import Target
from taxi_assets.kestra import documents, flows, pebble
from taxi_assets.settings import PUBLIC_RELEASE, Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets_tests.unit.kestra.test_flows import errors_by_schema

KEYS = {"GCP_PROJECT_ID": "my-project", "GCP_LOCATION": "EU", "GCP_DATASET": "zoomcamp", "GCP_BUCKET_NAME": "my-bucket"}
TARGET = Target("my-project", "EU", "zoomcamp", "my-bucket")
APRIL = Month(2020, 4)
EXTERNAL, LOAD = ("08_gcp_taxi", "09_gcp_taxi_scheduled"), ("08_gcp_taxi_load", "09_gcp_taxi_load_scheduled")


def flow(name: str) -> dict[str, Any]:
    """A flow as rendered, its keys replaced by their values."""
    text = flows.render(Settings(source_url=PUBLIC_RELEASE))[f"{name}.yaml"]
    for key, value in KEYS.items():
        text = text.replace(f"{{{{kv('{key}')}}}}", value)
    return dict(documents.load(text, name))


def tasks_of(found: dict[str, Any], taxi: str) -> Iterator[dict[str, Any]]:
    for task in found["tasks"]:
        if task["id"] == f"if_{taxi}_taxi":
            yield from task["then"]
        elif "then" not in task:
            yield task


def sent(name: str, dataset: Dataset) -> dict[str, str]:
    """The statements of a flow by task, rendered for April 2020."""
    found = flow(name)
    context = {
        "inputs": {"taxi": dataset.taxi, "year": "2020", "month": "04"},
        "trigger": {"date": datetime(2020, 4, 1, 9, tzinfo=UTC)},
        "vars": found["variables"],
    }
    return {task["id"]: pebble.render(task["sql"], context) for task in tasks_of(found, dataset.taxi) if "sql" in task}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
@pytest.mark.parametrize("name", [*EXTERNAL, *LOAD])
def test_statements_are_those_of_the_assets(name: str, dataset: Dataset) -> None:
    tables = month_tables(TARGET, dataset, APRIL)
    external = name in EXTERNAL
    source = tables.external if external else tables.staging
    values = statements.external_values(dataset) if external else statements.loaded_values(dataset)
    filename = statements.literal(dataset.file_name(APRIL))
    uri = f"gs://my-bucket/{dataset.file_name(APRIL)}"
    own = f"bq_{dataset.taxi}"
    expected = {
        f"{own}_tripdata": statements.main_table(dataset, quoted(tables.trips)),
        f"{own}_table_ext": statements.external_table(dataset.columns, quoted(tables.external), uri),
        f"{own}_table_tmp": statements.month_table(dataset, quoted(tables.month), quoted(source), values, filename, ""),
        f"{own}_merge": statements.merge(dataset, quoted(tables.trips), quoted(tables.month), ""),
    }
    if not external:
        del expected[f"{own}_table_ext"]
    assert sent(name, dataset) == {task: f"{sql};\n" for task, sql in expected.items()}
    assert all(sqlglot.parse_one(sql, read="bigquery") for sql in sent(name, dataset).values())


@pytest.mark.parametrize("name", [*LOAD, "07_gcp_setup_load"])
def test_variant_without_a_bucket_names_none(name: str) -> None:
    text = flows.render(Settings(source_url=PUBLIC_RELEASE))[f"{name}.yaml"]
    assert "BUCKET" not in text
    assert "gs://" not in text


@pytest.mark.parametrize("name", ["06_gcp_kv", *EXTERNAL, *LOAD])
def test_kestras_own_schema_accepts_the_flow_but_for_google_s_tasks(name: str) -> None:
    """The schema knows none of Google's plugin."""
    known = flow(name)
    known["tasks"] = [task for task in known["tasks"] if "then" not in task and ".gcp." not in task["type"]]
    known.pop("pluginDefaults", None)
    assert errors_by_schema(known) == []
    del known["tasks"][0]["type"]
    assert errors_by_schema(known)


def test_secret_is_read_and_never_written() -> None:
    for name in (*EXTERNAL, *LOAD, "07_gcp_setup"):
        (defaults,) = flow(name)["pluginDefaults"]
        assert defaults["values"]["serviceAccount"] == "{{secret('GCP_CREDS')}}"
    assert {task["key"] for task in flow("06_gcp_kv")["tasks"]} == set(KEYS)


def test_schedules_are_flow_05_s() -> None:
    postgres = flow("05_postgres_taxi_scheduled")["triggers"]
    assert flow("09_gcp_taxi_scheduled")["triggers"] == postgres == flow("09_gcp_taxi_load_scheduled")["triggers"]
