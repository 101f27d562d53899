"""The peers that a month's load is measured beside. Each returns the seconds it took."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import islice

from psycopg import Connection, sql

from benchmarks import fingerprint
from benchmarks.ground import MonthFile, bare_table, copy_file, settle
from benchmarks.measure import timed
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.tables import column_definitions

_BARE = sql.Identifier("public", "bare")
_FLOW_STAGING = sql.Identifier("public", "flow_staging")
FLOW_TRIPS = sql.Identifier("public", "flow_trips")
_PANDAS_CHUNK = 100_000


def bare_copy(connection: Connection, file: MonthFile) -> float:
    """One stream of COPY into a plain table, nothing else: the physical limit of a single connection."""
    bare_table(connection, file.dataset, _BARE)
    settle(connection)
    with timed() as clock:
        copy_file(connection, file.path, _BARE)
    connection.execute(sql.SQL("DROP TABLE {}").format(_BARE))
    return clock.seconds


def flow_statements(connection: Connection, file: MonthFile, trips: sql.Identifier = FLOW_TRIPS) -> float:
    """What the flow sends: TRUNCATE, COPY, UPDATE, MERGE, each committed by itself, and no server between."""
    dataset = file.dataset
    for table in (_FLOW_STAGING, trips):
        connection.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(table, column_definitions(dataset)))
    settle(connection)
    pages = table_pages(connection, trips)
    with timed() as clock:
        connection.execute(sql.SQL("TRUNCATE TABLE {}").format(_FLOW_STAGING))
        names = sql.SQL(", ").join(sql.Identifier(c.sql_name) for c in dataset.columns)
        copy_file(connection, file.path, _FLOW_STAGING, sql.SQL("({})").format(names))
        connection.execute(_update(file))
        connection.execute(_merge(file, trips))
    found = fingerprint.of_file(connection, trips, file.filename, max(0, pages - 1))
    fingerprint.check(found, file.wanted, f"the flow's statements with {file.filename}")
    return clock.seconds


def _update(file: MonthFile) -> sql.Composed:
    parts = [
        sql.SQL("COALESCE(CAST({} AS text), '')").format(sql.Identifier(c.sql_name))
        for c in file.dataset.postgres_id_columns
    ]
    return sql.SQL("UPDATE {} SET unique_row_id = md5({}), filename = {}").format(
        _FLOW_STAGING, sql.SQL(" || ").join(parts), sql.Literal(file.filename)
    )


def _merge(file: MonthFile, trips: sql.Identifier) -> sql.Composed:
    names = [sql.Identifier(c.sql_name) for c in file.dataset.table_columns]
    return sql.SQL(
        "MERGE INTO {} AS t USING {} AS s ON t.unique_row_id = s.unique_row_id"
        " WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})"
    ).format(
        trips,
        _FLOW_STAGING,
        sql.SQL(", ").join(names),
        sql.SQL(", ").join(sql.SQL("s.{}").format(name) for name in names),
    )


def table_pages(connection: Connection, table: sql.Identifier) -> int:
    """How many pages a table has now."""
    row = connection.execute("SELECT pg_relation_size(%s::regclass) / 8192", [table.as_string(connection)]).fetchone()
    return int(row[0]) if row else 0


def pandas_to_sql(warehouse: Warehouse, file: MonthFile, share: int = 10) -> float:
    """pandas' `to_sql` of one row in `share`, the time multiplied by `share`: in full it takes minutes."""
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine(warehouse.url.replace("postgresql://", "postgresql+psycopg://"))
    wanted = max(1, file.wanted.rows // share)
    chunk_rows = min(_PANDAS_CHUNK, wanted)
    times = [c.sql_name for c in (file.dataset.pickup, file.dataset.dropoff)]
    with timed() as clock:
        reader = pd.read_csv(file.path, chunksize=chunk_rows, low_memory=False)
        for number, chunk in enumerate(islice(reader, wanted // chunk_rows)):
            chunk.columns = [str(name).lower() for name in chunk.columns]
            for name in times:
                chunk[name] = pd.to_datetime(chunk[name])
            chunk.to_sql("pandas_trips", engine, if_exists="append" if number else "replace", index=False)
    engine.dispose()
    return clock.seconds * share


def dlt_missing() -> str | None:
    """Why dlt cannot be measured, if it cannot."""
    if find_spec("dlt") is None:
        return "dlt is not installed: pip install -e '.[bench]'"
    return None


def dlt_load(warehouse: Warehouse, file: MonthFile, folder: str) -> float:
    """dlt's own fastest way for a CSV: arrow tables, written as CSV and copied; it appends and does not merge."""
    import dlt
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    def tables() -> object:
        with pa.input_stream(str(file.path), compression="gzip") as stream:
            options = arrow_csv.ReadOptions(block_size=16 << 20)
            types = {c.name: pa.string() for c in file.dataset.columns if c.postgres == "text"}
            types |= {c.name: pa.float64() for c in file.dataset.columns if c.postgres == "double precision"}
            convert = arrow_csv.ConvertOptions(column_types=types)
            for batch in arrow_csv.open_csv(stream, read_options=options, convert_options=convert):
                yield pa.Table.from_batches([batch])

    pipeline = dlt.pipeline(
        "bench", pipelines_dir=folder, dataset_name="dlt_trips", destination=dlt.destinations.postgres(warehouse.url)
    )
    with timed() as clock:
        pipeline.run(tables(), table_name="trips", loader_file_format="csv", write_disposition="append")
    with warehouse.connect() as connection:
        row = connection.execute("SELECT count(*) FROM dlt_trips.trips").fetchone()
    if row != (file.wanted.rows,):
        raise fingerprint.WrongLoadError(f"dlt loaded {row} of {file.wanted.rows} rows")
    return clock.seconds
