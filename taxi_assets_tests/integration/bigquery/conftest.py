"""Real stand-ins for BigQuery and Cloud Storage, reached by Google's own clients; a dataset and bucket a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from taxi_assets.assets.google import open_google
from taxi_assets.bigquery.connection import Clients
from taxi_assets.bigquery.load import Load, MonthLoad
from taxi_assets.bigquery.setup import set_up
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings, get_settings
from taxi_assets.standin.process import running
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.bigquery.wire import Wire, wire_to

GREEN, YELLOW = DATASETS["green"], DATASETS["yellow"]
APRIL, MAY = Month(2020, 4), Month(2020, 5)

LoadMonth = Callable[..., Load]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them in one test process, so that one pair of stand-ins serves."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("bigquery"))


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stand-ins keep what is in buckets."""
    return tmp_path_factory.mktemp("objects")


@pytest.fixture(scope="session")
def addresses(objects: Path) -> Iterator[dict[str, str]]:
    with running(objects) as found:
        yield found


@pytest.fixture(autouse=True)
def _reach_the_standins(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    for name, url in addresses.items():
        monkeypatch.setenv(name, url)


@pytest.fixture
def bigquery_wire(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with wire_to(addresses["BIGQUERY_EMULATOR_HOST"]) as wire:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", wire.url)
        yield wire


@pytest.fixture
def storage_wire(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with wire_to(addresses["STORAGE_EMULATOR_HOST"]) as wire:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", wire.url)
        yield wire


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A dataset and a bucket of the test's own, not made yet; files come from tmp_path/mirror."""
    (tmp_path / "mirror").mkdir()
    own = uuid4().hex[:12]
    return read_settings(
        data_dir=tmp_path / "data",
        source_url=(tmp_path / "mirror").as_uri(),
        gcp_timeout=60,
        GCP_PROJECT_ID="test-project",
        GCP_LOCATION="EU",
        GCP_DATASET=f"d{own}",
        GCP_BUCKET_NAME=own,
    )


def read_settings(**given: object) -> Settings:
    """Settings of these values alone."""
    return Settings(**{"_env_file": None, **given})  # type: ignore[arg-type]


@pytest.fixture
def clients(settings: Settings) -> Iterator[Clients]:
    """Clients for a bucket and a dataset that are there."""
    with open_google(settings) as found:
        set_up(found)
        yield found


@pytest.fixture
def load_month(settings: Settings, clients: Clients) -> LoadMonth:
    """Loads a month of the mirror to its end, by either way."""

    def load(dataset: Dataset, month: Month, way: str = "external") -> Load:
        return run_month(clients, settings, dataset, month, way)

    return load


@pytest.fixture
def command_line(
    settings: Settings, clients: Clients, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The environment in which a command finds the test's files, dataset, bucket and database."""
    target = clients.target
    given = {
        "TAXI_DATA_DIR": str(settings.data_dir),
        "TAXI_SOURCE_URL": settings.source_url,
        "TAXI_POSTGRES_URL": warehouse.url,
        "TAXI_GCP_TIMEOUT": str(settings.gcp_timeout),
        "GCP_PROJECT_ID": target.project,
        "GCP_LOCATION": target.location,
        "GCP_DATASET": target.dataset,
        "GCP_BUCKET_NAME": target.bucket or "",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run_month(clients: Clients, settings: Settings, dataset: Dataset, month: Month, way: str = "external") -> Load:
    loading = MonthLoad(clients, settings, dataset, month, "test")
    file = loading.inspect(Source.from_settings(settings).fetch(dataset, month))
    if way == "external":
        loading.upload(file)
        loading.make_external(file)
    else:
        loading.load_staging(file)
    loading.make_month(way)
    loading.merge()
    return loading.load


def rows(clients: Clients, sql: str) -> list[tuple[object, ...]]:
    """What a query gives; `{d}` in it stands for the test's dataset."""
    return [tuple(row) for row in clients.bigquery.query(sql.format(d=clients.display)).result()]


def trips(clients: Clients, dataset: Dataset) -> list[tuple[object, ...]]:
    """All of a trips table but the id and the file's name, sorted."""
    columns = ", ".join(column.name for column in dataset.columns)
    found = rows(clients, f"SELECT {columns} FROM `{{d}}.{dataset.table}`")  # noqa: S608
    return sorted(found, key=str)
