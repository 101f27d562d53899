from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings
from taxi_assets_tests.integration.faults.months import Mirror

_NUMBERS = itertools.count(1)

NewWarehouse = Callable[[], Warehouse]


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirror")


@pytest.fixture
def settings(make_settings: MakeSettings, mirror: Mirror) -> Settings:
    """Settings of a database and a mirror of the test's own."""
    return make_settings(source_url=mirror.url)


@pytest.fixture
def new_warehouse(server_url: str) -> Iterator[NewWarehouse]:
    """Makes further empty databases, for what the flow's own statements leave."""
    names: list[str] = []
    with psycopg.connect(server_url, autocommit=True) as admin:

        def make() -> Warehouse:
            names.append(f"other_{next(_NUMBERS)}")
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(names[-1])))
            return Warehouse(server_url.rpartition("/")[0] + f"/{names[-1]}")

        yield make
        for name in names:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
