from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets_tests.conftest import MakeSettings, running_server
from taxi_assets_tests.integration.faults.months import Mirror

_NUMBERS = itertools.count(1)

NewWarehouse = Callable[[], Warehouse]
Admin = psycopg.Connection
Start = Callable[..., "subprocess.Popen[str]"]


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


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server that a test may crash or pause."""
    with running_server() as server:
        yield server


@pytest.fixture
def admin(warehouse: Warehouse) -> Iterator[Admin]:
    """The owner of the test's database."""
    with psycopg.connect(warehouse.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def start(tmp_path: Path, mirror: Mirror, warehouse: Warehouse) -> Start:
    """Starts a program of the project's environment, as a person does in a shell; keywords are further variables."""
    variables = {
        "TAXI_DATA_DIR": str(tmp_path / "data"),
        "TAXI_SOURCE_URL": mirror.url,
        "TAXI_POSTGRES_URL": warehouse.url,
        "TAXI_CONNECT_TIMEOUT": "2",
        "DAGSTER_HOME": str(tmp_path / "home"),
        "COLUMNS": "300",
    }
    (tmp_path / "home").mkdir(exist_ok=True)

    def start_program(program: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name(program)), *arguments], cwd=tmp_path, text=True,
            env={**os.environ, **variables, **more}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start_program


@pytest.fixture
def small_tablespace(server: EmbeddedServer, admin: Admin) -> Iterator[Callable[[str], object]]:
    """A tablespace of 10 MB where work tables go; yields a way to give it another size."""
    disk, mount = server.folder / "small", shutil.which("mount")
    disk.mkdir(exist_ok=True)
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.decode().strip()}")
    shutil.chown(disk, "embedded_postgres", "embedded_postgres")
    (name,) = admin.execute("SELECT current_database()").fetchone() or ("",)
    try:
        admin.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(disk)))
        yield lambda size: subprocess.check_call([mount, "-o", f"remount,size={size}", str(disk)])
        admin.execute(sql.SQL("ALTER DATABASE {} RESET default_tablespace").format(sql.Identifier(name)))
        admin.execute("DROP TABLE IF EXISTS public.yellow_tripdata, public.yellow_tripdata_staging")
        admin.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607
