"""What goes wrong with Google: one line that says what to do, and nothing half done."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.load import MonthLoad
from taxi_assets.errors import FileError, GoogleError, SettingsError, TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.sample import HARD, write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.bigquery.conftest import APRIL, GREEN, MAY, read_settings, rows, run_month
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


def hasty(settings: Settings) -> AbstractContextManager[Clients]:
    """Clients that soon give up."""
    return open_google(settings.model_copy(update={"gcp_timeout": 3}))


def test_upload_that_fails(storage_wire: Wire, clients: Clients, settings: Settings) -> None:
    storage_wire.rule = lambda r: google_error(503, "backendError", "We are sorry") if is_upload(r) else None
    with hasty(settings) as clients_in_haste:
        said = failure(clients_in_haste, settings)
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


@pytest.mark.parametrize("way", ["external", "load"])
def test_file_that_another_load_discarded_meanwhile(clients: Clients, settings: Settings, way: str) -> None:
    """As with TAXI_KEEP_RAW=false, when PostgreSQL is loaded from the same file."""
    source = Source.from_settings(settings)
    loading = MonthLoad(clients, settings, GREEN, APRIL)
    file = loading.inspect(source.fetch(GREEN, APRIL))
    source.discard(GREEN, APRIL)
    with pytest.raises(FileError, match=r"green_tripdata_2020-04.csv.gz is gone from the disk.*run the month again"):
        (loading.upload if way == "external" else loading.load_staging)(file)


def test_bucket_of_somebody_else(storage_wire: Wire, settings: Settings) -> None:
    from taxi_assets.bigquery.setup import set_up

    message = "bot@x.iam.gserviceaccount.com does not have storage.buckets.get access."
    storage_wire.rule = lambda _request: google_error(403, "forbidden", message)
    with open_google(settings) as clients, pytest.raises(GoogleError, match="must be nobody else's: GCP_BUCKET_NAME"):
        set_up(clients)


def test_nothing_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
    with hasty(settings) as clients:
        assert "Google does not answer" in failure(clients, settings)


@contextmanager
def silence(wire: Wire, silent: Callable[[Request], bool]) -> Iterator[None]:
    """Requests of a kind are taken, and nothing ever comes back; what is done meanwhile must not take long."""
    end = Event()

    def rule(request: Request) -> None:
        if silent(request):
            end.wait(60)

    wire.rule = rule
    start = time.monotonic()
    yield
    end.set()
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("way", "silent"),
    [
        ("external", lambda r: r.method == "GET" and "/datasets/" in r.path),
        ("external", lambda r: r.method == "POST" and r.says("CREATE OR REPLACE EXTERNAL")),
        ("external", lambda r: r.method == "GET" and r.path.split("?")[0].endswith("/data")),
        ("external", lambda r: r.says("dryRun")),
        ("external", lambda r: r.method == "POST" and r.says("_merge_lock")),
        ("external", lambda r: r.method == "DELETE"),
        ("load", lambda r: r.method == "POST" and r.path.startswith("/upload/")),
        ("load", lambda r: r.method == "PUT"),
    ],
    ids=["dataset", "statement", "rows", "dry_run", "lock", "release", "load", "upload"],
)
def test_connection_that_goes_silent(
    bigquery_wire: Wire, clients: Clients, settings: Settings, way: str, silent: Callable[[Request], bool]
) -> None:
    """As one that a router forgot."""
    with silence(bigquery_wire, silent):
        assert "Google does not answer" in failure(clients.within(1), settings, way)


@pytest.mark.usefixtures("clients")
def test_bucket_that_goes_silent(storage_wire: Wire, settings: Settings) -> None:
    with silence(storage_wire, is_upload), hasty(settings) as clients:
        assert "Google does not answer" in failure(clients, settings)


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
