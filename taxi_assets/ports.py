"""Ports of the servers that run on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def kept_port(record: Path) -> int | None:
    """The port used last time if it is free, so that saved addresses stay valid; else any free one.

    The choice is written to `record`. None when no port at all is free.
    """
    wanted = int(record.read_text()) if record.exists() else 0
    for candidate in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, candidate))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
            record.write_text(str(port))
            return port
    return None


def answers(port: int, timeout: float = 1) -> bool:
    """Whether something on this machine listens on the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False
