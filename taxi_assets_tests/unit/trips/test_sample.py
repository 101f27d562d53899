from __future__ import annotations

import csv
import gzip
import hashlib
import os
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from taxi_assets.errors import SettingsError
from taxi_assets.trips.datasets import DATASETS, dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import HARD, PUBLISHED, Quirks, csv_chunks, write_mirror, write_month

SHARED_TRIPS = Path(os.environ.get("TAXI_SHARED_DIR") or Path(__file__).parents[4] / "shared") / "data" / "trips"
MANY = 50_000
FEW = 5_000
Row = dict[str, str]

both_taxis = pytest.mark.parametrize("taxi", DATASETS)


def content(taxi: str, month: str, rows: int, quirks: Quirks = PUBLISHED, seed: int = 0) -> bytes:
    return b"".join(csv_chunks(dataset(taxi), Month.parse(month), rows, seed=seed, quirks=quirks))


def parsed(text: bytes) -> list[Row]:
    header, *lines = csv.reader(text.decode().splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


@cache
def trips(taxi: str, month: str = "2020-04", rows: int = MANY, quirks: Quirks = PUBLISHED) -> list[Row]:
    return parsed(content(taxi, month, rows, quirks))


def pickup(row: Row) -> str:
    return row.get("tpep_pickup_datetime") or row.get("lpep_pickup_datetime") or ""


def dropoff(row: Row) -> str:
    return row.get("tpep_dropoff_datetime") or row.get("lpep_dropoff_datetime") or ""


def postgres_id(taxi: str, row: Row) -> tuple[str, ...]:
    return tuple(row[column.name] for column in dataset(taxi).postgres_id_columns)


def bigquery_id(taxi: str, row: Row) -> tuple[str, ...]:
    return tuple(row[column.name] for column in dataset(taxi).bigquery_id_columns)


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


# The content is a promise: benchmarks and bug reports name a month, a number of rows and a seed.
@pytest.mark.parametrize(
    ("taxi", "quirks", "sha256"),
    [
        ("yellow", PUBLISHED, "057a4a88bbd55436b60b66d795060220c4e3f10d8d63ada86f21f6d803d7ac18"),
        ("green", PUBLISHED, "66054edb8928393c69fc73a8398ab8397b649ac1adc2671de5bcc641d6ce81ce"),
        ("yellow", HARD, "e72b72f4890adb519da89b475624ea8fd5d0eddaf8a018c83bad30097b46520d"),
        ("green", HARD, "b745d60fb16dc035fa78aa62c74a9a0332c4a2ab42c568b677a6a71e286559e6"),
    ],
)
def test_content_is_the_same_everywhere(taxi: str, quirks: Quirks, sha256: str) -> None:
    assert hashlib.sha256(content(taxi, "2020-04", 1000, quirks)).hexdigest() == sha256


def test_packed_file_says_nothing_about_where_and_when_it_was_written(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        write_month(dataset("green"), Month(2020, 4), tmp_path / name, 100)
    packed = (tmp_path / "a.csv.gz").read_bytes()
    assert packed == (tmp_path / "b.csv.gz").read_bytes()
    assert packed[3:8] == bytes(5), "flags and time in the gzip header"
    assert gzip.decompress(packed) == content("green", "2020-04", 100)


@both_taxis
def test_months_and_seeds_differ(taxi: str) -> None:
    files = [content(taxi, "2020-04", 100), content(taxi, "2020-05", 100), content(taxi, "2020-04", 100, seed=1)]
    ids = [{postgres_id(taxi, row) for row in parsed(file)} for file in files]
    assert not ids[0] & ids[1]
    assert not ids[0] & ids[2]


def test_chunks_do_not_show_in_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = content("green", "2020-04", 1000, HARD)
    monkeypatch.setattr("taxi_assets.trips.sample._CHUNK", 77)
    assert content("green", "2020-04", 1000, HARD) == whole


@both_taxis
@pytest.mark.parametrize("quirks", [PUBLISHED, HARD], ids=["published", "hard"])
@pytest.mark.parametrize("rows", [0, 1, 2, 777])
def test_file_has_the_header_and_exactly_the_rows_asked_for(taxi: str, quirks: Quirks, rows: int) -> None:
    ending = quirks.line_ending or {"yellow": "\n", "green": "\r\n"}[taxi]
    header, *lines, rest = content(taxi, "2020-04", rows, quirks).decode().split(ending)
    assert tuple(header.split(",")) == dataset(taxi).header
    assert [len(line.split(",")) for line in lines] == [len(dataset(taxi).header)] * rows
    assert rest == ""


@pytest.mark.parametrize(("taxi", "endings"), [("yellow", (0, 11)), ("green", (11, 0))])
def test_lines_end_as_published(taxi: str, endings: tuple[int, int]) -> None:
    text = content(taxi, "2020-04", 10)
    crlf = text.count(b"\r\n")
    assert (crlf, text.count(b"\n") - crlf) == endings


@both_taxis
@pytest.mark.parametrize("quirks", [PUBLISHED, HARD], ids=["published", "hard"])
def test_every_cell_fits_its_column(taxi: str, quirks: Quirks) -> None:
    forms = {
        "integer": r"\d+|",
        "double precision": r"-?(\d+|\d*\.\d{1,2})|",
        "timestamp without time zone": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|",
        "text": r"\d{1,3}|[NY]|",
    }
    for column in dataset(taxi).columns:
        cells = {row[column.name] for row in trips(taxi, rows=FEW, quirks=quirks)}
        assert [cell for cell in cells if not re.fullmatch(forms[column.postgres], cell)] == []


@both_taxis
def test_published_rows_are_unique(taxi: str) -> None:
    assert len({postgres_id(taxi, row) for row in trips(taxi)}) == MANY


@both_taxis
def test_published_pickups_stray(taxi: str) -> None:
    strays = Counter(pickup(row)[:7] for row in trips(taxi, rows=FEW, quirks=Quirks(strays=0.01)))
    assert set(strays) == {"2008-12", "2009-01", "2041-08", "2020-03", "2020-04", "2020-05"}
    assert 0 < share([pickup(row)[:7] != "2020-04" for row in trips(taxi)]) < 0.001


@both_taxis
def test_published_rows_are_roughly_and_not_fully_in_order(taxi: str) -> None:
    pickups = [pickup(row) for row in trips(taxi, "2019-03", FEW) if pickup(row).startswith("2019-03")]
    assert pickups != sorted(pickups)
    assert [at[:13] for at in pickups] == sorted(at[:13] for at in pickups)


@both_taxis
def test_some_dropoffs_precede_pickups(taxi: str) -> None:
    assert 0 < share([dropoff(row) < pickup(row) for row in trips(taxi)]) < 0.001


@both_taxis
@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("RatecodeID", {"1", "99"}),
        ("PULocationID", {"264", "265"}),
        ("DOLocationID", {"264", "265"}),
        ("fare_amount", {"5", "5.5", "-5"}),
        ("tolls_amount", {"0", "6.12"}),
        ("store_and_fwd_flag", {"N", "Y"}),
    ],
)
def test_published_cells_are_met(taxi: str, column: str, cells: set[str]) -> None:
    assert cells <= {row[column] for row in trips(taxi)}


