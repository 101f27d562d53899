from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.trips.web import Web
from taxi_assets_tests.reliability import Report

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


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Takes results to docs/reliability.md, in the section of downloads, whichever module they come from."""
    return Report("downloads", write=request.config.getoption("--write-reliability"))


def whole_file(web: Web) -> str:
    """For the page: what it took to get the file."""
    return f"the whole file, asked for {len(web.gets)} times"


def failure(web: Web, error: Exception) -> str:
    """For the page: what was said, where the source's address is the reader's own."""
    return f"fails: {error}".replace(web.url, "…")


def left_in(folder: Path) -> list[str]:
    """Names of the files in a folder and below it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
