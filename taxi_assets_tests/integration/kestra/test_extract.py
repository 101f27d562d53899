"""The flow's shell commands, run as Kestra's script plugin runs them: one /bin/sh that stops at the first failure."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.kestra import pebble, postgres_flows
from taxi_assets.kestra.file_server import serving
from taxi_assets.kestra.target import Target
from taxi_assets.settings import Settings

pytestmark = pytest.mark.skipif(not shutil.which("wget"), reason="wget is not installed: Kestra's image has it")

CSV = "green_tripdata_2020-04.csv"


def extract(source: str, folder: Path) -> subprocess.CompletedProcess[str]:
    flow: Any = postgres_flows.manual(Settings(), Target(source=source))
    context = {"inputs": {"taxi": "green", "year": "2020", "month": "04"}, "vars": flow["variables"]}
    (task,) = (task for task in flow["tasks"] if task["id"] == "extract")
    script = "\n".join(["set -e", *(pebble.render(command, context) for command in task["commands"])])
    return subprocess.run(["/bin/sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror" / "green").mkdir(parents=True)
    return tmp_path / "mirror"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_a_month_is_downloaded_and_unpacked(mirror: Path, work: Path) -> None:
    (mirror / "green" / f"{CSV}.gz").write_bytes(gzip.compress(b"VendorID\r\n1\r\n"))
    with serving(mirror) as url:
        assert extract(url, work).returncode == 0
    assert [path.name for path in work.iterdir()] == [CSV]
    assert (work / CSV).read_bytes() == b"VendorID\r\n1\r\n"


def test_a_missing_month_says_so(mirror: Path, work: Path) -> None:
    with serving(mirror) as url:
        done = extract(url, work)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"cannot download {CSV}.gz from {url}/green"
    assert not (work / CSV).exists()


@pytest.mark.parametrize(
    "content", [b"VendorID\n1\n", b"", gzip.compress(b"VendorID\n" * 1000)[:-4]], ids=["no gzip", "empty", "cut off"]
)
def test_a_damaged_month_fails_and_leaves_no_csv(mirror: Path, work: Path, content: bytes) -> None:
    (mirror / "green" / f"{CSV}.gz").write_bytes(content)
    with serving(mirror) as url:
        assert extract(url, work).returncode == 1
    assert not (work / CSV).exists()
