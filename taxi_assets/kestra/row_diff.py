"""The rows that two tables do not share, found while both stream by in the order of their text.

Memory stays flat however long the tables are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from psycopg import Connection, sql

from taxi_assets.trips.datasets import UNIQUE_ROW_ID

Row: TypeAlias = tuple[str | None, ...]
Kind: TypeAlias = Literal["changed", "missing", "extra", "doubled"]

_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class RowDifference:
    """Rows of one id that the two tables do not share. Seen from our side: `missing` stands in Kestra's only."""

    kind: Kind
    columns: tuple[str, ...]
    ours: Row | None
    kestra: Row | None
    count_ours: int
    count_kestra: int

    @property
    def changed_columns(self) -> tuple[str, ...]:
        if self.ours is None or self.kestra is None:
            return ()
        values = zip(self.columns, self.ours, self.kestra, strict=True)
        return tuple(name for name, ours, kestra in values if ours != kestra)

    def describe(self) -> str:
        """In one line: what is with which row."""
        row = dict(zip(self.columns, self.ours or self.kestra or (), strict=True))
        named = ", ".join(f"{name} {_shown(value)}" for name, value in list(row.items())[:5])
        if self.kind == "changed" and self.ours and self.kestra:
            ours = dict(zip(self.columns, self.ours, strict=True))
            kestra = dict(zip(self.columns, self.kestra, strict=True))
            changes = (f"{name} {_shown(ours[name])} ≠ {_shown(kestra[name])}" for name in self.changed_columns)
            return f"changed: {', '.join(changes)} (Dagster ≠ Kestra) in {named}"
        if self.kind == "doubled":
            return f"doubled: {self.count_ours} in Dagster, {self.count_kestra} in Kestra: {named}"
        side, count = ("Dagster", self.count_kestra) if self.kind == "missing" else ("Kestra", self.count_ours)
        times = f" ({count} times)" if count > 1 else ""
        return f"missing in {side}{times}: {named}"


def row_differences(
    ours: Connection, kestra: Connection, table: str, columns: tuple[str, ...], filename: str | None
) -> Iterator[RowDifference]:
    """Every difference in these columns, in their order; with `filename`, only of the rows that this file brought."""
    lines = (_lines(connection, table, columns, filename) for connection in (ours, kestra))
    unequal = _unequal(*lines)
    if columns[0] != UNIQUE_ROW_ID.name:
        return (_one_sided(columns, each) for each in unequal)
    return _paired(columns, unequal)


def _shown(value: str | None) -> str:
    return "NULL" if value is None else value


def _lines(connection: Connection, table: str, columns: tuple[str, ...], filename: str | None) -> Iterator[bytes]:
    """The table in COPY's text format, every column as text, ordered by the bytes of that text."""
    texts = sql.SQL(", ").join(sql.SQL("{name}::text AS {name}").format(name=sql.Identifier(name)) for name in columns)
    order = sql.SQL(", ").join(sql.SQL('{}::text COLLATE "C"').format(sql.Identifier(name)) for name in columns)
    where = sql.SQL(" WHERE filename = {}").format(filename) if filename is not None else sql.SQL("")
    query = sql.SQL("COPY (SELECT {} FROM {}{} ORDER BY {}) TO STDOUT").format(
        texts, sql.Identifier(*table.split(".")), where, order
    )
    with connection.cursor().copy(query) as lines:
        for line in lines:
            yield bytes(line)


@dataclass(frozen=True, slots=True)
class _Group:
    """Equal neighbouring lines of one table."""

    line: bytes
    size: int

    @property
    def row(self) -> Row:
        fields = self.line.decode().removesuffix("\n").split("\t")
        return tuple(None if field == r"\N" else _unescaped(field) for field in fields)

    @property
    def order(self) -> tuple[tuple[bool, str], ...]:
        """As PostgreSQL orders: by bytes, NULL last. Code points order as their UTF-8 bytes do."""
        return tuple((value is None, value or "") for value in self.row)


def _unescaped(field: str) -> str:
    if "\\" not in field:
        return field
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), field)


def _groups(lines: Iterator[bytes]) -> Iterator[_Group]:
    return (_Group(line, sum(1 for _ in equal)) for line, equal in groupby(lines))


@dataclass(frozen=True, slots=True)
class _Unequal:
    """A row and how often it stands on each side."""

    row: Row
    ours: int
    kestra: int


def _unequal(ours: Iterator[bytes], kestra: Iterator[bytes]) -> Iterator[_Unequal]:
    left, right = _groups(ours), _groups(kestra)
    mine, other = next(left, None), next(right, None)
    while mine and other:
        if mine.line == other.line:
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


def _paired(columns: tuple[str, ...], unequal: Iterator[_Unequal]) -> Iterator[RowDifference]:
    """Unequal rows of one id stand next to each other, the id being the first column: two of them are a change."""
    for _, group in groupby(unequal, key=lambda each: each.row[0]):
        rows = list(group)
        only_ours = [each for each in rows if not each.kestra]
        only_kestra = [each for each in rows if not each.ours]
        pairs = list(zip(only_ours, only_kestra, strict=False))
        for mine, other in pairs:
            yield RowDifference("changed", columns, mine.row, other.row, mine.ours, other.kestra)
        paired = [each for pair in pairs for each in pair]
        for each in rows:
            if each not in paired:
                yield _one_sided(columns, each)


def _one_sided(columns: tuple[str, ...], each: _Unequal) -> RowDifference:
    kind: Kind = "doubled" if each.ours and each.kestra else "extra" if each.ours else "missing"
    ours, kestra = each.row if each.ours else None, each.row if each.kestra else None
    return RowDifference(kind, columns, ours, kestra, each.ours, each.kestra)
