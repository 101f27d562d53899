"""Flows 06 to 09, from the dataset definitions, and 07 to 09 for a project without a bucket.

Names of flows, tasks, variables and keys are those of the course. The SQL is what the BigQuery assets send, but for
the merge's partitions, which a flow cannot know. No server has run these flows against Google.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taxi_assets.bigquery import statements
from taxi_assets.kestra import postgres_flows, task_types
from taxi_assets.kestra.documents import FlowDocument
from taxi_assets.kestra.postgres_flows import Task
from taxi_assets.kestra.target import Target
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset

_PROJECT, _DATASET = "{{kv('GCP_PROJECT_ID')}}", "{{kv('GCP_DATASET')}}"
_FILE, _TABLE, _DATA = "{{render(vars.file)}}", "{{render(vars.table)}}", "{{render(vars.data)}}"
_GCS_FILE = "{{render(vars.gcs_file)}}"
_MONTH = f"`{_PROJECT}.{_TABLE}`"

_CreateTables = Callable[[Dataset], list[Task]]


def kv(_settings: Settings, target: Target) -> FlowDocument:
    """The keys that the other flows read; the values are to be replaced by one's own."""
    values = {
        "GCP_PROJECT_ID": "your-project-id",
        "GCP_LOCATION": "europe-west2",
        "GCP_BUCKET_NAME": "your-bucket-name",
        "GCP_DATASET": "zoomcamp",
    }
    tasks = [
        {"id": key.lower(), "type": task_types.KV_SET, "key": key, "kvType": "STRING", "value": value}
        for key, value in values.items()
    ]
    return {
        "id": "06_gcp_kv",
        "namespace": target.namespace,
        "description": "Sets the keys that flows 07 to 09 read. Put your own project and bucket in: a bucket's name\n"
        "must be the only one of its kind in the world. Without a bucket, leave its key out.\n",
        "tasks": tasks,
    }


def setup(_settings: Settings, target: Target) -> FlowDocument:
    """Bucket and dataset."""
    bucket = {
        "id": "create_gcs_bucket",
        "type": task_types.CREATE_BUCKET,
        "ifExists": "SKIP",
        "storageClass": "REGIONAL",
        "name": "{{kv('GCP_BUCKET_NAME')}}",
    }
    return _setup("07_gcp_setup", [bucket, _create_dataset()], target, bucket=True)


def setup_without_bucket(_settings: Settings, target: Target) -> FlowDocument:
    """The dataset alone."""
    return _setup("07_gcp_setup_load", [_create_dataset()], target, bucket=False)


def manual(settings: Settings, target: Target) -> FlowDocument:
    """One month of one taxi, chosen by hand, by way of the bucket."""
    return _manual("08_gcp_taxi", settings, target, _external_tables, bucket=True)


def scheduled(_settings: Settings, target: Target) -> FlowDocument:
    """The month of the trigger's date, by way of the bucket."""
    return _scheduled("09_gcp_taxi_scheduled", target, _external_tables, bucket=True)


def manual_without_bucket(settings: Settings, target: Target) -> FlowDocument:
    """One month of one taxi, chosen by hand, by a load job."""
    return _manual("08_gcp_taxi_load", settings, target, _loaded_tables, bucket=False)


def scheduled_without_bucket(_settings: Settings, target: Target) -> FlowDocument:
    """The month of the trigger's date, by a load job."""
    return _scheduled("09_gcp_taxi_load_scheduled", target, _loaded_tables, bucket=False)


def _setup(name: str, tasks: list[Task], target: Target, *, bucket: bool) -> FlowDocument:
    return {
        "id": name,
        "namespace": target.namespace,
        "description": "Makes what is missing of what flows 08 and 09 need in the project.\n",
        "tasks": tasks,
        "pluginDefaults": _plugin_defaults(bucket=bucket),
    }


def _create_dataset() -> Task:
    return {"id": "create_bq_dataset", "type": task_types.CREATE_DATASET, "name": _DATASET, "ifExists": "SKIP"}


def _manual(
    name: str, settings: Settings, target: Target, create_tables: _CreateTables, *, bucket: bool
) -> FlowDocument:
    return {
        "id": name,
        "namespace": target.namespace,
        "description": "Loads one month of yellow or green taxi trips from its CSV file into BigQuery.\n",
        "inputs": [postgres_flows.taxi_input(), *postgres_flows.month_inputs(settings)],
        "variables": _variables(
            "{{inputs.year}}-{{inputs.month}}",
            "{{inputs.year}}_{{inputs.month}}",
            "inputs.year ~ '-' ~ inputs.month",
            target,
            bucket=bucket,
        ),
        "tasks": _tasks(create_tables, bucket=bucket),
        "pluginDefaults": _plugin_defaults(bucket=bucket),
    }


