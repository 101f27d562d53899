"""The flow's own statements, each committed by itself, as a Kestra worker runs them on the same tables."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from psycopg import Connection, sql

from taxi_assets.postgres.connection import Warehouse
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

STEPS = ("create table", "create staging", "truncate", "copy", "update", "merge")


class Flow:
    """One execution of the flow's PostgreSQL tasks over a month's .csv.gz."""

    def __init__(self, warehouse: Warehouse, dataset: Dataset, month: Month, path: Path) -> None:
        self._warehouse = warehouse
        self._dataset = dataset
        self._month = month
        self._path = path

    def run(self, steps: tuple[str, ...] = STEPS, *, between: Callable[[str], None] | None = None) -> None:
        """Run steps in order, each in a session of its own; `between` is told each step that is done."""
        for step in steps:
            with self._warehouse.connect("kestra") as connection:
                self.run_in(connection, step)
            if between:
                between(step)

    def run_in(self, connection: Connection, step: str) -> None:
        """Run one step in a session, and in the transaction that is open there."""
        data = self._dataset
        if step == "copy":
            self._copy(connection)
            return
        connection.execute(
            {
                "create table": _create(data, data.table),
                "create staging": _create(data, data.staging_table),
                "truncate": sql.SQL("TRUNCATE TABLE public.{}").format(sql.Identifier(data.staging_table)),
                "update": _update(data, self._month),
                "merge": _merge(data),
            }[step]
        )

    def _copy(self, connection: Connection) -> None:
        names = sql.SQL(", ").join(sql.Identifier(column.sql_name) for column in self._dataset.columns)
        statement = sql.SQL("COPY public.{} ({}) FROM STDIN WITH (FORMAT CSV, HEADER true)").format(
            sql.Identifier(self._dataset.staging_table), names
        )
        with gzip.open(self._path) as csv, connection.cursor().copy(statement) as copy:
            while block := csv.read(1 << 20):
                copy.write(block)


def run_flows(warehouse: Warehouse, dataset: Dataset, files: list[tuple[Month, Path]]) -> None:
    """One execution after the other: what every other order must equal."""
    for month, path in files:
        Flow(warehouse, dataset, month, path).run()


def make_plain_tables(warehouse: Warehouse, dataset: Dataset) -> None:
    """Both tables as the flow makes them, before this project sees the database."""
    with warehouse.connect("kestra") as connection:
        connection.execute(_create(dataset, dataset.table))
        connection.execute(_create(dataset, dataset.staging_table))


def _create(dataset: Dataset, table: str) -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.sql_name), sql.SQL(column.postgres))
        for column in dataset.table_columns
    )
    return sql.SQL("CREATE TABLE IF NOT EXISTS public.{} ({})").format(sql.Identifier(table), columns)


def _update(dataset: Dataset, month: Month) -> sql.Composed:
    parts = sql.SQL(" || ").join(
        sql.SQL("COALESCE(CAST({} AS text), '')").format(sql.Identifier(column.sql_name))
        for column in dataset.postgres_id_columns
    )
    return sql.SQL("UPDATE public.{} SET unique_row_id = md5({}), filename = {}").format(
        sql.Identifier(dataset.staging_table), parts, sql.Literal(dataset.file_name(month))
    )


def _merge(dataset: Dataset) -> sql.Composed:
    names = [sql.Identifier(column.sql_name) for column in dataset.table_columns]
    return sql.SQL(
        "MERGE INTO public.{} AS T USING public.{} AS S ON T.unique_row_id = S.unique_row_id"
        " WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})"
    ).format(
        sql.Identifier(dataset.table),
        sql.Identifier(dataset.staging_table),
        sql.SQL(", ").join(names),
        sql.SQL(", ").join(sql.SQL("S.{}").format(name) for name in names),
    )
