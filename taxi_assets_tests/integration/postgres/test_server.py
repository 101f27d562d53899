from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from taxi_assets.errors import WarehouseError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer

_START = "import sys; from pathlib import Path; from taxi_assets.postgres.server import EmbeddedServer; " \
    "print(EmbeddedServer(Path(sys.argv[1])).start())"  # fmt: skip


def test_processes_that_start_it_at_once_share_one_server(data_dir: Path) -> None:
    folder = data_dir / "postgres"
    starts = [
        subprocess.Popen([sys.executable, "-c", _START, str(folder)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    urls = {start.communicate()[0] for start in starts}
    server = EmbeddedServer(folder)
    assert len(urls) == 1
    assert server.running() is not None
    assert server.stop()
    assert server.running() is None
    assert not server.stop()


def test_stays_up_when_its_starter_ends_and_keeps_data_over_a_restart(data_dir: Path) -> None:
    folder = data_dir / "postgres"
    first = subprocess.run([sys.executable, "-c", _START, str(folder)], capture_output=True, text=True, check=True)
    url = first.stdout.strip()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    server = EmbeddedServer(folder)
    server.stop()
    assert server.start() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
    server.stop()


def test_asks_for_its_password_and_hides_its_folder(server: EmbeddedServer, server_url: str) -> None:
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
    host = server_url.rpartition("@")[2]
    with pytest.raises(WarehouseError, match="check the user and password"):
        Warehouse(f"postgresql://taxi:wrong@{host}").connect()
    with psycopg.connect(server_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)


def test_what_cannot_be_reached_is_told_in_one_line(server_url: str) -> None:
    base = server_url.rpartition("/")[0]
    with pytest.raises(WarehouseError, match='database "nowhere" does not exist; create it'):
        Warehouse(f"{base}/nowhere").connect()
    with pytest.raises(WarehouseError, match="check that the server runs") as error:
        Warehouse("postgresql://me:s3cret@127.0.0.1:1/db").connect()
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)
