from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_assets.trips.source import Source

MakeSource = Callable[..., Source]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the developer's must not see requests to loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the source under test keeps its files; not there at first."""
    return tmp_path / "data" / "raw"


@pytest.fixture
def source(folder: Path) -> MakeSource:
    """Makes a Source that hardly waits between tries."""

    def make(url: str, *, timeout: float = 5, attempts: int = 3, max_csv_bytes: int = 10_000_000) -> Source:
        return Source(url, folder, timeout=timeout, attempts=attempts, max_csv_bytes=max_csv_bytes, backoff=0.001)

    return make


def left_in(folder: Path) -> list[str]:
    """Names of the files in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
