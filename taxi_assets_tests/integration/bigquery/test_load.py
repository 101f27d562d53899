"""What a month leaves in BigQuery, by either way."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import bigquery

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.setup import set_up
from taxi_assets.errors import FileError, GoogleError, SettingsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import HARD, PUBLISHED, Quirks, write_mirror
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, MAY, YELLOW, LoadMonth, rows, run_month, trips
from taxi_assets_tests.integration.bigquery.wire import Amend, Answer, Request, Wire

ROWS = 600


def sample(tmp_path: Path, *months: Month, quirks: Quirks = PUBLISHED) -> None:
    write_mirror(tmp_path / "mirror", months or (APRIL,), ROWS, quirks=quirks)


def read_csv(tmp_path: Path, dataset: Dataset, month: Month) -> Iterator[dict[str, str]]:
    path = tmp_path / "mirror" / dataset.taxi / f"{dataset.file_name(month)}.gz"
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.parametrize("way", ["external", "load"])
@pytest.mark.parametrize("dataset", [GREEN, YELLOW], ids=lambda dataset: dataset.taxi)
def test_month_arrives_whole(
    tmp_path: Path, clients: Clients, load_month: LoadMonth, dataset: Dataset, way: str
) -> None:
    sample(tmp_path)
    load = load_month(dataset, APRIL, way)
    assert (load.rows_read, load.rows_inserted, load.rows_matched) == (ROWS, ROWS, 0)
    main = clients.bigquery.get_table(f"{clients.display}.{dataset.table}")
    assert [(f.name.lower(), f.field_type) for f in main.schema] == [
        (column.sql_name, column.bigquery) for column in dataset.table_columns
    ]
    source = "_ext" if way == "external" else "_staging"
    tables = {table.table_id for table in clients.bigquery.list_tables(clients.display)}
    assert tables == {dataset.table, f"{dataset.table}_2020_04", f"{dataset.table}_2020_04{source}"}
    assert {row.filename for row in clients.bigquery.list_rows(main)} == {dataset.file_name(APRIL)}


@pytest.mark.parametrize("way", ["external", "load"])
def test_id_hashes_the_five_columns_as_bigquery_writes_them(
    tmp_path: Path, clients: Clients, load_month: LoadMonth, way: str
) -> None:
    """BigQuery writes a TIMESTAMP without a fraction as `2020-04-01 00:44:02+00`."""
    sample(tmp_path)
    load_month(GREEN, APRIL, way)
    expected = sorted(
        hashlib.md5(
            "".join(
                (
                    row["VendorID"],
                    f"{row['lpep_pickup_datetime']}+00",
                    f"{row['lpep_dropoff_datetime']}+00",
                    row["PULocationID"],
                    row["DOLocationID"],
                )
            ).encode(),
            usedforsecurity=False,
        ).digest()
        for row in read_csv(tmp_path, GREEN, APRIL)
    )
    assert sorted(row[0] for row in rows(clients, "SELECT unique_row_id FROM `{d}.green_tripdata`")) == expected  # type: ignore[type-var]


@pytest.mark.parametrize("dataset", [GREEN, YELLOW], ids=lambda dataset: dataset.taxi)
def test_both_ways_give_the_same_rows(
    tmp_path: Path, clients: Clients, load_month: LoadMonth, dataset: Dataset
) -> None:
    """Also where every quirk of the published files, and worse, is in the file."""
    sample(tmp_path, quirks=HARD)
    load_month(dataset, APRIL, "external")
    external = trips(clients, dataset)
    clients.bigquery.delete_table(f"{clients.display}.{dataset.table}")
    load_month(dataset, APRIL, "load")
    assert trips(clients, dataset) == external
    assert len(external) == ROWS


def test_again_adds_nothing(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    sample(tmp_path, quirks=HARD)
    load_month(GREEN, APRIL)
    before = trips(clients, GREEN)
    for way in ("external", "load"):
        load = load_month(GREEN, APRIL, way)
        assert (load.rows_inserted, load.rows_matched) == (0, ROWS)
    assert trips(clients, GREEN) == before


def test_months_merge_as_the_flow_merges(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    """Against the flow's own condition, which compares ids with the whole table, on months that share trips."""
    sample(tmp_path, APRIL, MAY, quirks=HARD)
    load_month(GREEN, APRIL)
    load = load_month(GREEN, MAY)
    ids = "SELECT unique_row_id FROM `{d}.green_tripdata_2020_"
    own = {month: rows(clients, ids + month + "`") for month in ("04", "05")}
    april = set(own["04"])
    expected = [row for row in own["05"] if row not in april]
    assert load.rows_inserted == len(expected) < ROWS
    merged = rows(clients, "SELECT unique_row_id FROM `{d}.green_tripdata`")
    assert sorted(merged) == sorted([*own["04"], *expected])
    assert load.repeated_ids == ROWS - len(set(own["05"])) > 0


def test_rows_that_differ_only_in_fare_count_as_one(tmp_path: Path, load_month: LoadMonth) -> None:
    """The BigQuery id leaves out fare and distance, which PostgreSQL's holds."""
    sample(tmp_path, APRIL, MAY, quirks=Quirks(strays=0, refared=0.5))
    load_month(GREEN, APRIL)
    load = load_month(GREEN, MAY)
    assert load.rows_matched > 0


def test_columns_in_another_order(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    sample(tmp_path)
    load_month(GREEN, APRIL)
    straight = trips(clients, GREEN)
    found = list(read_csv(tmp_path, GREEN, APRIL))
    path = tmp_path / "mirror" / "green" / f"{GREEN.file_name(APRIL)}.gz"
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(reversed(GREEN.header)))
        writer.writeheader()
        writer.writerows(found)
    clients.bigquery.delete_table(f"{clients.display}.green_tripdata")
    assert load_month(GREEN, APRIL).rows_inserted == ROWS
    assert trips(clients, GREEN) == straight


