"""How a table differs between two databases: columns, rows, digest, and the first rows not on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from psycopg import Connection

from taxi_assets.kestra.row_diff import RowDifferences, row_differences
from taxi_assets.postgres.digest import Digest, TableColumn, digest, table_columns


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One table on both sides. A digest is None where there is no such table."""

    table: str
    filename: str | None
    """The file whose rows were compared; None for all rows."""
    ours: Digest | None
    kestra: Digest | None
    column_differences: tuple[str, ...] = ()
    rows: RowDifferences = field(default_factory=RowDifferences)

    @property
    def same(self) -> bool:
        return self.ours is not None and self.ours == self.kestra and not self.column_differences

    @property
    def name(self) -> str:
        table = self.table.removeprefix("public.")
        return table if self.filename is None else f"{table}, rows of this file"


def compare_table(
    ours: Connection, kestra: Connection, table: str, filename: str | None = None, limit: int = 10
) -> TableComparison:
    """Compare a table of two databases; with `filename`, only the rows that this file brought.

    Rows are looked at only where digests or columns differ; the first `limit` differences are kept, all are counted.
    """
    columns = table_columns(ours, table), table_columns(kestra, table)
    mine = digest(ours, table, filename) if columns[0] else None
    other = digest(kestra, table, filename) if columns[1] else None
    differing = tuple(_column_differences(*columns))
    if mine == other and not differing:
        return TableComparison(table, filename, mine, other)
    names = {column.name for column in columns[1]}
    shared = tuple(column.name for column in columns[0] if column.name in names)
    found = row_differences(ours, kestra, table, shared, filename) if shared else ()
    return TableComparison(table, filename, mine, other, differing, RowDifferences.among(found, limit))


def _column_differences(ours: tuple[TableColumn, ...], kestra: tuple[TableColumn, ...]) -> Iterator[str]:
    if not ours or not kestra:
        sides = [side for side, found in (("Dagster", ours), ("Kestra", kestra)) if not found]
        yield f"there is no such table in {' and '.join(sides)}"
        return
    types = {column.name: column.type for column in ours}, {column.name: column.type for column in kestra}
    for name in types[0] | types[1]:
        mine, other = types[0].get(name), types[1].get(name)
        if mine is None or other is None:
            yield f"column {name} is missing in {'Dagster' if mine is None else 'Kestra'}"
        elif mine != other:
            yield f"column {name} is {mine} in Dagster, {other} in Kestra"
    if list(types[0]) != list(types[1]) and types[0].keys() == types[1].keys():
        yield f"columns stand in another order: {', '.join(types[0])} in Dagster, {', '.join(types[1])} in Kestra"
