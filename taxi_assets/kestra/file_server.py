"""Serves a folder's trip files over HTTP for as long as Kestra needs them: its flows download, they read no folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from taxi_assets.errors import SettingsError


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve the `.csv.gz` files below `folder` and nothing else, and give the URL. Port 0 takes any free one."""
    try:
        server = ThreadingHTTPServer((host, port), partial(_TripFiles, directory=str(folder)))
    except OSError as error:
        raise SettingsError(f"cannot serve {folder} at {host}:{port}: {error}; choose another --files-bind") from None
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _TripFiles(SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        path = Path(self.translate_path(self.path))
        if not path.name.endswith(".csv.gz") or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as http.server names it
        """Requests are Kestra's business: its own log tells what failed."""
