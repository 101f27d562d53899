from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from taxi_assets.errors import SettingsError
from taxi_assets.kestra.file_server import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    trips = tmp_path / "trips"
    (trips / "green").mkdir(parents=True)
    (trips / "green" / "green_tripdata_2020-04.csv.gz").write_bytes(b"packed")
    (trips / "green" / "notes.txt").write_text("private")
    (tmp_path / "secret.csv.gz").write_bytes(b"beside the folder")
    return trips


def test_serves_the_months(folder: Path) -> None:
    with serving(folder) as url:
        assert httpx.get(f"{url}/green/green_tripdata_2020-04.csv.gz").content == b"packed"


@pytest.mark.parametrize(
    "path", ["/", "/green/", "/green/notes.txt", "/green/green_tripdata_2020-05.csv.gz", "/%2e%2e/secret.csv.gz"]
)
def test_serves_nothing_else(folder: Path, path: str) -> None:
    with serving(folder) as url:
        assert httpx.get(url + path).status_code == 404


def test_is_gone_afterwards(folder: Path) -> None:
    with serving(folder) as url:
        pass
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_port_in_use_is_one_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"cannot serve .* at 127.0.0.1:{port}: .*--files-bind"),
            serving(folder, "127.0.0.1", port),
        ):
            pass
