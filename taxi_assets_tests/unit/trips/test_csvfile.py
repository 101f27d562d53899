from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_assets.errors import FileError
from taxi_assets.trips.csvfile import Chunk, TripCsv
from taxi_assets.trips.datasets import DATASETS

YELLOW = DATASETS["yellow"]
HEADER = ",".join(YELLOW.header).encode()
ROW = b"1,2019-04-25 19:52:31,2019-04-25 20:06:01,1,3.3,1,N,164,263,2,12.5,1.0,0.5,0.0,0.0,0.3,16.8,2.5"


def read(folder: Path, content: bytes, max_bytes: int = 10**9) -> list[Chunk]:
    path = folder / "yellow_tripdata_2019-04.csv.gz"
    path.write_bytes(gzip.compress(content))
    return list(TripCsv(path, YELLOW, max_bytes=max_bytes).chunks())


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"\n" + ROW + b"\n" + ROW + b"\n",
        HEADER + b"\r\n" + ROW + b"\r\n" + ROW + b"\r\n",
        HEADER + b"\n" + ROW + b"\r\n" + ROW + b"\n",
        HEADER + b"\n" + ROW + b"\n" + ROW,
        HEADER + b"\n" + ROW + b"\r\n" + ROW + b"\r\n\r\n\n",
        b"\xef\xbb\xbf" + HEADER + b"\n" + ROW + b"\n" + ROW + b"\n",
        b'"' + HEADER.replace(b",", b'","') + b'"\n' + ROW + b"\n" + ROW + b"\n",
    ],
    ids=["LF", "CRLF", "mixed", "no end", "blank end", "BOM", "quoted header"],
)
def test_line_ends_and_marks_do_not_matter(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == [Chunk(ROW + b"\n" + ROW + b"\n", line=2, lines=2, records=2)]


def test_quoted_text_is_left_as_it_is(tmp_path: Path) -> None:
    odd = ROW.replace(b"N", b'"a\r\nb\n""c"')
    (chunk,) = read(tmp_path, HEADER + b"\r\n" + odd + b"\r\n" + ROW)
    assert chunk == Chunk(odd + b"\n" + ROW + b"\n", line=2, lines=4, records=2)


def test_large_file_is_cut_between_records(tmp_path: Path) -> None:
    odd = ROW.replace(b"N", b'"one\ntwo"')
    chunks = read(tmp_path, HEADER + b"\n" + (odd + b"\n") * 60_000)
    assert len(chunks) > 2
    assert b"".join(chunk.data for chunk in chunks) == (odd + b"\n") * 60_000
    assert [chunk.line for chunk in chunks] == [
        2 + sum(c.data.count(b"\n") for c in chunks[:n]) for n in range(len(chunks))
    ]
    assert sum(chunk.records for chunk in chunks) == 60_000


def test_columns_in_another_order(tmp_path: Path) -> None:
    names = list(reversed(YELLOW.header))
    path = tmp_path / "file.csv.gz"
    path.write_bytes(gzip.compress(",".join(names).encode() + b"\n" + ROW))
    assert [column.name for column in TripCsv(path, YELLOW, max_bytes=10**6).columns] == names


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n" + ROW, "is empty"),
        (HEADER, "has a header and no rows"),
        (HEADER + b"\r\n\r\n", "has a header and no rows"),
        (ROW + b"\n" + ROW, "line 1 is not the header but '1,2019-04-25"),
        (HEADER.replace(b",extra", b"") + b"\n" + ROW, "missing extra"),
        (HEADER + b",airport_fee\n" + ROW, "unknown airport_fee"),
        (HEADER + b",extra\n" + ROW, "repeated extra"),
        (",".join(DATASETS["green"].header).encode() + b"\n" + ROW, "has the header of a green file"),
        (b"\xff\xfe\x00" + HEADER, "is no CSV header"),
    ],
)
def test_what_is_no_trip_file_is_told_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(FileError, match=said) as error:
        read(tmp_path, content)
    assert "\n" not in str(error.value)
    assert "yellow_tripdata_2019-04.csv.gz" in str(error.value)


def test_file_larger_than_the_setting(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"unpacks to more than 1 MB.*TAXI_MAX_CSV_MB"):
        read(tmp_path, HEADER + b"\n" + (ROW + b"\n") * 20_000, max_bytes=10**6)


def test_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "file.csv.gz"
    path.write_bytes(gzip.compress(HEADER + b"\n" + ROW)[:-9])
    with pytest.raises(FileError, match="cut short"):
        list(TripCsv(path, YELLOW, max_bytes=10**6).chunks())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.booleans()), min_size=1))
def test_any_text_comes_through(tmp_path_factory: pytest.TempPathFactory, flags: list[tuple[str, bool]]) -> None:
    rows = [ROW.replace(b"N", b'"' + text.replace('"', '""').encode() + b'"') for text, _ in flags]
    ends = [b"\r\n" if crlf else b"\n" for _, crlf in flags]
    content = HEADER + b"\n" + b"".join(row + end for row, end in zip(rows, ends, strict=True))
    chunks = read(tmp_path_factory.mktemp("csv"), content)
    assert b"".join(chunk.data for chunk in chunks) == b"".join(row + b"\n" for row in rows)
    assert sum(chunk.records for chunk in chunks) == len(rows)
