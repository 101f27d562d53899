from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from taxi_assets.errors import KestraError
from taxi_assets.kestra import documents, flows
from taxi_assets.kestra.documents import FlowDocument
from taxi_assets.kestra.target import Target
from taxi_assets.settings import PUBLIC_RELEASE, Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets_tests.shared import kestra_truth

NAMES = ("04_postgres_taxi", "05_postgres_taxi_scheduled")


@pytest.fixture
def settings() -> Settings:
    return Settings(source_url=PUBLIC_RELEASE, first_month=Month(2019, 1), last_month=Month(2021, 7))


def rendered_flow(name: str, settings: Settings, target: Target | None = None) -> dict[str, Any]:
    return dict(documents.load(flows.render(settings, target)[f"{name}.yaml"], name))


def tasks_of(flow: FlowDocument) -> Iterator[dict[str, Any]]:
    for task in flow["tasks"]:
        yield task
        yield from task.get("then", ())


@functools.cache
def schema() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(kestra_truth("flow-schema.json"))


def errors_by_schema(flow: dict[str, Any]) -> list[jsonschema.ValidationError]:
    """Errors of a flow as the server sees it: its plugin defaults merged into the tasks of their type."""
    merged = copy.deepcopy(flow)
    for default in merged.pop("pluginDefaults", []):
        for task in tasks_of(merged):
            if task["type"].startswith(default["type"]):
                task.update({**default["values"], **task})
    return list(schema().iter_errors(merged))


@pytest.mark.parametrize("name", NAMES)
def test_kestras_own_schema_accepts_the_flow(name: str, settings: Settings) -> None:
    assert errors_by_schema(rendered_flow(name, settings)) == []


@pytest.mark.parametrize("name", NAMES)
def test_kestras_own_schema_notices_a_wrong_task_type(name: str, settings: Settings) -> None:
    flow = rendered_flow(name, settings)
    flow["tasks"][0]["type"] = "io.kestra.plugin.nope.Sleep"
    assert errors_by_schema(flow)


@pytest.mark.parametrize("name", NAMES)
def test_the_yaml_says_what_was_built(name: str, settings: Settings) -> None:
    built = next(flow for flow in flows.build(settings) if flow["id"] == name)
    assert rendered_flow(name, settings) == built


def test_years_offered_are_those_of_the_settings() -> None:
    settings = Settings(first_month=Month(2020, 11), last_month=Month(2022, 1))
    inputs = {each["id"]: each for each in rendered_flow(NAMES[0], settings)["inputs"]}
    assert inputs["year"]["values"] == ["2020", "2021", "2022"]
    assert inputs["year"]["defaults"] == "2020"
    assert inputs["month"]["values"] == [f"{month:02d}" for month in range(1, 13)]


def test_files_come_from_a_mirror_over_http(settings: Settings) -> None:
    mirror = settings.model_copy(update={"source_url": "http://mirror.example/trips"})
    assert rendered_flow(NAMES[0], mirror)["variables"]["source"] == "http://mirror.example/trips"


def test_a_folder_of_this_machine_is_no_source_for_kestra(settings: Settings) -> None:
    local = settings.model_copy(update={"source_url": "file:///srv/trips"})
    assert rendered_flow(NAMES[0], local)["variables"]["source"] == PUBLIC_RELEASE


def test_target_says_where_the_flow_lives_and_writes(settings: Settings) -> None:
    target = Target("elsewhere", "http://host:1/t", "jdbc:postgresql://db:5432/other", "ann", "secret")
    flow = rendered_flow(NAMES[1], settings, target)
    assert flow["namespace"] == "elsewhere"
    assert flow["variables"]["source"] == "http://host:1/t"
    assert flow["pluginDefaults"][0]["values"] == {
        "url": "jdbc:postgresql://db:5432/other",
        "username": "ann",
        "password": "secret",
    }
    assert "secret" not in repr(target)