def test_guessed_types_may_drift_between_months(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    """A column without values is guessed as text in one month, as numbers in the next; Y and N may be a BOOL."""
    sample(tmp_path, APRIL, MAY)
    path = tmp_path / "mirror" / "green" / f"{GREEN.file_name(APRIL)}.gz"
    changed = [
        {**row, "passenger_count": "", "congestion_surcharge": "", "RatecodeID": "1.0", "store_and_fwd_flag": "true"}
        for row in read_csv(tmp_path, GREEN, APRIL)
    ]
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, GREEN.header)
        writer.writeheader()
        writer.writerows(changed)
    for month in (APRIL, MAY):
        assert load_month(GREEN, month, "load").rows_inserted == ROWS
    kinds = [
        {f.name: f.field_type for f in clients.bigquery.get_table(f"{clients.display}.green_tripdata_{own}").schema}
        for own in ("2020_04_staging", "2020_05_staging")
    ]
    drifted = {name for name in kinds[0] if kinds[0][name] != kinds[1][name]}
    assert {"passenger_count", "congestion_surcharge", "RatecodeID", "store_and_fwd_flag"} <= drifted
    query = "SELECT DISTINCT RatecodeID, store_and_fwd_flag, passenger_count FROM `{d}.green_tripdata_2020_04`"
    assert rows(clients, query) == [("1", "Y", None)]


def test_upload_is_skipped_when_the_same_is_there(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    sample(tmp_path)
    load_month(GREEN, APRIL)
    bucket = clients.storage.bucket(clients.target.bucket)
    first = bucket.get_blob(GREEN.file_name(APRIL))
    generation = first.generation
    with gzip.open(tmp_path / "mirror" / "green" / f"{GREEN.file_name(APRIL)}.gz") as file:
        assert first.download_as_bytes() == file.read()
    load_month(GREEN, APRIL)
    assert bucket.get_blob(GREEN.file_name(APRIL)).generation == generation
    write_mirror(tmp_path / "mirror", [APRIL], ROWS + 1)
    load_month(GREEN, APRIL)
    assert bucket.get_blob(GREEN.file_name(APRIL)).generation > generation


def test_file_of_another_month_is_refused_before_the_merge(
    tmp_path: Path, clients: Clients, load_month: LoadMonth
) -> None:
    sample(tmp_path)
    folder = tmp_path / "mirror" / "green"
    (folder / f"{GREEN.file_name(APRIL)}.gz").rename(folder / f"{GREEN.file_name(MAY)}.gz")
    with pytest.raises(FileError, match="looks like the file of another month"):
        load_month(GREEN, MAY)
    assert "green_tripdata" not in {table.table_id for table in clients.bigquery.list_tables(clients.display)}


def test_trips_table_of_another_shape_is_left_alone(tmp_path: Path, clients: Clients, load_month: LoadMonth) -> None:
    sample(tmp_path)
    schema = [bigquery.SchemaField("unique_row_id", "STRING")]
    clients.bigquery.create_table(bigquery.Table(f"{clients.display}.green_tripdata", schema))
    with pytest.raises(SettingsError, match=r"unique_row_id is STRING.*rename it") as error:
        load_month(GREEN, APRIL)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "expiry", [{"timePartitioning": {"type": "DAY", "expirationMs": "5184000000"}}, {"expirationTime": "4102444800000"}]
)
def test_trips_table_that_loses_its_rows_is_refused_before_the_merge(
    tmp_path: Path, bigquery_wire: Wire, clients: Clients, load_month: LoadMonth, expiry: dict[str, object]
) -> None:
    """As BigQuery makes it in a dataset with a default expiration, which the stand-in does not know."""
    sample(tmp_path)

    def expiring(answer: Answer) -> Answer:
        return answer[0], json.dumps({**json.loads(answer[1]), **expiry}).encode()

    def rule(request: Request) -> Amend | None:
        shown = request.method == "GET" and request.path.split("?")[0].endswith("/green_tripdata")
        return expiring if shown else None

    bigquery_wire.rule = rule
    with pytest.raises(SettingsError, match=r"loses its rows.*ALTER TABLE `.*green_tripdata` SET OPTIONS") as error:
        load_month(GREEN, APRIL)
    assert "\n" not in str(error.value)
    assert trips(clients, GREEN) == []


@pytest.mark.usefixtures("clients")
def test_wrong_location_is_named(settings: Settings, tmp_path: Path) -> None:
    sample(tmp_path)
    moved = settings.model_copy(update={"gcp_location": "us-central1"})
    with open_google(moved) as elsewhere, pytest.raises(GoogleError, match="is in EU, and GCP_LOCATION is us-central1"):
        run_month(elsewhere, moved, GREEN, APRIL)


def test_set_up_leaves_what_is_there(clients: Clients) -> None:
    """Kestra's SKIP patches the bucket; ours does not touch it."""
    bucket = clients.storage.get_bucket(clients.target.bucket)
    bucket.labels = {"kept": "yes"}
    bucket.patch()
    dataset = clients.bigquery.get_dataset(clients.display)
    dataset.description = "mine"
    clients.bigquery.update_dataset(dataset, ["description"])
    before = clients.storage.get_bucket(clients.target.bucket)._properties
    assert [made.made for made in set_up(clients)] == [False, False]
    assert clients.storage.get_bucket(clients.target.bucket)._properties == before
    assert clients.bigquery.get_dataset(clients.display).description == "mine"
