"""Flows 04_postgres_taxi and 05_postgres_taxi_scheduled, built from the dataset definitions.

Ids of flows, inputs, variables, tasks and triggers are those of the course flows of the same names: links, habits and
`{{ outputs.… }}` expressions of people who know those keep working.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from taxi_assets.kestra import postgres_sql, task_types
from taxi_assets.kestra.documents import FlowDocument
from taxi_assets.kestra.target import Target
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset

MANUAL_FLOW = "04_postgres_taxi"
SCHEDULED_FLOW = "05_postgres_taxi_scheduled"

Task: TypeAlias = dict[str, Any]
"""A task, an input or a trigger: a mapping with an id and a type."""


def manual(settings: Settings, target: Target) -> FlowDocument:
    """One month of one taxi, chosen by hand."""
    return {
        "id": MANUAL_FLOW,
        "namespace": target.namespace,
        "description": "Loads one month of yellow or green taxi trips from its CSV file into PostgreSQL.\n"
        "Rows that are already there stay as they are, so a month can be loaded again.\n",
        "inputs": [taxi_input(), *month_inputs(settings)],
        "variables": _variables("{{inputs.year}}-{{inputs.month}}", "inputs.year ~ '-' ~ inputs.month", target),
        "tasks": _tasks(),
        "pluginDefaults": target.plugin_defaults(),
    }


def scheduled(_settings: Settings, target: Target) -> FlowDocument:
    """The month that the schedule's tick lies in, one execution at a time; backfills give the months of the past."""
    return {
        "id": SCHEDULED_FLOW,
        "namespace": target.namespace,
        "description": "Loads the month of the trigger's date into PostgreSQL, on schedule and in backfills.\n"
        f"Run by hand it fails, since there is no such date then: {MANUAL_FLOW} is for that.\n",
        "concurrency": {"limit": 1},
        "inputs": [taxi_input()],
        "variables": _variables("{{trigger.date | date('yyyy-MM')}}", "(trigger.date | date('yyyy-MM'))", target),
        "tasks": _tasks(),
        "pluginDefaults": target.plugin_defaults(),
        "triggers": [schedule(dataset) for dataset in DATASETS.values()],
    }


def taxi_input() -> Task:
    """Which taxi."""
    return _select("taxi", "Taxi", list(DATASETS))


def month_inputs(settings: Settings) -> list[Task]:
    """Year and month, as the settings have them."""
    years = range(settings.first_month.year, settings.last_month.year + 1)
    return [
        _select("year", "Year", [str(year) for year in years]),
        _select("month", "Month", [f"{month:02d}" for month in range(1, 13)]),
    ]


def _select(name: str, label: str, values: list[str]) -> Task:
    return {"id": name, "type": "SELECT", "displayName": label, "values": values, "defaults": values[0]}


def _variables(month: str, month_expression: str, target: Target) -> dict[str, str]:
    """`month` is the month as text with expressions in it, `month_expression` the same inside an expression."""
    return {
        "source": target.source,
        "file": f"{{{{inputs.taxi}}}}_tripdata_{month}.csv",
        "staging_table": "public.{{inputs.taxi}}_tripdata_staging",
        "table": "public.{{inputs.taxi}}_tripdata",
        "data": f"{{{{outputs.extract.outputFiles[inputs.taxi ~ '_tripdata_' ~ {month_expression} ~ '.csv']}}}}",
    }


def _tasks() -> list[Task]:
    return [set_label(), extract(), *(_if_taxi(dataset) for dataset in DATASETS.values()), purge_files()]


def set_label() -> Task:
    """The labels `file` and `taxi`."""
    return {
        "id": "set_label",
        "type": task_types.LABELS,
        "labels": {"file": postgres_sql.FILE, "taxi": "{{inputs.taxi}}"},
    }


def extract() -> Task:
    """The month's CSV, downloaded and unpacked."""
    archive = f"{postgres_sql.FILE}.gz"
    # Two commands, not a pipe: /bin/sh may lack pipefail, and a missing file would show as a damaged archive.
    return {
        "id": "extract",
        "type": task_types.COMMANDS,
        "outputFiles": ["*.csv"],
        "taskRunner": {"type": "io.kestra.plugin.core.runner.Process"},
        "commands": [
            f"wget -qO {archive} {{{{vars.source}}}}/{{{{inputs.taxi}}}}/{archive} ||\n"
            f'  {{ echo "cannot download {archive} from {{{{vars.source}}}}/{{{{inputs.taxi}}}}" >&2; exit 1; }}\n',
            f"gunzip {archive}",
        ],
    }


def _if_taxi(dataset: Dataset) -> Task:
    return {
        "id": f"if_{dataset.taxi}_taxi",
        "type": task_types.IF,
        "condition": f"{{{{inputs.taxi == '{dataset.taxi}'}}}}",
        "then": [
            _queries(dataset, "create_table", postgres_sql.create_table(dataset, postgres_sql.TABLE)),
            _queries(dataset, "create_staging_table", postgres_sql.create_table(dataset, postgres_sql.STAGING_TABLE)),
            _queries(dataset, "truncate_staging_table", postgres_sql.truncate(postgres_sql.STAGING_TABLE)),
            _copy_in(dataset),
            _queries(dataset, "add_unique_id_and_filename", postgres_sql.add_unique_id_and_filename(dataset)),
            _queries(dataset, "merge_data", postgres_sql.merge(dataset)),
        ],
    }


def _queries(dataset: Dataset, name: str, sql: str) -> Task:
    return {"id": f"{dataset.taxi}_{name}", "type": task_types.QUERIES, "sql": sql}


def _copy_in(dataset: Dataset) -> Task:
    return {
        "id": f"{dataset.taxi}_copy_in_to_staging_table",
        "type": task_types.COPY_IN,
        "format": "CSV",
        "from": "{{render(vars.data)}}",
        "table": postgres_sql.STAGING_TABLE,
        "header": True,
        "columns": list(dataset.header),
    }


def purge_files() -> Task:
    """What frees the storage that the execution's files take."""
    return {
        "id": "purge_files",
        "type": task_types.PURGE_FILES,
        "description": "Frees the storage that the month's CSV takes. Disable it to look at the file afterwards.",
    }


def schedule(dataset: Dataset) -> Task:
    """The trigger that runs a taxi's month."""
    return {
        "id": f"{dataset.taxi}_schedule",
        "type": task_types.SCHEDULE,
        "cron": dataset.cron,
        "inputs": {"taxi": dataset.taxi},
    }