@pytest.mark.parametrize("name", NAMES)
def test_tasks_have_the_ids_of_the_course_flows_in_their_order(name: str, settings: Settings) -> None:
    steps = (
        "create_table",
        "create_staging_table",
        "truncate_staging_table",
        "copy_in_to_staging_table",
        "add_unique_id_and_filename",
        "merge_data",
    )
    of_taxi = [[f"if_{taxi}_taxi", *(f"{taxi}_{step}" for step in steps)] for taxi in ("yellow", "green")]
    expected = ["set_label", "extract", *of_taxi[0], *of_taxi[1], "purge_files"]
    assert [task["id"] for task in tasks_of(rendered_flow(name, settings))] == expected


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_schedule_ticks_with_the_datasets_cron(dataset: Dataset, settings: Settings) -> None:
    flow = rendered_flow(NAMES[1], settings)
    triggers = {trigger["id"]: trigger for trigger in flow["triggers"]}
    assert triggers[f"{dataset.taxi}_schedule"]["cron"] == dataset.cron
    assert triggers[f"{dataset.taxi}_schedule"]["inputs"] == {"taxi": dataset.taxi}
    assert flow["concurrency"] == {"limit": 1}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_copy_names_the_columns_of_the_csv_header(dataset: Dataset, settings: Settings) -> None:
    tasks = {task["id"]: task for task in tasks_of(rendered_flow(NAMES[0], settings))}
    copy_in = tasks[f"{dataset.taxi}_copy_in_to_staging_table"]
    assert copy_in["columns"] == list(dataset.header)
    assert (copy_in["format"], copy_in["header"]) == ("CSV", True)


def test_what_was_written_has_no_difference(tmp_path: Path, settings: Settings) -> None:
    paths = flows.write(tmp_path, settings)
    assert [path.stem for path in paths] == [flow["id"] for flow in flows.build(settings)]
    assert flows.differences(tmp_path, settings) == ""


def test_an_edited_flow_shows_as_a_difference(tmp_path: Path, settings: Settings) -> None:
    path = flows.write(tmp_path, settings)[0]
    path.write_text(path.read_text().replace("DOLocationID           text", "DOLocationID           integer", 1))
    difference = flows.differences(tmp_path, settings)
    assert "-              DOLocationID           integer" in difference
    assert "+              DOLocationID           text" in difference


def test_a_missing_flow_shows_as_a_difference(tmp_path: Path, settings: Settings) -> None:
    flows.write(tmp_path, settings)[1].unlink()
    assert '+id: "05_postgres_taxi_scheduled"' in flows.differences(tmp_path, settings)


def test_a_generated_flow_without_definition_shows_and_goes(tmp_path: Path, settings: Settings) -> None:
    flow = flows.write(tmp_path, settings)[0]
    stale = tmp_path / "03_old.yaml"
    stale.write_text(flow.read_text())
    assert '-id: "04_postgres_taxi"' in flows.differences(tmp_path, settings)
    flows.write(tmp_path, settings)
    assert not stale.exists()


def test_a_persons_own_flow_is_left_alone(tmp_path: Path, settings: Settings) -> None:
    own = tmp_path / "my_flow.yaml"
    own.write_text("id: my_flow\n")
    flows.write(tmp_path, settings)
    assert own.read_text() == "id: my_flow\n"
    assert flows.differences(tmp_path, settings) == ""


def test_folder_in_the_repository_agrees_with_the_definitions(settings: Settings) -> None:
    assert flows.differences(flows.flows_dir(), settings) == ""


@pytest.mark.parametrize("text", ["id: [unclosed", "- a list", "id: x\nnamespace: y\n"])
def test_text_that_is_no_flow_is_one_line_with_its_name(text: str) -> None:
    with pytest.raises(KestraError, match=r"^broken\.yaml is not .*") as error:
        documents.load(text, "broken.yaml")
    assert "\n" not in str(error.value)


def test_readme_names_every_flow_trigger_and_cron(settings: Settings) -> None:
    readme = (flows.flows_dir().parent / "README.md").read_text(encoding="utf-8")
    for flow in flows.build(settings):
        assert f"[{flow['id']}](flows/{flow['id']}.yaml)" in readme
    for dataset in DATASETS.values():
        assert f"| `{dataset.taxi}_schedule` | `{dataset.taxi}_schedule` | `{dataset.cron}` |" in readme
