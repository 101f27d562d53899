"""The rows that two tables do not share, found while both stream by in the order of their text.

Memory stays flat however long the tables are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from psycopg import Connection, sql

from taxi_assets.postgres.contents import ordered_rows
from taxi_assets.trips.contents import Row
from taxi_assets.trips.datasets import UNIQUE_ROW_ID

Kind: TypeAlias = Literal["changed", "missing", "extra", "doubled"]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """Rows that two tables do not share. Seen from the first one, ours: `missing` stands in the other only."""

    kind: Kind
    columns: tuple[str, ...]
    ours: Row | None
    theirs: Row | None
    count_ours: int
    count_theirs: int

    @property
    def changed_columns(self) -> tuple[str, ...]:
        if self.ours is None or self.theirs is None:
            return ()
        values = zip(self.columns, self.ours, self.theirs, strict=True)
        return tuple(name for name, ours, theirs in values if ours != theirs)

    def describe(self, our_side: str = "Dagster", their_side: str = "Kestra") -> str:
        """In one line: what is with which row."""
        row = dict(zip(self.columns, self.ours or self.theirs or (), strict=True))
        named = ", ".join(f"{name} {_shown(value)}" for name, value in list(row.items())[:5])
        if self.kind == "changed" and self.ours and self.theirs:
            ours = dict(zip(self.columns, self.ours, strict=True))
            theirs = dict(zip(self.columns, self.theirs, strict=True))
            changes = (f"{name} {_shown(ours[name])} ≠ {_shown(theirs[name])}" for name in self.changed_columns)
            return f"changed: {', '.join(changes)} ({our_side} ≠ {their_side}) in {named}"
        if self.kind == "doubled":
            return f"doubled: {self.count_ours} in {our_side}, {self.count_theirs} in {their_side}: {named}"
        side, count = (our_side, self.count_theirs) if self.kind == "missing" else (their_side, self.count_ours)
        times = f" ({count} times)" if count > 1 else ""
        return f"missing in {side}{times}: {named}"


@dataclass(frozen=True, slots=True)
class RowDifferences:
    """How many there are of each kind, and the first of them."""

    counts: tuple[tuple[Kind, int], ...] = ()
    first: tuple[RowDifference, ...] = ()

    @classmethod
    def among(cls, found: Iterable[RowDifference], limit: int = 10) -> RowDifferences:
        """Goes through all of them and keeps the first `limit`."""
        kinds: Counter[Kind] = Counter()
        first: list[RowDifference] = []
        for difference in found:
            kinds[difference.kind] += 1
            if len(first) < limit:
                first.append(difference)
        return cls(tuple(kinds.most_common()), tuple(first))

    def describe(self, our_side: str = "Dagster", their_side: str = "Kestra") -> Iterator[str]:
        """The counts in one line, then a line for each of the first."""
        if self.counts:
            yield "rows " + ", ".join(f"{kind}: {count:,}" for kind, count in self.counts)
        for difference in self.first:
            yield difference.describe(our_side, their_side)


def row_differences(
    ours: Connection, kestra: Connection, table: str, columns: tuple[str, ...], filename: str | None
) -> Iterator[RowDifference]:
    """Every difference in these columns, in their order; with `filename`, only of the rows that this file brought."""
    texts = {name: sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns}
    mine, other = (ordered_rows(connection, table, texts, filename) for connection in (ours, kestra))
    return differences(columns, mine, other, same_row=int(columns[0] == UNIQUE_ROW_ID.name))


def differences(
    columns: tuple[str, ...], ours: Iterator[Row], theirs: Iterator[Row], same_row: int
) -> Iterator[RowDifference]:
    """What two sequences of rows do not share, both in the order of their columns' bytes, NULL last.

    Rows that agree in the first `same_row` columns are one row that was changed; with 0 none is.
    """
    unequal = _unequal(ours, theirs)
    return _paired(columns, unequal, same_row) if same_row else (_one_sided(columns, each) for each in unequal)


def _shown(value: str | None) -> str:
    return "NULL" if value is None else value


@dataclass(frozen=True, slots=True)
class _Group:
    """Equal neighbouring rows of one table."""

    row: Row
    size: int

    @property
    def order(self) -> tuple[tuple[bool, str], ...]:
        """As PostgreSQL orders: by bytes, NULL last. Code points order as their UTF-8 bytes do."""
        return tuple((value is None, value or "") for value in self.row)


def _groups(rows: Iterator[Row]) -> Iterator[_Group]:
    return (_Group(row, sum(1 for _ in equal)) for row, equal in groupby(rows))


@dataclass(frozen=True, slots=True)
class _Unequal:
    """A row and how often it stands on each side."""

    row: Row
    ours: int
    theirs: int


def _unequal(ours: Iterator[Row], theirs: Iterator[Row]) -> Iterator[_Unequal]:
    left, right = _groups(ours), _groups(theirs)
    mine, other = next(left, None), next(right, None)
    while mine and other:
        if mine.row == other.row:
            if mine.size != other.size:
                yield _Unequal(mine.row, mine.size, other.size)
            mine, other = next(left, None), next(right, None)
        elif mine.order < other.order:
            yield _Unequal(mine.row, mine.size, 0)
            mine = next(left, None)
        else:
            yield _Unequal(other.row, 0, other.size)
            other = next(right, None)
    while mine:
        yield _Unequal(mine.row, mine.size, 0)
        mine = next(left, None)
    while other:
        yield _Unequal(other.row, 0, other.size)
        other = next(right, None)


def _paired(columns: tuple[str, ...], unequal: Iterator[_Unequal], same_row: int) -> Iterator[RowDifference]:
    """Unequal rows that agree in the columns that tell rows apart stand next to each other: two are a change."""
    for _, group in groupby(unequal, key=lambda each: each.row[:same_row]):
        rows = list(group)
        only_ours = [each for each in rows if not each.theirs]
        only_theirs = [each for each in rows if not each.ours]
        pairs = list(zip(only_ours, only_theirs, strict=False))
        for mine, other in pairs:
            yield RowDifference("changed", columns, mine.row, other.row, mine.ours, other.theirs)
        paired = [each for pair in pairs for each in pair]
        for each in rows:
            if each not in paired:
                yield _one_sided(columns, each)


def _one_sided(columns: tuple[str, ...], each: _Unequal) -> RowDifference:
    kind: Kind = "doubled" if each.ours and each.theirs else "extra" if each.ours else "missing"
    ours, theirs = each.row if each.ours else None, each.row if each.theirs else None
    return RowDifference(kind, columns, ours, theirs, each.ours, each.theirs)
