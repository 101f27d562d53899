"""What tests share: a real PostgreSQL, an empty database for each test, mirrors of files, settings for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.shared import shared_path

# Settings of the person who runs the tests must not leak into them.
_OTHERS = ("GCP_", "SECRET_GCP_", "GOOGLE_", "BIGQUERY_", "STORAGE_EMULATOR")
for _name in [name for name in os.environ if name.startswith(("TAXI_", *_OTHERS))]:
    if _name != "TAXI_SHARED_DIR":
        del os.environ[_name]
os.environ.pop("DAGSTER_HOME", None)

MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with real months and what a real Kestra did with them; tests that need it skip without it."""
    return shared_path("kestra-truth").parent


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded PostgreSQL for this test process."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("server") / "postgres")
    embedded.start()
    yield embedded
    embedded.stop()


@pytest.fixture(scope="session")
def server_url(server: EmbeddedServer) -> str:
    return server.start()


@pytest.fixture
def warehouse(server_url: str, request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """An empty database of the test's own."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield Warehouse(server_url.rpartition("/")[0] + f"/{name}")
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def make_settings(tmp_path: Path, warehouse: Warehouse) -> MakeSettings:
    """Settings for a data folder and a database of the test's own; keywords override fields."""

    def make(**fields: object) -> Settings:
        given = {"data_dir": tmp_path / "data", "postgres_url": warehouse.url, "_env_file": None, **fields}
        return Settings(**given)  # type: ignore[arg-type]

    return make
