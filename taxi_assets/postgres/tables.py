"""The tables of a dataset: made when missing, checked when there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection, errors, sql
from psycopg.rows import DictRow, dict_row

from taxi_assets.errors import WarehouseError
from taxi_assets.postgres.connection import database_grant, statement, told_plainly
from taxi_assets.trips.datasets import Column, Dataset

SCHEMA = "taxi_assets"


@dataclass(frozen=True, slots=True)
class TripTables:
    """The two tables of a dataset as they stand in the database."""

    dataset: Dataset
    staging_partitioned: bool
    """False for a plain table, as a Kestra flow makes it; it is filled by INSERT and otherwise left as it is."""
    owned: bool
    """Whether this role owns the trips table, and so may index it."""
    staging_owner: str | None
    """The role that owns staging; None for a superuser, in whose place nobody should be put."""

    @property
    def trips(self) -> sql.Identifier:
        return sql.Identifier("public", self.dataset.table)

    @property
    def staging(self) -> sql.Identifier:
        return sql.Identifier("public", self.dataset.staging_table)

    @property
    def staging_others(self) -> sql.Identifier:
        """Where staging rows stand that did not come through this project: the default partition or the table."""
        if self.staging_partitioned:
            return sql.Identifier(SCHEMA, _others_name(self.dataset))
        return self.staging

    @property
    def index(self) -> sql.Identifier:
        return sql.Identifier("public", _index_name(self.dataset))

    @property
    def pickup(self) -> sql.Identifier:
        return sql.Identifier(self.dataset.pickup.sql_name)

    @property
    def dropoff(self) -> sql.Identifier:
        return sql.Identifier(self.dataset.dropoff.sql_name)

    def write_grant(self, role: str) -> str:
        """What a role needs to lock the trips table and write it, and the load records with it."""
        return f'GRANT SELECT, INSERT, UPDATE, DELETE ON public.{self.dataset.table}, {SCHEMA}.loads TO "{role}"'

    def staging_grant(self, role: str) -> str:
        """What a role needs to make a month staging's content."""
        table = f"public.{self.dataset.staging_table}"
        if not self.staging_partitioned:
            return f'GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON {table} TO "{role}"'
        if self.staging_owner:
            return f'GRANT "{self.staging_owner}" TO "{role}"'
        return f'ALTER TABLE {table} OWNER TO "{role}", and the same for its partitions in schema {SCHEMA}'

    @property
    def columns(self) -> sql.Composed:
        """The names of all columns, in table order."""
        return listed("{name}", self.dataset.table_columns)


def column_definitions(dataset: Dataset) -> sql.Composed:
    """The columns of both tables with their types, for CREATE TABLE."""
    return listed("{name} {type}", dataset.table_columns)


def listed(form: LiteralString, columns: Iterable[Column], separator: LiteralString = ", ") -> sql.Composed:
    """The columns, each written as `form` says with its {name} and {type}."""
    return sql.SQL(separator).join(
        sql.SQL(form).format(name=sql.Identifier(column.sql_name), type=sql.SQL(column.postgres)) for column in columns
    )


def prepare(connection: Connection, dataset: Dataset) -> TripTables:
    """Make what is missing of the schema, the two tables and the index, and check what is there.

    Raises WarehouseError when a table has other columns than the definition, or naming the GRANT of a missing right.
    """
    trips, staging = _state(connection, dataset)
    if not _complete(trips, staging):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('taxi_assets.setup', 0))")
            _create_missing(connection, dataset)
        trips, staging = _state(connection, dataset)
    return TripTables(dataset, bool(staging["partitioned"]), bool(trips["owned"]), staging["owner"])


def _state(connection: Connection, dataset: Dataset) -> tuple[DictRow, DictRow]:
    """The trips and the staging row of state.sql, their columns checked."""
    query = statement(
        "state.sql",
        trips=sql.Literal(f"public.{dataset.table}"),
        staging=sql.Literal(f"public.{dataset.staging_table}"),
        index=sql.Literal(f"public.{_index_name(dataset)}"),
        others=sql.Literal(f"{SCHEMA}.{_others_name(dataset)}"),
    )
    grant = f'GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO "{connection.info.user}"'
    with (
        told_plainly(f"looking at the {dataset.taxi} tables", grant),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        found = {row["role"]: row for row in cursor.execute(query)}
    expected = [f"{column.sql_name} {column.postgres}" for column in dataset.table_columns]
    for role, name in (("trips", dataset.table), ("staging", dataset.staging_table)):
        columns = found[role]["columns"]
        if columns is not None and columns != expected:
            odd = [column for column in columns if column not in expected] or ["columns missing or in another order"]
            raise WarehouseError(
                f"public.{name} is not a table of {dataset.taxi} trips as the flow makes it: it has {odd[0]}; "
                "rename it, or use another database"
            )
    return found["trips"], found["staging"]


def _complete(trips: DictRow, staging: DictRow) -> bool:
    made = trips["schema_ready"] and trips["columns"] is not None and staging["columns"] is not None
    return bool(made and not _lacks_others(staging) and (trips["indexed"] or not trips["owned"]))


def _lacks_others(staging: DictRow) -> bool:
    return bool(staging["partitioned"] and not staging["others_there"])


def _create_missing(connection: Connection, dataset: Dataset) -> None:
    trips, staging = _state(connection, dataset)
    role = connection.info.user
    columns = column_definitions(dataset)
    tables = TripTables(dataset, staging_partitioned=True, owned=True, staging_owner=role)
    if not trips["schema_ready"]:
        with told_plainly("creating the schema taxi_assets", database_grant(connection)):
            connection.execute(statement("schema.sql"))
    with told_plainly(f"creating the {dataset.taxi} tables", f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"'):
        if trips["columns"] is None:
            _make(connection, statement("trips_table.sql", trips=tables.trips, columns=columns))
        if staging["columns"] is None:
            _make(connection, statement("staging_table.sql", staging=tables.staging, columns=columns))
            _, staging = _state(connection, dataset)
        if _lacks_others(staging):
            connection.execute(statement("staging_others.sql", staging=tables.staging, others=tables.staging_others))
        if trips["columns"] is None or trips["owned"]:
            parts = {"pickup": tables.pickup, "dropoff": tables.dropoff, "trips": tables.trips}
            name = sql.Identifier(_index_name(dataset))
            connection.execute(statement("trips_index.sql", index=name, **parts))


def _make(connection: Connection, table: sql.Composed) -> None:
    """Make a table, unless a flow made it at the same moment: it takes no lock of ours, and IF NOT EXISTS does not see
    a table that is not committed yet."""
    with suppress(errors.UniqueViolation, errors.DuplicateTable), connection.transaction():
        connection.execute(table)


def _others_name(dataset: Dataset) -> str:
    return f"{dataset.staging_table}_others"


def _index_name(dataset: Dataset) -> str:
    return f"{dataset.table}_pickup_brin"
