"""Downloads that break off half-way."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxi_assets.errors import UnreachableError
from taxi_assets_tests.integration.trips.conftest import MakeSource, failure, left_in, whole_file
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, Answer, Script, csv_gz, serving
from taxi_assets_tests.reliability import Report

BODY, OTHER = csv_gz(1), csv_gz(2)
WHEN = "Mon, 06 Jul 2020 10:00:00 GMT"


def broken_first(then: Script, **headers: str) -> Script:
    """The first GET breaks off half-way, the others get `then`."""
    return lambda answer: answer.broken(BODY, **headers) if answer.number == 1 else then(answer)


@pytest.mark.parametrize(("headers", "version"), [({"ETag": '"1"'}, '"1"'), ({"Last_Modified": WHEN}, WHEN)])
def test_reset_half_way_goes_on_from_there(
    source: MakeSource, report: Report, headers: dict[str, str], version: str
) -> None:
    with serving(broken_first(lambda answer: answer.ranged(BODY, **headers), **headers)) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == BODY
    assert raw.size == len(BODY)
    assert "Range" not in web.requests[0].headers
    assert web.requests[1].headers["Range"] == f"bytes={len(BODY) // 2}-"
    assert web.requests[1].headers["If-Range"] == version
    assert len(web.requests) == 2
    report.row("reset", "connection reset half-way", f"{whole_file(web)}, the second time for the rest of it")


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
def test_no_range_without_a_strong_version(source: MakeSource, headers: dict[str, str]) -> None:
    with serving(broken_first(lambda answer: answer.ranged(BODY, **headers), **headers)) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
    assert "Range" not in web.requests[1].headers


def test_server_error_in_between_keeps_what_came(source: MakeSource) -> None:
    def script(answer: Answer) -> None:
        steps = {1: lambda: answer.broken(BODY, ETag='"1"'), 2: lambda: answer.error(502)}
        steps.get(answer.number, lambda: answer.ranged(BODY, ETag='"1"'))()

    with serving(script) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
    assert web.requests[2].headers["Range"] == f"bytes={len(BODY) // 2}-"


def test_server_that_ignores_range(source: MakeSource, report: Report) -> None:
    with serving(broken_first(lambda answer: answer.whole(BODY, ETag='"1"'), ETag='"1"')) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert "Range" in web.requests[1].headers
    assert raw.path.read_bytes() == BODY
    assert raw.size == len(BODY)
    report.row("range", "connection reset half-way, and Range is ignored", whole_file(web))


def test_range_not_satisfiable_starts_again(source: MakeSource) -> None:
    def then(answer: Answer) -> None:
        if "Range" in answer.headers:
            answer.error(416)
        else:
            answer.whole(BODY, ETag='"1"')

    with serving(broken_first(then, ETag='"1"')) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
    assert len(web.requests) == 3


def test_file_changes_during_the_download(source: MakeSource, report: Report) -> None:
    with serving(broken_first(lambda answer: answer.ranged(OTHER, ETag='"2"'), ETag='"1"')) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == OTHER
    assert raw.etag == '"2"'
    assert len(web.requests) == 2
    report.row("changes", "file changes during the download", f"{whole_file(web)}: the new one")


@pytest.mark.parametrize("new_etag", [{"ETag": '"2"'}, {}])
def test_file_changes_and_the_server_ignores_if_range(source: MakeSource, new_etag: dict[str, str]) -> None:
    """Told by the ETag where there is one, else by the gzip checksum."""

    def then(answer: Answer) -> None:
        if "Range" in answer.headers:
            content_range = f"bytes {len(BODY) // 2}-{len(OTHER) - 1}/{len(OTHER)}"
            answer.whole(OTHER[len(BODY) // 2 :], 206, Content_Range=content_range, **new_etag)
        else:
            answer.whole(OTHER, ETag='"2"')

    assert len(BODY) == len(OTHER)
    with serving(broken_first(then, ETag='"1"')) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == OTHER
    assert len(web.requests) == 3


MEMBER, MEMBER_2 = csv_gz(3, 20_000), csv_gz(4, 20_000)


@pytest.mark.parametrize(
    ("first", "last", "total", "etag"),
    [(1, 3, 4, '"1"'), (2, 3, 4, '"1"'), (2, 4, 5, '"1"'), (2, 4, 4, '"2"')],
    ids=["other place", "too short", "other size", "other etag"],
)
def test_partial_answer_that_does_not_fit_starts_again(
    source: MakeSource, first: int, last: int, total: int, etag: str
) -> None:
    """Cut between gzip members, so that what is put together would pass as a gzip file. Places are in members."""
    body, size = MEMBER * 4, len(MEMBER)

    def script(answer: Answer) -> None:
        if answer.number == 1:
            answer.broken(body, ETag='"1"')
        elif "Range" in answer.headers:
            content_range = f"bytes {first * size}-{last * size - 1}/{total * size}"
            answer.whole(body[first * size : last * size], 206, Content_Range=content_range, ETag=etag)
        else:
            answer.whole(MEMBER_2, ETag='"2"')

    with serving(script) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == MEMBER_2
    assert [("Range" in request.headers) for request in web.requests] == [False, True, False]


def test_body_shorter_than_announced_is_tried_again(source: MakeSource, report: Report, folder: Path) -> None:
    def short(answer: Answer) -> None:
        answer.start(len(BODY))
        answer.wfile.write(BODY[:-1])
        answer.close_connection = True

    with serving(lambda answer: short(answer) if answer.number == 1 else answer.whole(BODY)) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == BODY
        assert len(web.requests) == 2
    report.row("short once", "body shorter than Content-Length once", whole_file(web))
    with serving(short) as web:
        source(web.url).discard(GREEN, APRIL)
        with pytest.raises(UnreachableError, match="after 3 tries") as error:
            source(web.url).fetch(GREEN, APRIL)
    assert left_in(folder) == []
    report.row("short", "body shorter than Content-Length each time", failure(web, error.value))


def test_body_without_length_that_ends_early_is_tried_again(source: MakeSource) -> None:
    def unannounced(answer: Answer) -> None:
        answer.start(None, Connection="close")
        answer.wfile.write(BODY[:-1] if answer.number == 1 else BODY)
        answer.close_connection = True

    with serving(unannounced) as web:
        raw = source(web.url).fetch(GREEN, APRIL)
    assert raw.path.read_bytes() == BODY
    assert len(web.requests) == 2