@both_taxis
@pytest.mark.parametrize("form", [r"\.79", r"1\.00", r"\.00", r"\d{2}\.\d\d", r"\d{6}\.\d\d"])
def test_distances_are_written_as_published(taxi: str, form: str) -> None:
    assert any(re.fullmatch(form, row["trip_distance"]) for row in trips(taxi))


def test_green_block_without_vendor_is_contiguous_and_leaves_out_the_same_cells() -> None:
    rows = trips("green")
    block = [row for row in rows if row["VendorID"] == ""]
    assert 0.31 <= len(block) / len(rows) <= 0.48
    assert rows[-len(block) :] == block
    left_out = {"VendorID", "store_and_fwd_flag", "RatecodeID", "passenger_count", "payment_type"}
    left_out |= {"trip_type", "congestion_surcharge", "ehail_fee"}
    assert all({name for name, cell in row.items() if cell == ""} == left_out for row in block)


@pytest.mark.parametrize(("taxi", "first"), [("yellow", "2019-07"), ("green", "2020-04")])
def test_months_before_the_block_have_every_vendor(taxi: str, first: str) -> None:
    year, month = Month.parse(first)
    assert all(row["VendorID"] for row in trips(taxi, str(Month(year, month - 1)), FEW))
    assert not all(row["VendorID"] for row in trips(taxi, first, FEW))


