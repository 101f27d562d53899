"""Every odd or broken file that a source may publish, what must come of it, and what Kestra made of the same.

A case starts from a good yellow month of 10,000 rows; row 500 stands in line 501. The page docs/reliability.md is
written from the results of `test_bad_files.py` over these definitions.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taxi_assets_tests.integration.faults.months import APRIL, GREEN, YELLOW, csv_of, packed

ROWS = 10_000
GOOD = csv_of(YELLOW, APRIL, ROWS)
LINES = GOOD.splitlines()

LOADS = "loads"
Body = Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class BadFile:
    """One file. `says` is in the error's line; a file that loads has none, and says how many rows it has."""

    title: str
    make: Body
    says: str = LOADS
    rows: int = 0
    inserted: int = 0
    """Rows that are new to a trips table that holds the good month."""
    kestra: str = "not measured"
    on_empty: bool = False
    """Whether the database is empty before, instead of holding the good month."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def loads(self) -> bool:
        return self.says == LOADS


def lines(changed: list[bytes]) -> bytes:
    return packed(b"\n".join(changed) + b"\n")


def row_500(change: Callable[[list[bytes]], list[bytes]]) -> Body:
    def make() -> bytes:
        return lines([*LINES[:500], b",".join(change(LINES[500].split(b","))), *LINES[501:]])

    return make


def cell(column: str, value: bytes) -> Body:
    place = YELLOW.header.index(column)
    return row_500(lambda cells: [*cells[:place], value, *cells[place + 1 :]])


def header(change: Callable[[list[bytes]], list[bytes]]) -> Body:
    return lambda: lines([b",".join(change(LINES[0].split(b","))), *LINES[1:]])


def columns(change: Callable[[list[bytes]], list[bytes]]) -> Body:
    """A change to every line."""
    return lambda: lines([b",".join(change(line.split(b","))) for line in LINES])


def bomb() -> bytes:
    return gzip.compress(GOOD[: GOOD.index(b"\n") + 1] + b"0" * 3_000_000, mtime=0)


FAILED_BEFORE = "fails before the load; staging and trips stay"
EMPTIED = "fails; staging is left empty"
SILENT = "SUCCESS"

CASES: dict[str, BadFile] = {
    "missing_404_on_empty_db": BadFile(
        "no such month, nothing loaded before", lambda: None, "is not published", on_empty=True,
        kestra="fails: gzip: unexpected end of file",
    ),
    "good_baseline": BadFile("a good month", lambda: packed(GOOD), rows=ROWS, kestra=LOADS),
    "missing_404_after_good": BadFile(
        "no such month", lambda: None, "is not published", kestra="fails: gzip: unexpected end of file"
    ),
    "truncated_gz_half": BadFile(
        "half of the .gz", lambda: packed(GOOD)[: len(packed(GOOD)) // 2], "is cut short", kestra=FAILED_BEFORE
    ),
    "truncated_gz_trailer_only": BadFile(
        "the .gz without its trailer", lambda: packed(GOOD)[:-8], "is cut short", kestra=FAILED_BEFORE
    ),
    "not_gzip_plain_csv": BadFile("plain CSV named .gz", lambda: GOOD, "is not gzip", kestra=FAILED_BEFORE),
    "row500_missing_last_column": BadFile(
        "row 500 without its last cell",
        row_500(lambda cells: cells[:-1]),
        'yellow_tripdata_2019-04.csv.gz line 501: missing data for column "congestion_surcharge"',
        kestra=EMPTIED,
    ),
    "row500_extra_column": BadFile(
        "row 500 with a cell too many",
        row_500(lambda cells: [*cells, b"extra"]),
        "line 501: extra data after last expected column",
        kestra=EMPTIED,
    ),
    "row500_non_numeric_fare": BadFile(
        "row 500 with a fare of abc",
        cell("fare_amount", b"abc"),
        'line 501, column fare_amount: invalid input syntax for type double precision: "abc"',
        kestra=EMPTIED,
    ),
    "row500_passenger_count_1.0": BadFile(
        "row 500 with 1.0 passengers",
        cell("passenger_count", b"1.0"),
        'line 501, column passenger_count: invalid input syntax for type integer: "1.0"',
        kestra=EMPTIED,
    ),
    "row500_bad_timestamp": BadFile(
        "row 500 picked up in month 13",
        cell("tpep_pickup_datetime", b"2019-13-45 00:00:00"),
        'line 501, column tpep_pickup_datetime: date/time field value out of range: "2019-13-45 00:00:00"',
        kestra=EMPTIED,
    ),
    "row500_empty_fare": BadFile(
        "row 500 without a fare", cell("fare_amount", b""), rows=ROWS, inserted=1, kestra=LOADS
    ),
    "header_reordered": BadFile(
        "header reversed, rows as ever",
        header(lambda names: names[::-1]),
        "line 2, column",
        kestra="SUCCESS, header not read: rows in the wrong columns if the header is right",
    ),
    "no_header_line": BadFile(
        "no header line", lambda: lines(LINES[1:]), "line 1 is not the header but", kestra="SUCCESS, one row lost"
    ),
    "utf8_bom_header": BadFile(
        "a BOM before the header", lambda: packed(b"\xef\xbb\xbf" + GOOD), rows=ROWS, kestra=LOADS
    ),
    "blank_line_in_middle": BadFile(
        "a blank line in place of row 500",
        lambda: lines([*LINES[:500], b"", *LINES[501:]]),
        'line 501: missing data for column "tpep_pickup_datetime"',
        kestra=EMPTIED,
    ),
    "no_final_newline": BadFile(
        "499 rows, the last without a line end", lambda: packed(b"\n".join(LINES[:500])), rows=499, kestra=LOADS
    ),
    "extra_blank_line_at_end": BadFile(
        "a blank line at the end", lambda: packed(GOOD + b"\n"), rows=ROWS, kestra=EMPTIED
    ),
    "crlf_all": BadFile("CRLF on every line", lambda: packed(GOOD.replace(b"\n", b"\r\n")), rows=ROWS, kestra=LOADS),
    "crlf_but_last_lf": BadFile(
        "CRLF, the last line LF",
        lambda: packed(GOOD[:-1].replace(b"\n", b"\r\n") + b"\n"),
        rows=ROWS,
        kestra=EMPTIED,
    ),
    "empty_csv_in_gz": BadFile(
        "gzip of nothing", lambda: packed(b""), "is empty", kestra="SUCCESS with no rows; staging is left empty"
    ),
    "zero_byte_gz": BadFile("a file of 0 bytes", lambda: b"", "is empty (0 bytes)", kestra=FAILED_BEFORE),
    "header_only": BadFile(
        "a header and no rows",
        lambda: lines(LINES[:1]),
        "has a header and no rows",
        kestra="SUCCESS with no rows; staging is left empty",
    ),
    "duplicate_rows_already_present": BadFile(
        "three times a row that trips holds",
        lambda: lines([LINES[0], *[LINES[1]] * 3]),
        rows=3,
        kestra=LOADS,
    ),
    "duplicate_rows_on_empty_db": BadFile(
        "three times one row, nothing loaded before",
        lambda: lines([LINES[0], *[LINES[1]] * 3]),
        rows=3,
        inserted=3,
        on_empty=True,
        kestra=LOADS,
    ),
    "bad_row_on_empty_db": BadFile(
        "row 500 with a fare of abc, nothing loaded before",
        cell("fare_amount", b"abc"),
        'line 501, column fare_amount: invalid input syntax for type double precision: "abc"',
        on_empty=True,
        kestra=EMPTIED,
    ),
    "columns_reordered": BadFile(
        "all columns in reverse order", columns(lambda cells: cells[::-1]), rows=ROWS
    ),
    "column_missing": BadFile(
        "a file without its fourth column",
        columns(lambda cells: cells[:3] + cells[4:]),
        "line 1, header: missing passenger_count",
    ),
    "column_unknown": BadFile(
        "a file with a column more",
        lambda: lines([LINES[0] + b",airport_fee", *(line + b",0" for line in LINES[1:])]),
        "line 1, header: unknown airport_fee",
    ),
    "column_repeated": BadFile(
        "a column in place of another",
        header(lambda names: [*names[:-1], b"extra"]),
        "line 1, header: missing congestion_surcharge; repeated extra",
    ),
    "mixed_line_ends": BadFile(
        "LF and CRLF by turns",
        lambda: packed(b"".join(line + (b"\n", b"\r\n")[n % 2] for n, line in enumerate(LINES))),
        rows=ROWS,
    ),
    "mixed_blank_lines_at_end": BadFile(
        "blank lines at the end, LF and CRLF", lambda: packed(GOOD + b"\r\n\n\r\n\n"), rows=ROWS
    ),
    "carriage_returns_only": BadFile(
        "CR alone on every line", lambda: packed(GOOD.replace(b"\n", b"\r")), "line 1 is no CSV header"
    ),
    "two_gzip_members": BadFile(
        "two gzip members", lambda: packed(GOOD[:400_000]) + packed(GOOD[400_000:]), rows=ROWS
    ),
    "nul_byte": BadFile(
        "a NUL byte in row 500",
        cell("store_and_fwd_flag", b"N\0"),
        'line 501: invalid byte sequence for encoding "UTF8": 0x00',
    ),
    "latin_1": BadFile(
        "a Latin-1 letter in row 500",
        cell("store_and_fwd_flag", "é".encode("latin-1")),
        'line 501: invalid byte sequence for encoding "UTF8": 0xe9 0x2c',
    ),
    "quoted_newlines": BadFile(
        "line ends inside quotes in row 500",
        cell("store_and_fwd_flag", b'"Y\r\nN\n""N"""'),
        rows=ROWS,
    ),
    "open_quote": BadFile(
        "a quote that is never closed in row 500",
        cell("store_and_fwd_flag", b'"N'),
        "line 501: a quote opens here that is never closed",
    ),
    "end_of_data_mark": BadFile(
        r"a line \. in place of row 500",
        lambda: lines([*LINES[:500], b"\\.", *LINES[501:]]),
        'line 501: missing data for column "tpep_pickup_datetime"',
    ),
    "long_text": BadFile(
        "10 MB of text in row 500",
        cell("store_and_fwd_flag", b"N" * 10_000_000),
        rows=ROWS,
    ),
    "long_number": BadFile(
        "10 MB of digits as row 500's passengers",
        cell("passenger_count", b"1" * 10_000_000),
        'line 501, column passenger_count: value "1111111111',
    ),
    "line_end_in_number": BadFile(
        "a line end inside row 500's quoted fare",
        cell("fare_amount", b'"1\n2"'),
        'line 502, column fare_amount: invalid input syntax for type double precision: "1 2"',
    ),
    "other_taxi": BadFile(
        "a green file", lambda: packed(csv_of(GREEN, APRIL, ROWS)), "has the header of a green file"
    ),
    "other_month": BadFile(
        "the file of May",
        lambda: packed(csv_of(YELLOW, APRIL.next, ROWS)),
        "of its pickups lie outside 2019-04, so it looks like the file of another month",
    ),
    "other_month_allowed": BadFile(
        "the file of May, and TAXI_MAX_OUTSIDE_SHARE=1",
        lambda: packed(csv_of(YELLOW, APRIL.next, ROWS)),
        rows=ROWS,
        inserted=ROWS,
        settings={"max_outside_share": 1.0},
    ),
    "zip_bomb": BadFile(
        "unpacks to more than TAXI_MAX_CSV_MB", bomb, "unpacks to more than", settings={"max_csv_mb": 1}
    ),
}  # fmt: skip
