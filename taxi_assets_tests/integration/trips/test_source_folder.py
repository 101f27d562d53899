"""file:// sources."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from taxi_assets.errors import FileError, NotPublishedError, SettingsError, SourceError, UnreachableError
from taxi_assets.trips.source import Source
from taxi_assets_tests.integration.trips.conftest import MakeSource, left_in
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, NAME, csv_gz

OLD, NEW = csv_gz(1, 50_000), csv_gz(2, 50_000)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder in the mirror's layout that holds green's April; its name needs escaping in a URL."""
    mirror = tmp_path / "my 100% #1 mirror?ü"
    (mirror / "green").mkdir(parents=True)
    (mirror / NAME).write_bytes(OLD)
    return mirror


def file_url(folder: Path) -> str:
    return f"file://{quote(str(folder))}"


def test_file_is_copied(source: MakeSource, folder: Path, mirror: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    raw = source(file_url(mirror)).fetch(GREEN, APRIL, lambda done, total: seen.append((done, total)))
    assert raw.path == folder / NAME
    assert raw.path.read_bytes() == OLD
    assert (raw.url, raw.size, raw.etag, raw.fetched) == (f"{file_url(mirror)}/{NAME}", len(OLD), None, True)
    assert seen == [(len(OLD), len(OLD))]
    assert left_in(folder) == [NAME, f"{NAME}.json"]
    assert (mirror / NAME).read_bytes() == OLD


def test_localhost_and_name_of_other_bytes(source: MakeSource, tmp_path: Path) -> None:
    mirror = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    (mirror / "green").mkdir(parents=True)
    (mirror / NAME).write_bytes(OLD)
    assert source(f"file://localhost{tmp_path}/%FF").fetch(GREEN, APRIL).fetched


def test_unchanged_file_is_not_copied_again(source: MakeSource, mirror: Path) -> None:
    source(file_url(mirror)).fetch(GREEN, APRIL)
    assert not source(file_url(mirror)).fetch(GREEN, APRIL).fetched


def test_changed_file_is_copied_again(source: MakeSource, mirror: Path) -> None:
    source(file_url(mirror)).fetch(GREEN, APRIL)
    before = (mirror / NAME).stat()
    (mirror / NAME).write_bytes(NEW)
    os.utime(mirror / NAME, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert source(file_url(mirror)).fetch(GREEN, APRIL).path.read_bytes() == NEW


def test_missing_month(source: MakeSource, folder: Path, mirror: Path) -> None:
    (mirror / NAME).unlink()
    with pytest.raises(NotPublishedError, match="choose another month"):
        source(file_url(mirror)).fetch(GREEN, APRIL)
    assert source(file_url(mirror)).probe(GREEN, APRIL) is None
    (mirror / "green").rmdir()
    assert source(file_url(mirror)).probe(GREEN, APRIL) is None
    assert left_in(folder) == []


def test_missing_folder(source: MakeSource, tmp_path: Path) -> None:
    nowhere = source(file_url(tmp_path / "nowhere"))
    for ask in (nowhere.check, lambda: nowhere.probe(GREEN, APRIL), lambda: nowhere.fetch(GREEN, APRIL)):
        with pytest.raises(UnreachableError, match=r"^there is no folder .*nowhere: check TAXI_SOURCE_URL"):
            ask()


def test_missing_folder_uses_the_copy(source: MakeSource, mirror: Path) -> None:
    source(file_url(mirror)).fetch(GREEN, APRIL)
    mirror.rename(mirror.with_name("elsewhere"))
    raw = source(file_url(mirror)).fetch(GREEN, APRIL)
    assert not raw.fetched
    assert raw.note is not None
    assert "there is no folder" in raw.note


def test_check_and_probe(source: MakeSource, mirror: Path) -> None:
    source(file_url(mirror)).check()
    published = source(file_url(mirror)).probe(GREEN, APRIL)
    assert published is not None
    assert (published.size, published.etag) == (len(OLD), None)


def test_damaged_file_is_not_kept(source: MakeSource, folder: Path, mirror: Path) -> None:
    (mirror / NAME).write_bytes(OLD[:-8])
    with pytest.raises(FileError, match="is cut short"):
        source(file_url(mirror)).fetch(GREEN, APRIL)
    assert left_in(folder) == []


def test_zero_bytes(source: MakeSource, mirror: Path) -> None:
    (mirror / NAME).write_bytes(b"")
    with pytest.raises(FileError, match="is empty"):
        source(file_url(mirror)).fetch(GREEN, APRIL)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_not_a_file(source: MakeSource, mirror: Path, kind: str) -> None:
    (mirror / NAME).unlink()
    if kind == "folder":
        (mirror / NAME).mkdir()
    else:
        os.mkfifo(mirror / NAME)
    with pytest.raises(SourceError, match="is not a file"):
        source(file_url(mirror)).fetch(GREEN, APRIL)


def test_file_that_grows_while_it_is_copied(source: MakeSource, folder: Path, mirror: Path) -> None:
    """Somebody else's download into the mirror that is not finished, and whole members so far."""

    def grow(_done: int, _total: int | None) -> None:
        if (mirror / NAME).stat().st_size == len(OLD):
            with (mirror / NAME).open("ab") as file:
                file.write(gzip.compress(b"more"))

    with pytest.raises(SourceError, match="changed while it was copied"):
        source(file_url(mirror)).fetch(GREEN, APRIL, grow)
    assert left_in(folder) == []


def test_unreadable_file(source: MakeSource, mirror: Path) -> None:
    (mirror / NAME).chmod(0)
    if os.access(mirror / NAME, os.R_OK):
        pytest.skip("this user (root) may read every file")
    with pytest.raises(SourceError, match=r"^cannot read .*: Permission denied: check"):
        source(file_url(mirror)).fetch(GREEN, APRIL)


def test_the_folder_of_downloads_is_no_source(folder: Path) -> None:
    """Else discarding a download would delete the source."""
    with pytest.raises(SettingsError, match="where downloads are kept"):
        Source(file_url(folder) + "/../raw/", folder, timeout=1, attempts=1, max_csv_bytes=1)