def test_green_ehail_fee_is_never_and_trip_type_sometimes_empty() -> None:
    assert {row["ehail_fee"] for row in trips("green")} == {""}
    assert {row["trip_type"] for row in trips("green") if row["VendorID"]} == {"1", "2", ""}


@both_taxis
def test_money_adds_up(taxi: str) -> None:
    parts = ("fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge")
    for row in trips(taxi, rows=FEW):
        total = sum(float(row[part]) for part in parts) + float(row["congestion_surcharge"] or 0)
        assert float(row["total_amount"]) == pytest.approx(total)


@both_taxis
def test_duplicates_repeat_rows_of_the_file(taxi: str) -> None:
    rows = trips(taxi, rows=FEW, quirks=Quirks(duplicates=0.1))
    copies = Counter(tuple(row.values()) for row in rows)
    assert 1 - len(copies) / FEW == pytest.approx(0.1, abs=0.02)


@both_taxis
def test_repeats_are_rows_of_the_previous_month(taxi: str) -> None:
    quirks = Quirks(repeats=0.1)
    earlier = {tuple(row.values()) for row in trips(taxi, "2020-04", FEW, quirks)}
    repeated = [tuple(row.values()) in earlier for row in trips(taxi, "2020-05", FEW, quirks)]
    assert share(repeated) == pytest.approx(0.1, abs=0.02)


def test_repeats_of_january_are_rows_of_december() -> None:
    quirks = Quirks(repeats=0.1)
    december = {tuple(row.values()) for row in trips("green", "2019-12", FEW, quirks)}
    repeated = [tuple(row.values()) in december for row in trips("green", "2020-01", FEW, quirks)]
    assert share(repeated) == pytest.approx(0.1, abs=0.02)


@both_taxis
def test_refared_rows_differ_from_another_in_the_fare_alone(taxi: str) -> None:
    quirks = Quirks(refared=0.1)
    april, may = (trips(taxi, month, FEW, quirks) for month in ("2020-04", "2020-05"))
    copies = Counter(bigquery_id(taxi, row) for row in may)
    earlier = {bigquery_id(taxi, row) for row in april}
    assert FEW - len(copies) == pytest.approx(0.05 * FEW, rel=0.3)
    assert share([bigquery_id(taxi, row) in earlier for row in may]) == pytest.approx(0.05, rel=0.3)
    assert not {postgres_id(taxi, row) for row in april} & {postgres_id(taxi, row) for row in may}


@both_taxis
def test_all_copies_at_once_repeat_rows_that_stand_in_a_file(taxi: str) -> None:
    quirks = Quirks(duplicates=0.5, repeats=0.5)
    april, may = (trips(taxi, month, 100, quirks) for month in ("2020-04", "2020-05"))
    assert {postgres_id(taxi, row) for row in may} == {postgres_id(taxi, row) for row in (april[0], may[0])}


