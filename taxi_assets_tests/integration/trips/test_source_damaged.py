"""Bodies that come whole and are not what they should be: an error in one line, and nothing kept."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from taxi_assets.errors import FileError
from taxi_assets_tests.integration.trips.conftest import MakeSource, failure, left_in
from taxi_assets_tests.integration.trips.web import APRIL, GREEN, NAME, csv_gz, serving
from taxi_assets_tests.reliability import Report

GOOD = csv_gz(size=50_000)
CSV = b"VendorID,lpep_pickup_datetime\n2,2020-04-01 00:44:02\n"
FLIPPED = GOOD[:30_000] + bytes([GOOD[30_000] ^ 1]) + GOOD[30_001:]
ZEROS = b"\0" * 20_000_000
BAD = {
    "html": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page (HTML), not gzip"),
    "plain csv": (CSV, "is not gzip, it starts with b'VendorID,lpep_pickup_dat'"),
    "zero bytes": (b"", "is empty (0 bytes)"),
    "half": (GOOD[: len(GOOD) // 2], "is cut short"),
    "no trailer": (GOOD[:-8], "is cut short"),
    "one byte": (GOOD[:1], "is cut short"),
    "short trailer": (GOOD[:-1], "is cut short"),
    "half a second member": (GOOD + GOOD[:100], "is cut short"),
    "flipped bit": (FLIPPED, "is damaged, zlib says"),
    "wrong checksum": (GOOD[:-8] + b"abcd" + GOOD[-4:], "is damaged, zlib says 'incorrect data check'"),
    "wrong length": (GOOD[:-4] + b"abcd", "is damaged, zlib says 'incorrect length check'"),
    "garbage behind": (GOOD + b"garbage", "is damaged, other bytes follow its gzip data"),
    "zeros behind": (GOOD + b"\0" * 10, "is damaged, other bytes follow its gzip data"),
    "bomb": (gzip.compress(ZEROS), "unpacks to more than 10,000,000 bytes: raise TAXI_MAX_CSV_MB"),
    "bomb of two": (gzip.compress(ZEROS[:6_000_000]) * 2, "unpacks to more than 10,000,000 bytes"),
    "bomb of nothing": (gzip.compress(b"") * 600_000, "unpacks to more than 10,000,000 bytes"),
}


ON_THE_PAGE = {"html": "a web page (HTML) with status 200", "bomb": "a zip bomb"}
"""What docs/reliability.md does not tell of as a broken file."""


@pytest.mark.parametrize("name", BAD)
def test_bad_body(name: str, source: MakeSource, folder: Path, report: Report) -> None:
    body, said = BAD[name]
    with serving(lambda answer: answer.whole(body)) as web:
        with pytest.raises(FileError, match=re.escape(said)) as error:
            source(web.url).fetch(GREEN, APRIL)
        assert len(web.requests) == 1
    assert str(error.value).startswith(f"{web.url}/{NAME} ")
    assert "\n" not in str(error.value)
    assert left_in(folder) == []
    if name in ON_THE_PAGE:
        report.row(name, ON_THE_PAGE[name], failure(web, error.value))


def test_bad_body_leaves_the_older_copy(source: MakeSource, folder: Path) -> None:
    with serving(lambda answer: answer.whole(GOOD, ETag='"1"')) as web:
        source(web.url).fetch(GREEN, APRIL)
        web.script = lambda answer: answer.whole(FLIPPED, ETag='"2"')
        with pytest.raises(FileError):
            source(web.url).fetch(GREEN, APRIL)
        web.script = lambda answer: answer.whole(GOOD, ETag='"1"')
        assert not source(web.url).fetch(GREEN, APRIL).fetched
    assert left_in(folder) == [NAME, f"{NAME}.json"]


@pytest.mark.parametrize(
    "body", [GOOD + GOOD, gzip.compress(CSV) * 3, gzip.compress(b"")], ids=["two", "three", "one, empty"]
)
def test_members_after_one_another_are_one_file(source: MakeSource, body: bytes) -> None:
    with serving(lambda answer: answer.whole(body)) as web:
        assert source(web.url).fetch(GREEN, APRIL).path.read_bytes() == body


def test_largest_allowed(source: MakeSource) -> None:
    with serving(lambda answer: answer.whole(gzip.compress(ZEROS))) as web:
        assert source(web.url, max_csv_bytes=len(ZEROS)).fetch(GREEN, APRIL).fetched
        with pytest.raises(FileError):
            source(web.url, max_csv_bytes=len(ZEROS) - 1).fetch(GREEN, APRIL)
