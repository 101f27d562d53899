"""Disks that are full, folders that refuse, and several processes that fetch one month."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from taxi_assets.errors import DiskError
from taxi_assets_tests.integration.trips.conftest import MakeSource, failure, left_in
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, NAME, Answer, csv_gz, serving
from taxi_assets_tests.reliability import Report

BODY = csv_gz(size=1_000_000)

FETCH = """
import sys
from pathlib import Path
from taxi_assets.errors import TaxiAssetsError
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import Source

source = Source(sys.argv[1], Path(sys.argv[2]), timeout=20, attempts=2, max_csv_bytes=10_000_000, backoff=0.001)
try:
    raw = source.fetch(DATASETS["green"], Month(2020, 4))
except TaxiAssetsError as error:
    print(type(error).__name__, error)
else:
    print(raw.fetched, raw.sha256)
"""


def fetch_apart(url: str, folder: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """Fetch in a process of its own, in which no file may grow past `limit` bytes."""

    def small_files() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=small_files,  # noqa: PLW1509 - the child's limit cannot be set from outside
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk, mount = tmp_path / "disk", shutil.which("mount")
    disk.mkdir()
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: S607


def test_full_disk(source: MakeSource, report: Report, folder: Path, small_disk: Path) -> None:
    folder.parent.mkdir()
    folder.symlink_to(small_disk)
    with serving(lambda answer: answer.whole(BODY)) as web:
        with pytest.raises(DiskError, match=r"^cannot write .*No space left on device: free space there") as error:
            source(web.url).fetch(GREEN, APRIL)
        assert len(web.requests) == 1
    assert "\n" not in str(error.value)
    assert left_in(small_disk) == []
    report.row("disk", "disk full while downloading", failure(web, error.value).replace(str(folder), "…"))


def test_file_too_large_for_the_process(folder: Path) -> None:
    with serving(lambda answer: answer.whole(BODY)) as web:
        said, _ = fetch_apart(web.url, folder, limit=300_000).communicate(timeout=20)
    assert said.startswith(f"DiskError cannot write {folder / NAME}: File too large: free space")
    assert said.count("\n") == 1
    assert left_in(folder) == []


def test_folder_that_cannot_be_made(source: MakeSource, folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file")
    with serving(lambda answer: answer.whole(BODY)) as web, pytest.raises(DiskError, match="set TAXI_DATA_DIR"):
        source(web.url).fetch(GREEN, APRIL)


def test_four_processes_download_once(folder: Path) -> None:
    """All four are there before the first byte is given: the first HEAD or GET waits for none, so the body does."""
    started = threading.Event()

    def script(answer: Answer) -> None:
        if answer.command == "GET":
            started.wait(10)
        answer.whole(BODY, ETag='"1"')

    with serving(script) as web:
        processes = [fetch_apart(web.url, folder) for _ in range(4)]
        threading.Timer(1.0, started.set).start()
        said = sorted(process.communicate(timeout=30)[0].split()[0] for process in processes)
    assert said == ["False", "False", "False", "True"]
    assert len(web.gets) == 1
    assert (folder / NAME).read_bytes() == BODY
    assert left_in(folder) == [NAME, f"{NAME}.json"]


def test_threads_that_fetch_and_discard(source: MakeSource, folder: Path) -> None:
    faults: list[BaseException] = []

    def work(url: str) -> None:
        try:
            for _ in range(8):
                assert source(url).fetch(GREEN, APRIL).size == len(BODY)
                source(url).discard(GREEN, APRIL)
        except BaseException as error:
            faults.append(error)

    with serving(lambda answer: answer.whole(BODY, ETag='"1"')) as web:
        threads = [threading.Thread(target=work, args=(web.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert faults == []
    assert left_in(folder) == []


def test_killed_process_leaves_no_lock(source: MakeSource, folder: Path) -> None:
    reached, go = threading.Event(), threading.Event()

    def script(answer: Answer) -> None:
        answer.start(len(BODY))
        if answer.number == 1:
            answer.wfile.write(BODY[:500_000])
            reached.set()
            go.wait(20)
        else:
            answer.wfile.write(BODY)

    with serving(script) as web:
        process = fetch_apart(web.url, folder)
        assert reached.wait(20)
        process.kill()
        process.communicate()
        go.set()
        assert (folder / f"{NAME}.part").exists()
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
    assert left_in(folder) == [NAME, f"{NAME}.json"]


def test_progress_that_raises_leaves_nothing(source: MakeSource, folder: Path) -> None:
    def stop(_done: int, _total: int | None) -> None:
        raise KeyboardInterrupt

    with serving(lambda answer: answer.whole(BODY)) as web, pytest.raises(KeyboardInterrupt):
        source(web.url).fetch(GREEN, APRIL, stop)
    assert left_in(folder) == []