def _scheduled(name: str, target: Target, create_tables: _CreateTables, *, bucket: bool) -> FlowDocument:
    return {
        "id": name,
        "namespace": target.namespace,
        "description": "Loads the month of the trigger's date into BigQuery, on schedule and in backfills.\n",
        "inputs": [postgres_flows.taxi_input()],
        "variables": _variables(
            "{{trigger.date | date('yyyy-MM')}}",
            "{{trigger.date | date('yyyy_MM')}}",
            "(trigger.date | date('yyyy-MM'))",
            target,
            bucket=bucket,
        ),
        "tasks": _tasks(create_tables, bucket=bucket),
        "pluginDefaults": _plugin_defaults(bucket=bucket),
        "triggers": [postgres_flows.schedule(dataset) for dataset in DATASETS.values()],
    }


def _variables(month: str, own: str, expression: str, target: Target, *, bucket: bool) -> dict[str, str]:
    """`own` is the month as it stands in the names of its tables."""
    gcs_file = {"gcs_file": "gs://{{kv('GCP_BUCKET_NAME')}}/{{render(vars.file)}}"} if bucket else {}
    return {
        "source": target.source,
        "file": f"{{{{inputs.taxi}}}}_tripdata_{month}.csv",
        **gcs_file,
        "table": f"{_DATASET}.{{{{inputs.taxi}}}}_tripdata_{own}",
        "data": f"{{{{outputs.extract.outputFiles[inputs.taxi ~ '_tripdata_' ~ {expression} ~ '.csv']}}}}",
    }


def _tasks(create_tables: _CreateTables, *, bucket: bool) -> list[Task]:
    arrives = _upload() if bucket else _load()
    branches = [
        {
            "id": f"if_{dataset.taxi}_taxi",
            "type": task_types.IF,
            "condition": f"{{{{inputs.taxi == '{dataset.taxi}'}}}}",
            "then": [_main_table(dataset), *create_tables(dataset), _merge(dataset)],
        }
        for dataset in DATASETS.values()
    ]
    ends = [postgres_flows.set_label(), postgres_flows.extract(), arrives]
    return [*ends, *branches, postgres_flows.purge_files()]


def _upload() -> Task:
    return {"id": "upload_to_gcs", "type": task_types.GCS_UPLOAD, "from": _DATA, "to": _GCS_FILE}


def _load() -> Task:
    return {
        "id": "load_to_bq_staging",
        "type": task_types.BIGQUERY_LOAD,
        "from": _DATA,
        "destinationTable": f"{_PROJECT}.{_TABLE}_staging",
        "format": "CSV",
        "csvOptions": {
            "fieldDelimiter": ",",
            "skipLeadingRows": "1",
            "allowJaggedRows": True,
            "allowQuotedNewLines": True,
        },
        "writeDisposition": "WRITE_TRUNCATE",
        "autodetect": True,
    }


def _query(dataset: Dataset, name: str, sql: str) -> Task:
    return {"id": f"bq_{dataset.taxi}_{name}", "type": task_types.BIGQUERY_QUERY, "sql": f"{sql};\n"}


def _main_name(dataset: Dataset) -> str:
    return f"`{_PROJECT}.{_DATASET}.{dataset.table}`"


def _main_table(dataset: Dataset) -> Task:
    return _query(dataset, "tripdata", statements.main_table(dataset, _main_name(dataset)))


def _external_tables(dataset: Dataset) -> list[Task]:
    external = f"`{_PROJECT}.{_TABLE}_ext`"
    values = statements.external_values(dataset)
    return [
        _query(dataset, "table_ext", statements.external_table(dataset.columns, external, _GCS_FILE)),
        _query(dataset, "table_tmp", _month_table(dataset, external, values)),
    ]


def _loaded_tables(dataset: Dataset) -> list[Task]:
    values = statements.loaded_values(dataset)
    return [_query(dataset, "table_tmp", _month_table(dataset, f"`{_PROJECT}.{_TABLE}_staging`", values))]


def _month_table(dataset: Dataset, source: str, values: list[str]) -> str:
    return statements.month_table(dataset, _MONTH, source, values, statements.literal(_FILE), "")


def _merge(dataset: Dataset) -> Task:
    return _query(dataset, "merge", statements.merge(dataset, _main_name(dataset), _MONTH, ""))


def _plugin_defaults(*, bucket: bool) -> list[dict[str, Any]]:
    values = {
        "serviceAccount": "{{secret('GCP_CREDS')}}",
        "projectId": _PROJECT,
        "location": "{{kv('GCP_LOCATION')}}",
    }
    if bucket:
        values["bucket"] = "{{kv('GCP_BUCKET_NAME')}}"
    return [{"type": "io.kestra.plugin.gcp", "values": values}]
