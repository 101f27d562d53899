"""What Google is asked for where a stand-in would not tell the difference: places, expiry, partitions, dry runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.setup import set_up
from taxi_assets.settings import Settings
from taxi_assets.trips.sample import write_mirror
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, run_month
from taxi_assets_tests.integration.bigquery.wire import Answer, Request, Wire

ROWS = 100
WRITES = ("POST", "PUT", "PATCH", "DELETE")


def body(wire: Wire, method: str, path: str, *, upload: bool = False) -> dict[str, Any]:
    """Of the only request of this kind, an upload's or not, whose path ends so."""
    kind = [r for r in wire.seen if r.method == method and r.path.startswith("/upload/") is upload]
    (found,) = (r for r in kind if r.path.split("?")[0].endswith(path))
    return dict(json.loads(found.body))


def statements(wire: Wire, beginning: str) -> list[str]:
    """Those sent to be run, which begin so."""
    jobs = [json.loads(r.body) for r in wire.seen if r.method == "POST" and r.body.startswith(b"{")]
    queries = [job["configuration"] for job in jobs if "query" in job.get("configuration", {})]
    texts = [query["query"]["query"] for query in queries if not query.get("dryRun")]
    return [text for text in texts if text.startswith(beginning)]


def load(settings: Settings, tmp_path: Path, way: str = "external") -> int | None:
    """Load green April through the wire; the bytes that the merge was to read."""
    write_mirror(tmp_path / "mirror", [APRIL], ROWS)
    with open_google(settings) as clients:
        set_up(clients)
        return run_month(clients, settings, GREEN, APRIL, way).planned_bytes


@pytest.mark.parametrize(
    ("location", "storage_class"), [("EU", "STANDARD"), ("US", "STANDARD"), ("europe-west2", "REGIONAL")]
)
def test_bucket_and_dataset_are_asked_for_in_their_place(
    bigquery_wire: Wire, storage_wire: Wire, settings: Settings, location: str, storage_class: str
) -> None:
    """Google refuses REGIONAL for a place of several regions."""
    with open_google(settings.model_copy(update={"gcp_location": location})) as clients:
        set_up(clients)
    bucket = body(storage_wire, "POST", "/b")
    expected = (settings.gcp_bucket_name, location, storage_class)
    assert (bucket["name"], bucket["location"], bucket["storageClass"]) == expected
    dataset = body(bigquery_wire, "POST", "/datasets")
    assert (dataset["datasetReference"]["datasetId"], dataset["location"]) == (settings.gcp_dataset, location)


@pytest.mark.usefixtures("clients")
def test_what_is_there_is_only_looked_at(bigquery_wire: Wire, storage_wire: Wire, settings: Settings) -> None:
    with open_google(settings) as clients:
        set_up(clients)
    requests = [*bigquery_wire.seen, *storage_wire.seen]
    assert {request.method for request in requests} == {"GET"}


@pytest.mark.parametrize(("way", "source"), [("external", "_ext"), ("load", "_staging")])
def test_month_s_own_tables_expire_when_the_setting_says_so(
    bigquery_wire: Wire, settings: Settings, tmp_path: Path, way: str, source: str
) -> None:
    load(settings.model_copy(update={"bigquery_expire_days": 7}), tmp_path, way)
    own = f"/tables/{GREEN.table}_2020_04"
    until = datetime.fromtimestamp(int(body(bigquery_wire, "PATCH", own + source)["expirationTime"]) / 1000, UTC)
    assert abs(until - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)
    (made,) = statements(bigquery_wire, "CREATE OR REPLACE TABLE")
    assert "OPTIONS (expiration_timestamp = TIMESTAMP_ADD(CURRENT_TIMESTAMP(), INTERVAL 7 DAY))" in made


def test_month_s_own_tables_are_kept_without_it(bigquery_wire: Wire, settings: Settings, tmp_path: Path) -> None:
    load(settings, tmp_path)
    assert not any(request.method == "PATCH" for request in bigquery_wire.seen)
    assert not any("expiration" in sql for sql in statements(bigquery_wire, "CREATE"))


def test_load_job_is_configured_as_the_flow_configures_it(
    bigquery_wire: Wire, settings: Settings, tmp_path: Path
) -> None:
    load(settings, tmp_path, "load")
    configuration = body(bigquery_wire, "POST", "/jobs", upload=True)["configuration"]
    assert configuration["load"] == {
        "sourceFormat": "CSV",
        "skipLeadingRows": "1",
        "allowJaggedRows": True,
        "allowQuotedNewlines": True,
        "autodetect": True,
        "writeDisposition": "WRITE_TRUNCATE",
        "destinationTable": {
            "projectId": settings.gcp_project_id,
            "datasetId": settings.gcp_dataset,
            "tableId": "green_tripdata_2020_04_staging",
        },
    }
    assert configuration["labels"] == {"taxi": "green", "month": "2020-04", "run": "test"}


def test_merge_names_the_partitions_that_the_file_has(bigquery_wire: Wire, settings: Settings, tmp_path: Path) -> None:
    load(settings, tmp_path)
    (merge,) = statements(bigquery_wire, "MERGE INTO")
    assert (
        "T.lpep_pickup_datetime >= TIMESTAMP '2020-04-01' AND T.lpep_pickup_datetime < TIMESTAMP '2020-05-01'" in merge
    )


@pytest.mark.parametrize("asked", [False, True])
def test_trips_table_requires_a_partition_filter_when_asked(
    bigquery_wire: Wire, settings: Settings, tmp_path: Path, asked: bool
) -> None:
    load(settings.model_copy(update={"bigquery_partition_filter": asked}), tmp_path)
    (made,) = statements(bigquery_wire, "CREATE TABLE IF NOT EXISTS")
    assert ("require_partition_filter = TRUE" in made) is asked


def test_bytes_that_the_merge_would_read_are_asked_for_first(
    bigquery_wire: Wire, settings: Settings, tmp_path: Path
) -> None:
    """The stand-in knows no bytes, so the dry run is answered as Google does."""

    def tell(request: Request) -> Answer | None:
        if not (request.says("MERGE INTO") and request.says("dryRun")):
            return None
        assert statements(bigquery_wire, "MERGE INTO") == []
        figures = {"totalBytesProcessed": "12345"}
        status = {"status": {"state": "DONE"}, "statistics": {**figures, "query": figures}}
        return 200, json.dumps({**json.loads(request.body), **status}).encode()

    bigquery_wire.rule = tell
    assert load(settings, tmp_path) == 12345
