from __future__ import annotations

import gzip
import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_assets.errors import FileError
from taxi_assets.trips.gzip_check import GzipCheck

FILE = gzip.compress(b"one\n", mtime=0) + gzip.compress(b"two\n" * 30, mtime=0)


def check(data: bytes, cuts: list[int]) -> None:
    gzip_check = GzipCheck("file.csv.gz", 1000)
    for start, end in itertools.pairwise([0, *sorted(cuts), len(data)]):
        gzip_check.feed(data[start:end])
    gzip_check.finish()


@given(st.lists(st.integers(0, len(FILE)), max_size=20))
def test_portions_do_not_matter(cuts: list[int]) -> None:
    check(FILE, cuts)
    with pytest.raises(FileError):
        check(FILE + b"x", cuts)


@given(st.integers(0, len(FILE) - 1), st.lists(st.integers(0, len(FILE)), max_size=5))
def test_every_shorter_file_is_cut_short(length: int, cuts: list[int]) -> None:
    if length == len(gzip.compress(b"one\n", mtime=0)):
        check(FILE[:length], [cut for cut in cuts if cut <= length])
        return
    with pytest.raises(FileError, match=r"cut short|empty"):
        check(FILE[:length], [cut for cut in cuts if cut <= length])


def test_html_in_single_bytes() -> None:
    page = b"  <html><body>" + b"x" * 100
    with pytest.raises(FileError, match=r"a web page \(HTML\)"):
        check(page, list(range(len(page))))


def test_bomb_takes_little_memory() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match="unpacks to more than"):
            GzipCheck("file.csv.gz", 49_999_999).feed(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
