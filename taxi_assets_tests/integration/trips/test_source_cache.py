"""When a copy on the disk is used again, and when it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from taxi_assets.errors import NotPublishedError, SourceError, UnreachableError
from taxi_assets_tests.integration.trips.conftest import MakeSource, left_in
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, NAME, Answer, Script, csv_gz, serving

OLD, NEW = csv_gz(1, 50_000), csv_gz(2, 50_000)
WHEN, LATER = "Mon, 06 Jul 2020 10:00:00 GMT", "Tue, 07 Jul 2020 10:00:00 GMT"


def giving(body: bytes, **headers: str) -> Script:
    return lambda answer: answer.whole(body, **headers)


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"ETag": 'W/"1"'}, {"Last_Modified": WHEN}])
def test_unchanged_copy_is_used_again(source: MakeSource, headers: dict[str, str]) -> None:
    with serving(giving(OLD, **headers)) as web:
        first = source(web.url).fetch(GREEN, APRIL)
        second = source(web.url).fetch(GREEN, APRIL)
    assert (first.fetched, second.fetched, second.note) == (True, False, None)
    assert (second.sha256, second.size, second.etag) == (first.sha256, first.size, first.etag)
    assert second.last_modified == first.last_modified
    assert len(web.gets) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"ETag": '"1"', "Last_Modified": WHEN}, {"ETag": '"2"', "Last_Modified": WHEN}),
        ({"Last_Modified": WHEN}, {"Last_Modified": LATER}),
        ({}, {}),
    ],
    ids=["etag", "time", "nothing to tell by"],
)
def test_changed_source_is_downloaded_again(source: MakeSource, old: dict[str, str], new: dict[str, str]) -> None:
    with serving(giving(OLD, **old)) as web:
        source(web.url).fetch(GREEN, APRIL)
        web.script = giving(NEW, **new)
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.fetched
    assert raw.path.read_bytes() == NEW


def test_same_time_other_size_is_downloaded_again(source: MakeSource) -> None:
    longer = csv_gz(1, 60_000)
    with serving(giving(OLD, Last_Modified=WHEN)) as web:
        source(web.url).fetch(GREEN, APRIL)
        web.script = giving(longer, Last_Modified=WHEN)
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == longer


@pytest.mark.parametrize("damage", ["file", "same size", "record", "no record", "no file"])
def test_damaged_copy_is_downloaded_again(source: MakeSource, folder: Path, damage: str) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        path = source(web.url).fetch(GREEN, APRIL).path
        record = folder / f"{NAME}.json"
        changes: dict[str, Callable[[], object]] = {
            "file": lambda: path.write_bytes(OLD[:-1]),
            "same size": lambda: path.write_bytes(OLD[:-1] + b"x"),
            "record": lambda: record.write_text("{"),
            "no record": record.unlink,
            "no file": path.unlink,
        }
        changes[damage]()
        raw = source(web.url).fetch(GREEN, APRIL)
        assert raw.fetched
        assert raw.path.read_bytes() == OLD
        assert not source(web.url).fetch(GREEN, APRIL).fetched


def test_source_down_uses_the_copy_and_says_so(source: MakeSource) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        source(web.url).fetch(GREEN, APRIL)
    raw = source(web.url).fetch(GREEN, APRIL)
    assert not raw.fetched
    assert raw.path.read_bytes() == OLD
    assert raw.note is not None
    assert "refused, after 3 tries" in raw.note
    assert raw.note.endswith("using the copy downloaded before")


def test_source_with_errors_uses_the_copy_and_says_so(source: MakeSource) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        source(web.url).fetch(GREEN, APRIL)
        web.script = lambda answer: answer.error(503)
        raw = source(web.url).fetch(GREEN, APRIL)
    assert not raw.fetched
    assert raw.note is not None
    assert "503" in raw.note


def test_source_down_and_copy_damaged(source: MakeSource) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        path = source(web.url).fetch(GREEN, APRIL).path
    path.write_bytes(OLD[:-1] + b"x")
    with pytest.raises(UnreachableError):
        source(web.url).fetch(GREEN, APRIL)


def test_known_change_that_cannot_be_downloaded_is_an_error(source: MakeSource) -> None:
    """The old copy is known to be old then: loading it would be wrong without a word."""

    def script(answer: Answer) -> None:
        if answer.command == "HEAD":
            answer.whole(NEW, ETag='"2"')
        else:
            answer.error(500)

    with serving(giving(OLD, ETag='"1"')) as web:
        path = source(web.url).fetch(GREEN, APRIL).path
        web.script = script
        with pytest.raises(UnreachableError):
            source(web.url).fetch(GREEN, APRIL)
    assert path.read_bytes() == OLD


@pytest.mark.parametrize(("status", "kind"), [(404, NotPublishedError), (403, SourceError)])
def test_withdrawn_or_refused_is_an_error_despite_the_copy(
    source: MakeSource, status: int, kind: type[SourceError]
) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        source(web.url).fetch(GREEN, APRIL)
        web.script = lambda answer: answer.error(status)
        with pytest.raises(kind):
            source(web.url).fetch(GREEN, APRIL)


def test_other_source_is_downloaded(source: MakeSource) -> None:
    with serving(giving(OLD, ETag='"1"')) as one, serving(giving(NEW, ETag='"1"')) as two:
        source(one.url).fetch(GREEN, APRIL)
        raw = source(two.url).fetch(GREEN, APRIL)
    assert raw.fetched
    assert raw.path.read_bytes() == NEW
    assert raw.url.startswith(two.url)


def test_discard(source: MakeSource, folder: Path) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        source(web.url).discard(GREEN, APRIL)
        assert not folder.exists()
        source(web.url).fetch(GREEN, APRIL)
        source(web.url).discard(GREEN, APRIL)
        assert left_in(folder) == []
        assert source(web.url).fetch(GREEN, APRIL).fetched


@pytest.mark.parametrize("copy", ["without a copy", "with a copy"])
def test_leftovers_of_a_killed_process_are_removed(source: MakeSource, folder: Path, copy: str) -> None:
    with serving(giving(OLD, ETag='"1"')) as web:
        if copy == "with a copy":
            source(web.url).fetch(GREEN, APRIL)
        (folder / "green").mkdir(parents=True, exist_ok=True)
        for suffix in (".part", ".json.part", ".lock"):
            (folder / f"{NAME}{suffix}").write_bytes(b"left")
        source(web.url).fetch(GREEN, APRIL)
        assert len(web.gets) == 1
    assert left_in(folder) == [NAME, f"{NAME}.json"]
