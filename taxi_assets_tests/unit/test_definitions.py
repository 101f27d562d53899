"""What Dagster is given: a change here is a change to what every user sees."""

from __future__ import annotations

import subprocess
import sys

from dagster import AssetKey, BackfillPolicy, Definitions

from taxi_assets.definitions import build_defs
from taxi_assets.settings import Settings

DEFS = build_defs(Settings())


def test_definitions_are_loadable() -> None:
    Definitions.validate_loadable(DEFS)


def test_asset_graph() -> None:
    graph = DEFS.resolve_asset_graph()
    upstream = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    assert upstream == {
        "nyc_tlc_release": [],
        **{
            name: parents
            for taxi in ("green", "yellow")
            for name, parents in {
                f"{taxi}_raw_csv": ["nyc_tlc_release"],
                f"{taxi}_staging": [f"{taxi}_raw_csv"],
                f"{taxi}_trips": [f"{taxi}_staging"],
                f"{taxi}_gcs_csv": [f"{taxi}_raw_csv"],
                f"{taxi}_bq_external": [f"{taxi}_gcs_csv"],
                f"{taxi}_bq_staging": [f"{taxi}_raw_csv"],
                f"{taxi}_bq_month": [f"{taxi}_bq_external", f"{taxi}_bq_staging"],
                f"{taxi}_bq_trips": [f"{taxi}_bq_month"],
            }.items()
        },
    }


def test_every_asset_says_what_it_is() -> None:
    graph = DEFS.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description
        assert node.kinds
        assert node.owners
        assert node.code_version
        assert node.group_name == (
            "bigquery" if "_bq_" in key.to_user_string() or "gcs" in key.to_user_string() else "postgres"
        )
        assert node.backfill_policy == BackfillPolicy.single_run()


def test_setting_splits_every_backfill_into_months() -> None:
    graph = build_defs(Settings(backfill_policy="per_month")).resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.materializable_asset_keys}
    assert policies == {BackfillPolicy.multi_run(max_partitions_per_run=1)}


def test_partitions_are_the_published_months() -> None:
    partitions = DEFS.resolve_asset_graph().get(AssetKey("green_trips")).partitions_def
    assert partitions is not None
    keys = partitions.get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == ("2019-01", "2021-07", 31)


def test_blocking_checks() -> None:
    graph = DEFS.resolve_asset_graph()
    blocking = {key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    assert blocking == {"header_equals_definition", "staging_rows_equal_file"}


def test_import_is_light_and_without_warnings() -> None:
    code = (
        "import sys, dagster; before = set(sys.modules); import taxi_assets.definitions; "
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    run = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert "taxi_assets" not in run.stderr
    heavy = {"google", "dbt", "duckdb", "matplotlib", "pandas", "pyarrow", "psycopg", "httpx", "sqlalchemy"}
    assert not heavy & set(eval(run.stdout))  # noqa: S307
