from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from taxi_assets.errors import KestraError
from taxi_assets.kestra import documents, flows, pebble
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month

CONTEXT: dict[str, Any] = {
    "inputs": {"taxi": "green", "year": "2020"},
    "vars": {"file": "{{inputs.taxi}}_{{inputs.year}}.csv", "plain": "text"},
    "outputs": {"extract": {"outputFiles": {"green_2020.csv": "a path"}}},
    "trigger": {"date": datetime(2020, 4, 1, 9, tzinfo=UTC)},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no expression", "no expression"),
        ("{{inputs.taxi}}-{{ inputs.year }}", "green-2020"),
        ("{{vars.file}}", "{{inputs.taxi}}_{{inputs.year}}.csv"),
        ("{{render(vars.file)}}", "green_2020.csv"),
        ("{{ 'a' ~ inputs.taxi ~ 'b' }}", "agreenb"),
        ("{{outputs.extract.outputFiles[inputs.taxi ~ '_' ~ inputs.year ~ '.csv']}}", "a path"),
        ("{{inputs.taxi == 'green'}}", "true"),
        ("{{inputs.taxi == 'yellow'}}", "false"),
        ("{{trigger.date | date('yyyy-MM')}}", "2020-04"),
        ("{{'x_' ~ (trigger.date | date('yyyy-MM')) ~ '.csv'}}", "x_2020-04.csv"),
        ("{{trigger.date | date('dd/MM/yyyy HH:mm')}}", "01/04/2020 09:00"),
        ("{{trigger.date}}", "2020-04-01T09:00:00Z"),
    ],
)
def test_renders(template: str, expected: str) -> None:
    pebble.check(template)
    assert pebble.render(template, CONTEXT) == expected


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{kv('GCP_DATASET')}}", r"function kv\(\)"),
        ("{{secret('KEY')}}", r"function secret\(\)"),
        ("{{inputs.taxi | upper}}", "filter 'upper'"),
        ("{% if inputs.taxi %}x{% endif %}", r"tag '{% if inputs\.taxi %}'"),
        ("{# a comment #}", "tag '{# a comment #}'"),
        ("{{inputs.taxi ?? 'green'}}", r"it stops at '\?\?'"),
        ("{{inputs.year + 1}}", r"it stops at '\+'"),
        ("{{inputs.taxi != 'green'}}", "it stops at '!='"),
        ("{{}}", "it stops at 'the end'"),
        ("{{render(vars.file}}", "it stops at 'the end'"),
        ("{{trigger.date | date('EEEE')}}", "date pattern 'EEEE'"),
        ('{{trigger.date | date("yyyy")}}', "it stops at"),
    ],
)
def test_refuses_by_name(template: str, named: str) -> None:
    with pytest.raises(KestraError, match=named):
        pebble.check(template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{inputs.colour}}", r"there is no inputs\.colour"),
        ("{{outputs.extract.outputFiles['other.csv']}}", r"there is no outputs\.extract\.outputFiles\.other\.csv"),
        ("{{inputs.taxi | date('yyyy')}}", "'green' is none"),
    ],
)
def test_an_expression_without_value_is_an_error(template: str, reason: str) -> None:
    pebble.check(template)
    with pytest.raises(KestraError, match=reason):
        pebble.render(template, CONTEXT)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_flows_name_files_and_tables_as_the_datasets_do(dataset: Dataset) -> None:
    settings = Settings()
    for name, text in flows.render(settings, builders=flows.POSTGRES_BUILDERS).items():
        variables = documents.load(text, name)["variables"]
        context = {
            "inputs": {"taxi": dataset.taxi, "year": "2020", "month": "04"},
            "trigger": {"date": datetime(2020, 4, 1, 9, tzinfo=UTC)},
            "outputs": {"extract": {"outputFiles": {dataset.file_name(Month(2020, 4)): "the file"}}},
        }
        rendered = {key: pebble.render(value, context) for key, value in variables.items()}
        assert rendered["file"] == dataset.file_name(Month(2020, 4))
        assert rendered["table"] == f"public.{dataset.table}"
        assert rendered["staging_table"] == f"public.{dataset.staging_table}"
        assert rendered["data"] == "the file"
