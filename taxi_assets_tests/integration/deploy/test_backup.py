"""The commands of docs/deployment.md that back up and restore, as they stand there, on a server without containers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from dagster import asset, materialize
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from taxi_assets.automation.instance import open_instance
from taxi_assets.automation.storage import STORAGE_VARIABLE
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import Digest, digest
from taxi_assets.postgres.load import Loader
from taxi_assets.postgres.server import binaries
from taxi_assets.settings import Settings, project_dir
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.sample import write_mirror
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import running_server

GREEN = DATASETS["green"]
MONTHS = list(months_between(Month(2020, 4), Month(2020, 6)))
PAGE = project_dir() / "docs" / "deployment.md"
# What runs in a container there runs here beside the one server, which plays both of theirs.
DOCKER = 'docker() { [ "$2" = exec ] || return 0; shift 4; "$@"; }'


@pytest.fixture
def address() -> Iterator[dict[str, str]]:
    """A server with the roles and databases of docker-compose.yml, as the variables that its commands read."""
    with running_server() as server:
        url = server.start()
        parts = conninfo_to_dict(url)
        with psycopg.connect(url, autocommit=True) as admin:
            for role in ("root", "dagster"):
                name, password = sql.Identifier(role), sql.Literal(parts["password"])
                admin.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(name, password))
            admin.execute("CREATE DATABASE dagster")  # ny_taxi is there
        yield {f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "password")}


@pytest.fixture
def settings(address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As the containers have it: the trips in ny_taxi, Dagster's storage in dagster."""
    write_mirror(tmp_path / "mirror", MONTHS, 2_000, datasets=[GREEN])
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((project_dir() / "deploy" / "dagster.yaml").read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    place = "{PGPASSWORD}@{PGHOST}:{PGPORT}".format(**address)
    monkeypatch.setenv(STORAGE_VARIABLE, f"postgresql+psycopg2://dagster:{place}/dagster")
    monkeypatch.setenv("TAXI_POSTGRES_URL", f"postgresql://root:{place}/ny_taxi")
    monkeypatch.setenv("TAXI_SOURCE_URL", (tmp_path / "mirror").as_uri())
    return Settings(data_dir=tmp_path / "data", _env_file=None)


def test_both_databases_come_back_with_the_commands_of_the_page(
    settings: Settings, address: dict[str, str], tmp_path: Path
) -> None:
    backup, *restore = blocks()
    for month in MONTHS[:2]:
        load(settings, month)
    run_id = run_something(settings)
    before = digests(settings)
    assert all(found.rows > 0 for found in before)

    execute(backup, address, tmp_path)
    lose_everything(settings, run_id)
    assert digests(settings) != before
    for block in restore:
        execute(block, address, tmp_path)

    assert digests(settings) == before
    assert load(settings, MONTHS[1]) == 0, "the months it holds are known"
    assert load(settings, MONTHS[2]) == 2_000
    with open_instance(settings) as instance:
        assert instance.has_run(run_id)
        assert instance.all_logs(run_id)
        assert run_something(settings) != run_id, "the next run goes in"


def blocks() -> list[str]:
    """The commands of the page's section, block by block."""
    section = PAGE.read_text().split("## Backup and restore\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def execute(block: str, address: dict[str, str], folder: Path) -> None:
    environment = {**os.environ, **address, "PATH": f"{binaries()}:{os.environ['PATH']}"}
    script = f"set -e\n{DOCKER}\n{block}"
    result = subprocess.run(
        ["bash", "-c", script],  # noqa: S607
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def load(settings: Settings, month: Month) -> int:
    raw = Source.from_settings(settings).fetch(GREEN, month)
    return Loader(Warehouse.from_settings(settings), settings).load(GREEN, month, raw).rows_inserted


def digests(settings: Settings) -> list[Digest]:
    with Warehouse.from_settings(settings).connect() as connection:
        return [digest(connection, table) for table in (GREEN.table, GREEN.staging_table)]


def run_something(settings: Settings) -> str:
    @asset
    def something() -> None: ...

    with open_instance(settings) as instance:
        return materialize([something], instance=instance).run_id


def lose_everything(settings: Settings, run_id: str) -> None:
    with Warehouse.from_settings(settings).connect() as connection:
        connection.execute(f"TRUNCATE {GREEN.table}".encode())
    with open_instance(settings) as instance:
        instance.delete_run(run_id)
