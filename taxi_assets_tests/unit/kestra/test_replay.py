"""What the replay refuses before it touches a database."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.errors import KestraError
from taxi_assets.kestra import postgres_flows
from taxi_assets.kestra.replay import Replay
from taxi_assets.kestra.target import Target
from taxi_assets.settings import Settings

GREEN = {"taxi": "green", "year": "2020", "month": "04"}


@pytest.fixture
def flow() -> dict[str, Any]:
    return copy.deepcopy(dict(postgres_flows.manual(Settings(), Target())))


def prepare(flow: dict[str, Any], inputs: dict[str, str] | None = None) -> Replay:
    return Replay.prepare(flow, inputs or GREEN, "postgresql://nowhere", Path("green_tripdata_2020-04.csv.gz"))


def test_the_generated_flow_is_known(flow: dict[str, Any]) -> None:
    assert prepare(flow).context["inputs"] == GREEN


def test_missing_inputs_take_their_defaults(flow: dict[str, Any]) -> None:
    assert prepare(flow, {"month": "02"}).context["inputs"] == {"taxi": "yellow", "year": "2019", "month": "02"}


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"taxi": "purple"}, "input taxi is 'purple': choose one of yellow, green"),
        ({"colour": "green"}, "flow 04_postgres_taxi has no input 'colour'"),
    ],
)
def test_wrong_inputs_are_refused(flow: dict[str, Any], inputs: dict[str, str], reason: str) -> None:
    with pytest.raises(KestraError, match=reason):
        prepare(flow, inputs)


def test_an_input_that_is_no_select_is_refused(flow: dict[str, Any]) -> None:
    flow["inputs"].append({"id": "day", "type": "DATE"})
    with pytest.raises(KestraError, match=r"inputs of type DATE \(day\)"):
        prepare(flow)


def test_an_unknown_task_type_is_refused_by_name_even_where_it_would_not_run(flow: dict[str, Any]) -> None:
    flow["tasks"][2]["then"][1]["type"] = "io.kestra.plugin.jdbc.duckdb.Query"
    with pytest.raises(
        KestraError, match=r"^yellow_create_staging_table: .* of type io\.kestra\.plugin\.jdbc\.duckdb\.Query$"
    ):
        prepare(flow)


def test_an_unknown_property_is_refused_by_name(flow: dict[str, Any]) -> None:
    flow["tasks"][1]["disabled"] = True
    with pytest.raises(KestraError, match=r"^extract: the replay does not know 'disabled' of"):
        prepare(flow)


def test_an_unknown_expression_is_refused_with_its_task(flow: dict[str, Any]) -> None:
    flow["tasks"][0]["labels"]["taxi"] = "{{kv('TAXI')}}"
    with pytest.raises(KestraError, match=r"^set_label: the replay does not know the Pebble function kv\(\)"):
        prepare(flow)


def test_an_unknown_expression_in_a_variable_is_refused(flow: dict[str, Any]) -> None:
    flow["variables"]["table"] = "{{envs.table}}{% raw %}"
    with pytest.raises(KestraError, match=r"tag '\{% raw %\}'"):
        prepare(flow)


def test_an_unknown_section_of_a_flow_is_refused(flow: dict[str, Any]) -> None:
    flow["finally"] = []
    with pytest.raises(KestraError, match="does not know a flow's 'finally'"):
        prepare(flow)


def test_plugin_defaults_of_another_plugin_are_refused(flow: dict[str, Any]) -> None:
    flow["pluginDefaults"].append({"type": "io.kestra.plugin.core.log.Log", "values": {"level": "ERROR"}})
    with pytest.raises(KestraError, match=r"pluginDefaults of io\.kestra\.plugin\.core\.log\.Log"):
        prepare(flow)
