"""Differences put in by hand, and what the comparison says about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from psycopg import Connection

from taxi_assets.kestra.table_diff import TableComparison, compare_table
from taxi_assets.postgres.connection import Warehouse

TABLE = "public.green_tripdata"
COLUMNS = "unique_row_id text, filename text, vendorid text, passenger_count integer, fare_amount double precision"
ROWS = [
    ("id1", "a.csv", "1", 1, 5.5),
    ("id2", "a.csv", "2", None, -3.0),
    ("id2", "a.csv", "2", None, -3.0),
    ("id3", "b.csv", None, 2, 0.1),
    ("id4", "b.csv", "tab\there \\ there\nand below", 3, 1e30),
    ("id5", "b.csv", "é", 4, 7.0),
]

Sides = tuple[Connection, Connection]


@pytest.fixture
def sides(new_database: Callable[[], str]) -> Iterator[Sides]:
    """Two databases with the same table, its rows in another order."""
    with Warehouse(new_database()).connect() as ours, Warehouse(new_database()).connect() as kestra:
        for connection, rows in ((ours, ROWS), (kestra, ROWS[::-1])):
            connection.execute(f"CREATE TABLE {TABLE} ({COLUMNS})".encode())
            connection.cursor().executemany("INSERT INTO green_tripdata VALUES (%s, %s, %s, %s, %s)", rows)
        yield ours, kestra


def described(compared: TableComparison) -> list[str]:
    return [difference.describe() for difference in compared.rows.first]


def test_equal_tables_are_the_same(sides: Sides) -> None:
    compared = compare_table(*sides, TABLE)
    assert compared.same
    assert compared.ours is not None
    assert compared.ours.rows == len(ROWS)
    assert (compared.rows.first, compared.rows.counts, compared.column_differences) == ((), (), ())


def test_a_changed_row_shows_the_column_and_both_values(sides: Sides) -> None:
    sides[1].execute("UPDATE green_tripdata SET fare_amount = 5.6 WHERE unique_row_id = 'id1'")
    compared = compare_table(*sides, TABLE)
    assert not compared.same
    assert compared.rows.counts == (("changed", 1),)
    assert compared.rows.first[0].changed_columns == ("fare_amount",)
    assert described(compared)[0].startswith("changed: fare_amount 5.5 ≠ 5.6 (Dagster ≠ Kestra) in unique_row_id id1")


def test_a_value_against_null_is_a_change(sides: Sides) -> None:
    sides[0].execute("UPDATE green_tripdata SET vendorid = '' WHERE unique_row_id = 'id3'")
    assert "vendorid  ≠ NULL" in described(compare_table(*sides, TABLE))[0]


def test_a_missing_row_names_the_side_that_lacks_it(sides: Sides) -> None:
    sides[0].execute("DELETE FROM green_tripdata WHERE unique_row_id = 'id3'")
    compared = compare_table(*sides, TABLE)
    assert compared.rows.counts == (("missing", 1),)
    assert described(compared) == [
        "missing in Dagster: unique_row_id id3, filename b.csv, vendorid NULL, passenger_count 2, fare_amount 0.1"
    ]


def test_an_extra_row_is_missing_on_the_other_side(sides: Sides) -> None:
    sides[1].execute("DELETE FROM green_tripdata WHERE unique_row_id = 'id2'")
    compared = compare_table(*sides, TABLE)
    assert compared.rows.counts == (("extra", 1),)
    assert described(compared)[0].startswith("missing in Kestra (2 times): unique_row_id id2")


def test_a_doubled_row_shows_how_often_it_stands_on_each_side(sides: Sides) -> None:
    sides[0].execute("INSERT INTO green_tripdata SELECT * FROM green_tripdata WHERE unique_row_id = 'id5'")
    compared = compare_table(*sides, TABLE)
    assert compared.rows.counts == (("doubled", 1),)
    assert described(compared)[0].startswith("doubled: 2 in Dagster, 1 in Kestra: unique_row_id id5")


def test_a_row_with_tabs_and_backslashes_is_read_back(sides: Sides) -> None:
    sides[1].execute("DELETE FROM green_tripdata WHERE unique_row_id = 'id4'")
    (difference,) = compare_table(*sides, TABLE).rows.first
    assert difference.ours is not None
    assert difference.ours[2] == "tab\there \\ there\nand below"


def test_a_changed_type_shows_even_where_every_value_reads_the_same(sides: Sides) -> None:
    sides[1].execute("ALTER TABLE green_tripdata ALTER passenger_count TYPE text")
    compared = compare_table(*sides, TABLE)
    assert compared.ours == compared.kestra
    assert not compared.same
    assert compared.column_differences == ("column passenger_count is integer in Dagster, text in Kestra",)
    assert compared.rows.first == ()


def test_a_missing_column_shows_and_the_rest_is_compared(sides: Sides) -> None:
    sides[0].execute("ALTER TABLE green_tripdata DROP COLUMN vendorid")
    sides[0].execute("UPDATE green_tripdata SET fare_amount = 6 WHERE unique_row_id = 'id1'")
    compared = compare_table(*sides, TABLE)
    assert compared.column_differences == ("column vendorid is missing in Dagster",)
    assert compared.rows.counts == (("changed", 1),)


def test_another_order_of_the_columns_shows(sides: Sides) -> None:
    sides[1].execute("ALTER TABLE green_tripdata DROP COLUMN filename")
    sides[1].execute("ALTER TABLE green_tripdata ADD COLUMN filename text")
    assert "columns stand in another order" in compare_table(*sides, TABLE).column_differences[0]


def test_a_missing_table_shows(sides: Sides) -> None:
    sides[1].execute("DROP TABLE green_tripdata")
    compared = compare_table(*sides, TABLE)
    assert not compared.same
    assert compared.kestra is None
    assert compared.column_differences == ("there is no such table in Kestra",)


def test_only_the_rows_of_a_file_when_asked(sides: Sides) -> None:
    sides[1].execute("DELETE FROM green_tripdata WHERE filename = 'a.csv'")
    assert compare_table(*sides, TABLE, "b.csv").same
    assert compare_table(*sides, TABLE, "a.csv").rows.counts == (("extra", 2),)


def test_all_differences_are_counted_and_the_first_ones_kept(sides: Sides) -> None:
    sides[0].execute("INSERT INTO green_tripdata SELECT 'x' || lpad(n::text, 4, '0') FROM generate_series(1, 1000) n")
    compared = compare_table(*sides, TABLE, limit=3)
    assert compared.rows.counts == (("extra", 1000),)
    assert [difference.ours and difference.ours[0] for difference in compared.rows.first] == [
        "x0001",
        "x0002",
        "x0003",
    ]


def test_one_difference_between_long_tables_is_found(sides: Sides) -> None:
    for connection in sides:
        connection.execute(
            "INSERT INTO green_tripdata SELECT md5(n::text), 'c.csv', NULL, n, n / 7.0 FROM generate_series(1, 50000) n"
        )
    sides[1].execute("UPDATE green_tripdata SET fare_amount = 0 WHERE unique_row_id = md5('777')")
    (difference,) = compare_table(*sides, TABLE).rows.first
    assert difference.kind == "changed"
    assert difference.changed_columns == ("fare_amount",)
