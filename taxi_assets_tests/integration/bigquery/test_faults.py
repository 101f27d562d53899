"""What goes wrong with Google: one line that says what to do, and nothing half done."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.locks import merge_lock
from taxi_assets.errors import BusyError, GoogleError, SettingsError, TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.sample import HARD, write_mirror
from taxi_assets_tests.integration.bigquery.conftest import (
    APRIL,
    GREEN,
    MAY,
    YELLOW,
    LoadMonth,
    read_settings,
    rows,
    run_month,
    trips,
)
from taxi_assets_tests.integration.bigquery.wire import Answer, Request, Wire, google_error

ROWS = 300


@pytest.fixture(autouse=True)
def _months(tmp_path: Path, settings: Settings) -> None:  # noqa: ARG001 — makes the mirror's folder
    write_mirror(tmp_path / "mirror", [APRIL, MAY], ROWS, quirks=HARD)


def failure(clients: Clients, settings: Settings, way: str = "external") -> str:
    with pytest.raises(TaxiAssetsError) as error:
        run_month(clients, settings, GREEN, APRIL, way)
    assert "\n" not in str(error.value)
    return str(error.value)


def is_upload(request: Request) -> bool:
    return request.path.startswith("/upload/") and request.method in ("POST", "PUT")


def test_upload_that_fails(storage_wire: Wire, clients: Clients, settings: Settings) -> None:
    storage_wire.rule = lambda r: google_error(503, "backendError", "We are sorry") if is_upload(r) else None
    said = failure(clients, settings)
    assert said.startswith(f"uploading gs://{clients.target.bucket}/green_tripdata_2020-04.csv: ")
    storage_wire.rule = lambda _request: None
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS


def test_upload_that_is_interrupted_goes_on(storage_wire: Wire, clients: Clients, settings: Settings) -> None:
    failed: list[Request] = []

    def once(request: Request) -> Answer | None:
        if is_upload(request) and not failed:
            failed.append(request)
            return google_error(503, "backendError", "We are sorry")
        return None

    storage_wire.rule = once
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert failed


def test_upload_that_arrives_damaged(storage_wire: Wire, clients: Clients, settings: Settings) -> None:
    def damage(request: Request) -> Request | None:
        if is_upload(request) and b"VendorID" in request.body:
            return Request(request.method, request.path, request.body.replace(b"2020-04-1", b"2020-04-2", 1))
        return None

    storage_wire.rule = damage
    assert "run the month again" in failure(clients, settings)
    assert rows(clients, "SELECT COUNT(*) FROM `{d}.INFORMATION_SCHEMA.TABLES`") == [(0,)]
    storage_wire.rule = lambda _request: None
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS


def failed_job(reason: str, message: str) -> Answer:
    """A job that BigQuery took, and that ended with an error."""
    job = {"jobReference": {"projectId": "test-project", "jobId": "failed", "location": "EU"}}
    status = {"state": "DONE", "errorResult": {"reason": reason, "message": message}}
    return 200, json.dumps({**job, "status": status, "configuration": {"load": {}}}).encode()


@pytest.mark.parametrize("answer", [partial(google_error, 400), failed_job], ids=["refused", "ended_in_an_error"])
def test_load_job_that_fails(
    bigquery_wire: Wire, settings: Settings, clients: Clients, answer: Callable[[str, str], Answer]
) -> None:
    message = "Error while reading data, error message: Too many errors encountered. Rows: 12; errors: 1."
    bigquery_wire.rule = lambda request: answer("invalid", message) if request.method == "PUT" else None
    said = failure(clients, settings, "load")
    assert said.startswith("loading green_tripdata_2020-04.csv: Error while reading data")
    bigquery_wire.rule = lambda _request: None
    assert run_month(clients, settings, GREEN, APRIL, "load").rows_inserted == ROWS


@pytest.mark.parametrize("statement", ["CREATE OR REPLACE EXTERNAL", "CREATE OR REPLACE TABLE", "MERGE INTO"])
def test_quota_that_is_used_up(bigquery_wire: Wire, clients: Clients, settings: Settings, statement: str) -> None:
    message = "Quota exceeded: Your project exceeded quota for free query bytes scanned. For more information, see x"

    def refuse(request: Request) -> Answer | None:
        return google_error(403, "quotaExceeded", message) if request.says(statement) else None

    bigquery_wire.rule = refuse
    said = failure(clients, settings)
    assert "exceeded quota for free query bytes" in said
    assert "the project's quota is used up: wait, or ask for more" in said
    bigquery_wire.rule = lambda _request: None
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS


def test_missing_dataset(settings: Settings) -> None:
    with open_google(settings) as clients:
        said = failure(clients, settings)
    assert f"looking for dataset test-project.{settings.gcp_dataset}: Not found" in said
    assert "-j gcp_setup" in said


def test_missing_bucket(clients: Clients, settings: Settings) -> None:
    clients.storage.bucket(clients.target.bucket).delete()
    assert "-j gcp_setup" in failure(clients, settings)


@pytest.mark.usefixtures("clients")
def test_no_bucket_named(settings: Settings) -> None:
    without = settings.model_copy(update={"gcp_bucket_name": None, "bigquery_way": "load"})
    with open_google(without) as found:
        assert run_month(found, without, GREEN, APRIL, "load").rows_inserted == ROWS
        with pytest.raises(SettingsError, match=r"GCP_BUCKET_NAME is not set.*TAXI_BIGQUERY_WAY=load"):
            run_month(found, without, GREEN, MAY)


def test_bucket_of_somebody_else(storage_wire: Wire, settings: Settings) -> None:
    from taxi_assets.bigquery.setup import set_up

    message = "bot@x.iam.gserviceaccount.com does not have storage.buckets.get access."
    storage_wire.rule = lambda _request: google_error(403, "forbidden", message)
    with open_google(settings) as clients, pytest.raises(GoogleError, match="must be nobody else's: GCP_BUCKET_NAME"):
        set_up(clients)


def test_nothing_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
    hasty = settings.model_copy(update={"gcp_timeout": 0.5})
    with open_google(hasty) as clients:
        assert "Google does not answer" in failure(clients, hasty)


def test_key_that_google_does_not_accept(
    bigquery_wire: Wire, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is a real one of the right form, and the token server refuses it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    bigquery_wire.rule = lambda _request: (400, json.dumps(refusal).encode())
    account = {
        "type": "service_account",
        "project_id": "p",
        "private_key": key.decode(),
        "client_email": "bot@p.iam.gserviceaccount.com",
        "token_uri": f"{bigquery_wire.url}/token",
    }
    encoded = base64.b64encode(json.dumps(account).encode()).decode()
    given = read_settings(
        data_dir=settings.data_dir,
        source_url=settings.source_url,
        gcp_timeout=1,
        SECRET_GCP_CREDS=encoded,
        GCP_PROJECT_ID=settings.gcp_project_id,
        GCP_LOCATION=settings.gcp_location,
        GCP_DATASET=settings.gcp_dataset,
        bigquery_way="load",
    )
    with open_google(given) as clients:
        said = failure(clients, given, "load")
    assert "does not accept the credentials" in said
    assert "SECRET_GCP_CREDS" in said
    assert encoded[:20] not in said
    assert "PRIVATE KEY" not in said


def test_statement_that_lost_against_another_is_sent_again(
    bigquery_wire: Wire, clients: Clients, settings: Settings
) -> None:
    lost: list[Request] = []
    message = "Could not serialize access to table test-project:d.green_tripdata due to concurrent update"

    def lose_once(request: Request) -> Answer | None:
        if request.says("MERGE INTO") and not request.says("dryRun") and not lost:
            lost.append(request)
            return google_error(400, "invalidQuery", message)
        return None

    bigquery_wire.rule = lose_once
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert lost


def test_same_month_twice_at_once_is_there_once(clients: Clients, load_month: LoadMonth) -> None:
    with ThreadPoolExecutor(2) as pool:
        loads = list(pool.map(lambda _: load_month(GREEN, APRIL), range(2)))
    assert sorted(load.rows_inserted for load in loads) == [0, ROWS]
    assert len(trips(clients, GREEN)) == ROWS


def test_two_months_at_once_are_as_one_after_the_other(clients: Clients, load_month: LoadMonth) -> None:
    jobs = [(GREEN, APRIL), (GREEN, MAY), (YELLOW, APRIL)]
    with ThreadPoolExecutor(3) as pool:
        loads = list(pool.map(lambda job: load_month(*job), jobs))
    found = [len(trips(clients, dataset)) for dataset in (GREEN, YELLOW)]
    assert found == [loads[0].rows_inserted + loads[1].rows_inserted, ROWS]
    together = rows(clients, "SELECT COUNT(DISTINCT unique_row_id) FROM `{d}.green_tripdata`")
    clients.bigquery.delete_table(f"{clients.display}.green_tripdata")
    for month in (APRIL, MAY):
        load_month(GREEN, month)
    assert rows(clients, "SELECT COUNT(DISTINCT unique_row_id) FROM `{d}.green_tripdata`") == together


def test_lock_names_its_holder(clients: Clients) -> None:
    trips_table = f"{clients.display}.green_tripdata"
    with (
        merge_lock(clients, trips_table, "job", 1),
        pytest.raises(BusyError, match=f"by pid {os.getpid()} on"),
        merge_lock(clients, trips_table, "job2", 0.1),
    ):
        pass


def test_killed_run_completes_next_time(
    bigquery_wire: Wire, clients: Clients, settings: Settings, tmp_path: Path
) -> None:
    """Killed while its merge is under way, so it leaves the lock; BigQuery is told to end that merge first."""
    merging: list[Request] = []

    def hold(request: Request) -> Answer | None:
        if request.says("MERGE INTO") and not request.says("dryRun"):
            merging.append(request)
            time.sleep(20 if len(merging) == 1 else 0)
            return (500, b"{}") if len(merging) == 1 else None
        return None

    bigquery_wire.rule = hold
    script = (
        "from taxi_assets.assets.google import open_google; from taxi_assets.settings import get_settings;"
        "from taxi_assets_tests.integration.bigquery.conftest import run_month, GREEN, APRIL\n"
        "with open_google(get_settings()) as clients: run_month(clients, get_settings(), GREEN, APRIL)"
    )
    given = {f"TAXI_{name.upper()}": str(getattr(settings, name)) for name in ("data_dir", "source_url")}
    names = ("gcp_project_id", "gcp_location", "gcp_dataset", "gcp_bucket_name")
    given |= {name.upper(): str(getattr(settings, name)) for name in names}
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, **given}, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not merging and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    locked = f"{clients.display}.green_tripdata_merge_lock"
    job_id = clients.bigquery.get_table(locked).description
    assert run_month(clients, settings, GREEN, APRIL).rows_inserted == ROWS
    assert any(request.path.split("?")[0].endswith(f"/jobs/{job_id}/cancel") for request in bigquery_wire.seen)
    assert len(trips(clients, GREEN)) == ROWS
    assert "green_tripdata_merge_lock" not in {t.table_id for t in clients.bigquery.list_tables(clients.display)}
