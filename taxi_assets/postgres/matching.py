"""Which rows of a month are in the trips table already, without reading more of it than can match.

A row's id is a hash over text that begins with VendorID, pickup and dropoff. As long as both times are there and
have four-digit years, and the vendor is shorter than a year, equal ids mean equal pickups: the text can be cut in one
way only. So a month is matched against the trips of its own pickups, found by the BRIN index, and against the rows
whose ids say nothing (`irregular`): a NULL time, a year before 1 or after 9999. A month that holds such rows itself
is matched against the whole table.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from psycopg import Connection, errors, sql

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

    @property
    def everywhere(self) -> bool:
        """Whether any row of trips could have an id of this month's, as far as this tells."""
        return self.irregular > 0 or len(self.strays) > _MOST_RANGES

    def candidates(self, tables: TripTables) -> sql.Composable:
        """The condition that every row of trips `t` meets whose id could be one of this month's."""
        if self.everywhere:
            return sql.SQL("TRUE")
        pickup = sql.SQL("t.{}").format(tables.pickup)
        parts: list[sql.Composable] = [self._in_month(pickup)]
        for first, last in self.strays:
            parts.append(sql.SQL("({} BETWEEN {} AND {})").format(pickup, sql.Literal(first), sql.Literal(last)))
        return sql.SQL(" OR ").join([*parts, _odd_time(pickup, sql.SQL("t.{}").format(tables.dropoff))])

    def parts(self, tables: TripTables) -> list[sql.Composable]:
        """Conditions on the month's rows `s` that divide them into those to insert first and those to insert last.

        The strays go last: side by side they widen one range of the BRIN index, strewn among the others hundreds. Rows
        of two parts never have the same id, so what the first part inserted cannot match the second.
        """
        if self.irregular or not self.strays:
            return [sql.SQL("TRUE")]
        inside = self._in_month(sql.SQL("s.{}").format(tables.pickup))
        return [inside, sql.SQL("NOT {}").format(inside)]

    def _in_month(self, pickup: sql.Composable) -> sql.Composed:
        start, end = sql.Literal(self.month.start), sql.Literal(self.month.next.start)
        return sql.SQL("({0} >= {1} AND {0} < {2})").format(pickup, start, end)


def summarize(connection: Connection, tables: TripTables) -> None:
    """Bring rows that came since the last load into the BRIN index, so that those of other months need not be read.

    VACUUM does the same, and so does a load beside this one: when one of them is at the table there is nothing to do.
    """
    if tables.owned:
        with suppress(errors.LockNotAvailable), connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '40ms'")  # less than sends autovacuum away: see limits.sql
            connection.execute("SELECT brin_summarize_new_values(%s::regclass)", [tables.index.as_string(connection)])


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
