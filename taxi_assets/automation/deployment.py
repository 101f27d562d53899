"""Dagster on this machine as a server runs it: the three processes of docker-compose.yml, without Docker."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from taxi_assets.automation.instance import (
    dagster_home,
    deploy_instance,
    instance_environment,
    kept_in_postgres,
    open_instance,
)
from taxi_assets.automation.services import Service
from taxi_assets.automation.storage import storage_is_embedded
from taxi_assets.errors import ServiceError
from taxi_assets.ports import LOOPBACK, answers, kept_port
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings, project_dir

_START_SECONDS = 120.0
HEARTBEAT_TOLERANCE = 60
"""Seconds by which the daemon's heartbeat, which is due every 30, may be late; Dagster's own 1800 tell nothing."""
CODE_SERVER_COMMAND = ("dagster", "api", "grpc", "-m", "taxi_assets.definitions", "--location-name", "taxi_assets")
"""The command of the process that has the definitions, but for where it listens."""
_CODE_SERVER, _WEBSERVER, _DAEMON = "code server", "webserver", "daemon"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The processes whose pid files and logs lie in the data folder."""

    settings: Settings

    @property
    def folder(self) -> Path:
        return self.settings.data_dir.resolve() / "services"

    @property
    def services(self) -> tuple[Service, ...]:
        """In the order they start."""
        return tuple(Service(name, self.folder) for name in (_CODE_SERVER, _WEBSERVER, _DAEMON))

    @property
    def ui(self) -> str:
        """Where the webserver was last told to listen."""
        return f"http://{LOOPBACK}:{self._ui_port.read_text() if self._ui_port.exists() else 3000}"

    def running(self) -> dict[str, int]:
        """The processes that live, by name, with their ids."""
        pids = {service.name: service.pid() for service in self.services}
        return {name: pid for name, pid in pids.items() if pid is not None}

    def start(self, port: int) -> Iterator[str]:
        """Start what is not running, and tell of each as it is ready. Raises ServiceError."""
        deploy = project_dir() / "deploy"
        lost = self._storage_is_stopped()
        if lost:  # and the connections of what still runs with it, so that each of them would fail once more
            list(self.stop())
        self._check(deploy, port)
        brought = deploy_instance(self.settings, deploy / "dagster.yaml")
        code_server, webserver, daemon = self.services
        code_port = self._code_port(code_server)
        environment = {
            **instance_environment(self.settings),
            "DAGSTER_CODE_HOST": LOOPBACK,
            "DAGSTER_CODE_PORT": str(code_port),
        }
        if lost:
            yield "PostgreSQL, which has Dagster's storage"
        if brought:
            yield f"{brought} runs brought along into PostgreSQL"
        started = code_server.start([*CODE_SERVER_COMMAND, *_at(code_port)], environment)
        code_server.wait_until(lambda: answers(code_port), _START_SECONDS)
        if started:
            yield f"code server on port {code_port}"
        workspace = ["-w", str(deploy / "workspace.yaml")]
        if webserver.pid() is None:
            self._ui_port.write_text(str(port))
        if daemon.pid() is None:
            _forget_heartbeats(self.settings)
        started = webserver.start(["dagster_webserver", *_at(port), *workspace], environment)
        daemon_started = daemon.start(["dagster._daemon", "run", *workspace], environment)
        webserver.wait_until(self._ui_answers, _START_SECONDS)
        if started:
            yield f"webserver at {self.ui}"
        daemon.wait_until(lambda: _heartbeat(self.settings), _START_SECONDS)
        if daemon_started:
            yield "daemon: schedules, sensors, backfills, the run queue"

    def stop(self) -> Iterator[str]:
        """End the processes, the one that launches runs first, and tell of each."""
        for service in reversed(self.services):
            if service.stop():
                yield service.name

    @property
    def _ui_port(self) -> Path:
        return self.folder / "webserver.port"

    def _storage_is_stopped(self) -> bool:
        """Whether it is on the embedded server, and that does not run."""
        embedded = kept_in_postgres(dagster_home(self.settings)) and storage_is_embedded(self.settings)
        return embedded and EmbeddedServer(self.settings.data_dir / "postgres").running() is None

    def _check(self, deploy: Path, port: int) -> None:
        if not (deploy / "dagster.yaml").exists():
            raise ServiceError(f"{deploy} is not here: run this from a checkout of the project")
        if importlib.util.find_spec("dagster_webserver") is None:
            raise ServiceError("the webserver is not installed: pip install 'taxi_assets[ui]'")
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.services[1].pid() is None and answers(port):
            raise ServiceError(f"port {port} is taken by another program: choose one, as in taxi-assets up --port 3001")

    def _code_port(self, code_server: Service) -> int:
        record = self.folder / "code.port"
        if code_server.pid() is not None:
            return int(record.read_text())
        port = kept_port(record)
        if port is None:
            raise ServiceError(f"no free port on {LOOPBACK} for the code server")
        return port

    def _ui_answers(self) -> bool:
        try:
            return httpx.get(f"{self.ui}/server_info", timeout=5).is_success
        except httpx.HTTPError:
            return False


def _at(port: int) -> list[str]:
    return ["-h", LOOPBACK, "-p", str(port)]


def _forget_heartbeats(settings: Settings) -> None:
    """Those of a daemon that ended count for one that is to come."""
    with open_instance(settings) as instance:
        instance.wipe_daemon_heartbeats()


def _heartbeat(settings: Settings) -> bool:
    """Whether every part of the daemon has lately said that it lives."""
    from dagster._daemon.controller import all_daemons_live

    with open_instance(settings) as instance:
        return all_daemons_live(instance, heartbeat_tolerance_seconds=HEARTBEAT_TOLERANCE)
