from __future__ import annotations

from collections.abc import Callable

import pytest

from taxi_assets.errors import WarehouseError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import Digest, digest

NewDatabase = Callable[[], str]

ROWS = [("b", 1.5), ("A", 2.0), (None, 0.1), ("a", None), ("é", 3.0)]


def digest_of(url: str, rows: list[tuple[str | None, float | None]]) -> Digest:
    with Warehouse(url).connect() as connection:
        connection.execute("CREATE TABLE trips (name text, amount double precision)")
        connection.cursor().executemany("INSERT INTO trips VALUES (%s, %s)", rows)
        return digest(connection, "public.trips")


def test_order_of_the_rows_does_not_count(new_database: NewDatabase) -> None:
    assert digest_of(new_database(), ROWS[::-1]) == digest_of(new_database(), ROWS)


def test_a_changed_value_shows(new_database: NewDatabase) -> None:
    assert digest_of(new_database(), [("b", 1.6), *ROWS[1:]]) != digest_of(new_database(), ROWS)


def test_a_doubled_row_shows(new_database: NewDatabase) -> None:
    doubled, plain = digest_of(new_database(), [*ROWS, ROWS[0]]), digest_of(new_database(), ROWS)
    assert (doubled.rows, plain.rows) == (6, 5)
    assert doubled.md5 != plain.md5


def test_sessions_with_other_settings_get_the_same(new_database: NewDatabase) -> None:
    url = new_database()
    with Warehouse(url).connect() as connection:
        connection.execute("CREATE TABLE trips AS SELECT timestamp '2020-04-03 01:02:03' AS at, 0.1 + 0.2::float8 AS x")
        expected = digest(connection, "trips")
        for setting in ("DateStyle = 'German'", "TimeZone = 'Asia/Tokyo'", "extra_float_digits = -5"):
            connection.execute(f"SET {setting}".encode())
            assert digest(connection, "trips") == expected


def test_only_one_files_rows_when_asked(new_database: NewDatabase) -> None:
    with Warehouse(new_database()).connect() as connection:
        connection.execute("CREATE TABLE trips AS SELECT 'a.csv' AS filename UNION ALL SELECT 'b.csv'")
        assert digest(connection, "trips", "a.csv").rows == 1


def test_a_missing_table_is_named(new_database: NewDatabase) -> None:
    with Warehouse(new_database()).connect() as connection, pytest.raises(WarehouseError, match=r"no table public\.x"):
        digest(connection, "public.x")
