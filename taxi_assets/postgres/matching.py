"""Which rows of a month are in the trips table already, without reading more of it than can match.

A row's id is a hash over text that begins with VendorID, pickup and dropoff. As long as both times are there and
have four-digit years, and the vendor is shorter than a year, equal ids mean equal pickups: the text can be cut in one
way only. So a month is matched against the trips of its own pickups, found by the BRIN index, and against the rows
whose ids say nothing (`irregular`): a NULL time, a year before 1 or after 9999. A month that holds such rows itself
is matched against the whole table.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection, sql

from taxi_assets.postgres.connection import statement
from taxi_assets.postgres.tables import TripTables
from taxi_assets.trips.months import Month

_MOST_RANGES = 48
"""More months than this among the strays, and reading the table once is cheaper than looking each up."""


@dataclass(frozen=True, slots=True)
class PickupRanges:
    """Where a month's pickups lie."""

    month: Month
    strays: tuple[tuple[str, str], ...]
    """First and last pickup outside the month, for each other calendar month that occurs. PostgreSQL's text, since
    Python has no year 10000 and no infinity."""
    outside: int
    """Rows with a pickup outside the month, or with none."""
    irregular: int

    def candidates(self, tables: TripTables) -> sql.Composable:
        """The condition that every row of trips `t` meets whose id could be one of this month's."""
        if self.irregular or len(self.strays) > _MOST_RANGES:
            return sql.SQL("TRUE")
        pickup = sql.SQL("t.{}").format(tables.pickup)
        start, end = sql.Literal(self.month.start), sql.Literal(self.month.next.start)
        parts: list[sql.Composable] = [sql.SQL("({0} >= {1} AND {0} < {2})").format(pickup, start, end)]
        for first, last in self.strays:
            parts.append(sql.SQL("({} BETWEEN {} AND {})").format(pickup, sql.Literal(first), sql.Literal(last)))
        return sql.SQL(" OR ").join([*parts, _odd_time(pickup, sql.SQL("t.{}").format(tables.dropoff))])


def pickup_ranges(connection: Connection, tables: TripTables, rows: sql.Identifier, month: Month) -> PickupRanges:
    """Look for strays and irregular rows among a month's rows; costs a scan of them."""
    query = statement(
        "pickup_ranges.sql",
        rows=rows,
        pickup=tables.pickup,
        irregular=sql.SQL("({} OR length(vendorid) > 4)").format(_odd_time(tables.pickup, tables.dropoff)),
        month_start=sql.Literal(month.start),
        month_end=sql.Literal(month.next.start),
    )
    found = connection.execute(query).fetchall()
    return PickupRanges(
        month,
        strays=tuple((first, last) for first, last, _, _ in found if first is not None),
        outside=sum(row[2] for row in found),
        irregular=sum(row[3] for row in found),
    )


def _odd_time(pickup: sql.Composable, dropoff: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "{0} IS NULL OR {1} IS NULL OR {0} < '0001-01-01' OR {0} >= '10000-01-01'"
        " OR {1} < '0001-01-01' OR {1} >= '10000-01-01'"
    ).format(pickup, dropoff)