@both_taxis
@pytest.mark.parametrize(
    ("quirks", "cell"),
    [(Quirks(null_pickups=0.1), pickup), (Quirks(null_dropoffs=0.1), dropoff), (Quirks(null_fares=0.1), None)],
    ids=["pickup", "dropoff", "fare"],
)
def test_nulls_are_as_many_as_asked_for(taxi: str, quirks: Quirks, cell: object) -> None:
    rows = trips(taxi, rows=FEW, quirks=quirks)
    empty = [(cell(row) if callable(cell) else row["fare_amount"]) == "" for row in rows]
    assert share(empty) == pytest.approx(0.1, abs=0.02)


@both_taxis
def test_swapped_nulls_give_two_trips_the_same_id_text(taxi: str) -> None:
    rows = trips(taxi, rows=1000, quirks=Quirks(swapped_nulls=0.1))
    pairs = [
        (first, second)
        for first, second in zip(rows[::2], rows[1::2], strict=True)
        if "".join(postgres_id(taxi, first)) == "".join(postgres_id(taxi, second))
    ]
    assert len(pairs) == pytest.approx(50, abs=20)
    assert all((dropoff(first), pickup(second)) == ("", "") for first, second in pairs)


@both_taxis
def test_hard_file_has_every_quirk_among_a_few_rows(taxi: str) -> None:
    april, may = (trips(taxi, month, 2000, HARD) for month in ("2020-04", "2020-05"))
    ids = Counter(postgres_id(taxi, row) for row in may)
    assert max(ids.values()) > 1
    assert ids.keys() & {postgres_id(taxi, row) for row in april}
    assert {"2008-12", "2009-01", "2041-08"} <= {pickup(row)[:7] for row in may}
    assert "" in {pickup(row) for row in may} & {dropoff(row) for row in may} & {row["fare_amount"] for row in may}


def test_mirror_is_laid_out_as_the_public_release(tmp_path: Path) -> None:
    months = (Month(2020, 4), Month(2020, 5))
    paths = write_mirror(tmp_path, months, 10)
    assert {str(path.relative_to(tmp_path)) for path in paths} == {
        f"{taxi}/{taxi}_tripdata_{month}.csv.gz" for taxi in ("yellow", "green") for month in months
    }
    assert gzip.decompress(paths[0].read_bytes()) == content("yellow", "2020-04", 10)


@pytest.mark.parametrize("name", ["strays", "vendorless", "duplicates", "null_fares"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_share_outside_0_and_1_is_refused(name: str, value: float) -> None:
    shares: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=name):
        Quirks(**shares)


def test_more_copies_than_rows_are_refused() -> None:
    with pytest.raises(SettingsError, match="more than all rows"):
        Quirks(duplicates=0.6, repeats=0.6)


def test_unknown_line_ending_is_refused() -> None:
    with pytest.raises(SettingsError, match="line_ending"):
        Quirks(line_ending="\r")


def test_negative_rows_are_refused_before_a_file_is_touched(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="rows is -1"):
        write_month(dataset("green"), Month(2020, 4), tmp_path / "none.csv.gz", -1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not SHARED_TRIPS.is_dir(), reason=f"no real trip files at {SHARED_TRIPS} (TAXI_SHARED_DIR)")
@pytest.mark.parametrize(("taxi", "month"), [("yellow", "2019-03"), ("green", "2020-04")])
def test_sample_looks_like_the_real_file(taxi: str, month: str) -> None:
    packed = (SHARED_TRIPS / taxi / f"{taxi}_tripdata_{month}.csv.gz").read_bytes()
    real = parsed(gzip.decompress(packed))
    sample = trips(taxi, month, len(real))
    assert list(sample[0]) == list(real[0])
    for column in real[0]:
        empty = [share([row[column] == "" for row in rows]) for rows in (sample, real)]
        assert empty[0] == pytest.approx(empty[1], abs=0.17), column
    for column in ("trip_distance", "fare_amount", "total_amount"):
        median = [sorted(float(row[column]) for row in rows)[len(real) // 2] for rows in (sample, real)]
        assert median[0] == pytest.approx(median[1], rel=0.5), column
