"""A TCP proxy before a real server, that breaks connections off or stops forwarding when a test says so."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_ABORT = struct.pack("ii", 1, 0)

Fault = Callable[["Proxy", tuple[socket.socket, socket.socket]], None]


def reset(_proxy: Proxy, ends: tuple[socket.socket, socket.socket]) -> None:
    """Break the connection off at both ends: RST, not FIN."""
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        end.shutdown(socket.SHUT_RDWR)


def stall(proxy: Proxy, _ends: tuple[socket.socket, socket.socket]) -> None:
    """Keep all connections open, new ones too, and forward nothing any more."""
    proxy.flows.clear()


@dataclass
class Proxy:
    """Forwards every connection; those that `breaks` names meet the fault once that many bytes went to the server."""

    target: tuple[str, int]
    breaks: dict[int, int] = field(default_factory=dict)
    """By the connection's number, from 1: bytes after which it breaks."""
    fault: Fault = reset
    connections: int = 0
    broken: int = 0
    port: int = 0
    flows: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self.target)
            limit = self.breaks.get(self.connections)
            threading.Thread(target=self._forward, args=(client, server, limit), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, None), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        sent = 0
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self.flows.wait()
                sink.sendall(data)
                sent += len(data)
                if limit is not None and sent >= limit:
                    limit = None
                    self.broken += 1
                    self.fault(self, (source, sink))
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxied(port: int, breaks: dict[int, int], fault: Fault = reset) -> Iterator[Proxy]:
    """A proxy on loopback before the server on `port`."""
    proxy = Proxy(("127.0.0.1", port), breaks, fault)
    proxy.flows.set()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = int(listener.getsockname()[1])
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        yield proxy
        proxy.flows.set()
        listener.shutdown(socket.SHUT_RDWR)
