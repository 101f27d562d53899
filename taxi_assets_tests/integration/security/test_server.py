"""The embedded server: who can reach it, and who can read what it keeps."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest

from taxi_assets.postgres.server import EmbeddedServer


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_is_for_its_owner_only(server: EmbeddedServer) -> None:
    assert (mode(server.folder), mode(server.data)) == (0o700, 0o700)
    assert mode(server.folder / "password") == 0o600


def test_listens_on_loopback_with_a_password_for_everybody(server_url: str) -> None:
    with psycopg.connect(server_url) as connection:
        addresses = connection.execute("SHOW listen_addresses").fetchone()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
    assert (addresses, sockets) == (("127.0.0.1",), ("",))
    assert methods == [("scram-sha-256",)]


def test_no_password_no_entry(server: EmbeddedServer) -> None:
    postmaster = server.running()
    assert postmaster
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=postmaster.port, user="taxi", dbname="ny_taxi", passfile="/dev/null")


def test_every_server_has_a_password_of_its_own(server: EmbeddedServer) -> None:
    assert len((server.folder / "password").read_text().strip()) >= 32
