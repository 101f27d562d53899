"""Dagster's three processes on this machine, in the background: code server, webserver, daemon.

Each holds a lock on its `.pid` file for as long as it lives, so that a number in a file left behind by a crash is
never taken for a process of ours.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from taxi_assets.errors import ServiceError

_GRACE = 20.0
"""Seconds a process may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Service:
    """A background process with its pid file and log in `folder`."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """The process's id while it lives."""
        try:
            with self._pid_file.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int(self._pid_file.read_text())
        return None

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Start it; False when it lives already. Its log goes on where the last one ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._pid_file.open("a+") as held, self.log.open("a") as log:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **environment},
                pass_fds=[held.fileno()],  # the lock lives as long as the process does
                start_new_session=True,  # so that Ctrl-C here does not reach it, and its children end with it
            )
            held.truncate(0)
            held.write(str(process.pid))
        return True

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Raises ServiceError with the end of the log when it ends before or as it is ready, or is not so in time."""
        deadline = time.monotonic() + seconds
        while True:
            is_ready = ready()
            if self.pid() is None:
                raise ServiceError(f"the {self.name} ended while it started: {self._last_words()}; see {self.log}")
            if is_ready:
                return
            if time.monotonic() > deadline:
                raise ServiceError(f"the {self.name} is not ready after {seconds:.0f} s: see {self.log}")
            time.sleep(0.2)

    def stop(self) -> bool:
        """End the process and what it started; False when it was not running."""
        pid = self.pid()
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)
        return True

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"
