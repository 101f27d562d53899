"""The proxy that puts a server far away."""

from __future__ import annotations

import socket
import threading
import time

from benchmarks.proxy import delayed


def echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def test_round_trips_take_longer_and_bytes_stay_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo_once, args=[server], daemon=True).start()
        port = server.getsockname()[1]
        with delayed("127.0.0.1", port, 0.05) as far, socket.create_connection(("127.0.0.1", far)) as client:
            start = time.perf_counter()
            client.sendall(b"there and back")
            assert client.recv(100) == b"there and back"
            assert 0.1 <= time.perf_counter() - start < 1.0
            sent = bytes(range(256)) * 8192  # more than the window
            threading.Thread(target=client.sendall, args=[sent], daemon=True).start()
            came = b""
            while len(came) < len(sent):
                came += client.recv(1 << 20)
            assert came == sent
