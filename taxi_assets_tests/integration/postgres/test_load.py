"""What a load does to a database besides putting the right rows in."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from taxi_assets.errors import FileError, WarehouseError
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.digest import digest
from taxi_assets.postgres.load import Load, Loader
from taxi_assets.postgres.records import loaded_files
from taxi_assets.postgres.tables import column_definitions
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_month
from taxi_assets.trips.source import Source
from taxi_assets_tests.conftest import MakeSettings

GREEN = DATASETS["green"]
APRIL, MAY = Month(2020, 4), Month(2020, 5)

LoadMonth = Callable[..., Load]


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A source with April and May."""
    folder = tmp_path / "mirror"
    for month in (APRIL, MAY):
        publish(folder, month)
    return folder


@pytest.fixture
def settings(make_settings: MakeSettings, mirror: Path) -> Settings:
    return make_settings(source_url=mirror.as_uri())


@pytest.fixture
def load(settings: Settings, warehouse: Warehouse) -> LoadMonth:
    def load_month(month: Month, *, replace: bool = False) -> Load:
        raw = Source.from_settings(settings).fetch(GREEN, month)
        return Loader(warehouse, settings).load(GREEN, month, raw, run_id="a run", replace=replace)

    return load_month


def publish(mirror: Path, month: Month, rows: int = 500, seed: int = 0) -> Path:
    path = mirror / "green" / f"{GREEN.file_name(month)}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_month(GREEN, month, path, rows, seed=seed)
    return path


def spoil(path: Path, row: int, old: bytes, new: bytes) -> None:
    """Change one data row, counted from 1."""
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[row] = lines[row].replace(old, new, 1)
    path.write_bytes(gzip.compress(b"".join(lines)))


def contents(warehouse: Warehouse) -> list[tuple[int, str]]:
    with warehouse.connect() as connection:
        return [digest(connection, table) for table in (GREEN.table, GREEN.staging_table)]


def leftovers(warehouse: Warehouse) -> list[str]:
    """Work tables that are not part of staging, functions of work tables, and locks."""
    with warehouse.connect() as connection:
        query = """
            SELECT relname::text FROM pg_class
            WHERE relnamespace = 'taxi_assets'::regnamespace AND relname LIKE 'work%%' AND NOT relispartition
            UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'taxi_assets'::regnamespace
            UNION ALL SELECT locktype FROM pg_locks WHERE locktype = 'advisory'
        """
        return [name for (name,) in connection.execute(query)]


def test_counts_and_record(load: LoadMonth, warehouse: Warehouse) -> None:
    first, again = load(APRIL), load(APRIL)
    assert (first.rows_read, first.rows_inserted, first.rows_matched, first.total_rows) == (500, 500, 0, 500)
    assert (again.rows_read, again.rows_inserted, again.rows_matched, again.total_rows) == (500, 0, 500, 500)
    with warehouse.connect() as connection:
        (record,) = loaded_files(connection)
    assert (record.filename, record.rows_read, record.rows_inserted) == ("green_tripdata_2020-04.csv", 500, 0)
    assert record.run_id == "a run"
    assert leftovers(warehouse) == []


def test_bad_value_is_told_with_line_and_column_and_changes_nothing(
    load: LoadMonth, warehouse: Warehouse, mirror: Path
) -> None:
    load(APRIL)
    before = contents(warehouse)
    path = mirror / "green" / f"{GREEN.file_name(MAY)}.gz"
    spoil(path, 400, b",2020-05", b",2020-05-99")
    with pytest.raises(FileError, match=r"^green_tripdata_2020-05.csv.gz line 401, column lpep_pickup_datetime: .*99"):
        load(MAY)
    assert contents(warehouse) == before
    assert leftovers(warehouse) == []
    publish(mirror, MAY)
    assert load(MAY).rows_inserted == 500


def test_file_of_another_month_is_refused(load: LoadMonth, warehouse: Warehouse, mirror: Path) -> None:
    may, april = (mirror / "green" / f"{GREEN.file_name(month)}.gz" for month in (MAY, APRIL))
    load(MAY)
    before = contents(warehouse)
    april.write_bytes(may.read_bytes())
    with pytest.raises(FileError, match="100% of its pickups lie outside 2020-04"):
        load(APRIL)
    assert contents(warehouse) == before


def test_replace_leaves_the_source_s_present_rows_only(load: LoadMonth, warehouse: Warehouse, mirror: Path) -> None:
    load(MAY)
    load(APRIL)
    publish(mirror, APRIL, rows=300, seed=7)
    assert load(APRIL).total_rows == 1300
    assert load(APRIL, replace=True).total_rows == 800
    assert contents(warehouse)[1][0] == 300


def test_remove_takes_out_one_file(load: LoadMonth, settings: Settings, warehouse: Warehouse) -> None:
    load(APRIL)
    before = contents(warehouse)[0]
    load(MAY)
    assert Loader(warehouse, settings).remove(GREEN, MAY) == 500
    assert contents(warehouse) == [before, (0, "d41d8cd98f00b204e9800998ecf8427e")]


def test_generated_months_make_way_for_real_ones(
    make_settings: MakeSettings, load: LoadMonth, warehouse: Warehouse
) -> None:
    settings = make_settings()
    publish(settings.generated_dir, APRIL, seed=3)
    generated = make_settings(source_url=settings.generated_dir.as_uri())
    raw = Source.from_settings(generated).fetch(GREEN, APRIL)
    Loader(warehouse, generated).load(GREEN, APRIL, raw)
    assert load(APRIL).total_rows == 500


def test_generated_months_never_join_real_ones(
    make_settings: MakeSettings, load: LoadMonth, warehouse: Warehouse
) -> None:
    load(APRIL)
    before = contents(warehouse)
    settings = make_settings()
    publish(settings.generated_dir, APRIL, seed=3)
    generated = make_settings(source_url=settings.generated_dir.as_uri())
    raw = Source.from_settings(generated).fetch(GREEN, APRIL)
    with pytest.raises(WarehouseError, match=r"holds real trips of green_tripdata_2020-04.csv"):
        Loader(warehouse, generated).load(GREEN, APRIL, raw)
    assert contents(warehouse) == before


def test_replace_in_a_plain_staging_table(load: LoadMonth, warehouse: Warehouse, mirror: Path) -> None:
    with warehouse.connect() as connection:
        columns = column_definitions(GREEN).as_string(connection)
        connection.execute(f"CREATE TABLE public.green_tripdata_staging ({columns})".encode())
    load(APRIL)
    publish(mirror, APRIL, rows=300, seed=7)
    load(APRIL, replace=True)
    assert [rows for rows, _ in contents(warehouse)] == [300, 300]


def test_views_and_grants_on_staging_survive(load: LoadMonth, warehouse: Warehouse) -> None:
    load(APRIL)
    with warehouse.connect() as connection:
        connection.execute("CREATE VIEW recent AS SELECT * FROM public.green_tripdata_staging")
        connection.execute("CREATE ROLE reader")
        connection.execute("GRANT SELECT ON public.green_tripdata_staging TO reader")
        load(MAY)
        connection.execute("SET ROLE reader")
        assert connection.execute("SELECT DISTINCT filename FROM public.green_tripdata_staging").fetchall() == [
            ("green_tripdata_2020-05.csv",)
        ]
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT count(*) FROM recent").fetchone() == (500,)
        connection.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_staging_that_outlived_the_project_s_schema_is_mended(load: LoadMonth, warehouse: Warehouse) -> None:
    load(APRIL)
    with warehouse.connect() as connection:
        connection.execute("DROP SCHEMA taxi_assets CASCADE")
        load(APRIL)
        connection.execute("INSERT INTO public.green_tripdata_staging (vendorid) VALUES ('a flow''s')")
    assert [rows for rows, _ in contents(warehouse)] == [500, 501]


def test_table_of_another_shape_is_refused(load: LoadMonth, warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute("CREATE TABLE public.green_tripdata (vendorid integer)")
    with pytest.raises(WarehouseError, match=r"public.green_tripdata is not a table of green trips.*vendorid integer"):
        load(APRIL)


def test_ordinary_role_is_told_what_to_grant(settings: Settings, warehouse: Warehouse) -> None:
    raw = Source.from_settings(settings).fetch(GREEN, APRIL)
    name = warehouse.url.rpartition("/")[2]
    with warehouse.connect() as admin:
        admin.execute("DROP ROLE IF EXISTS loader")
        admin.execute("CREATE ROLE loader LOGIN PASSWORD 'secret' NOSUPERUSER")
        ordinary = Loader(Warehouse(f"postgresql://loader:secret@{warehouse.url.rpartition('@')[2]}"), settings)
        with pytest.raises(WarehouseError, match=f'GRANT CREATE ON DATABASE "{name}" TO "loader"'):
            ordinary.load(GREEN, APRIL, raw)
        admin.execute(f'GRANT CREATE ON DATABASE "{name}" TO loader'.encode())
        with pytest.raises(WarehouseError, match='GRANT USAGE, CREATE ON SCHEMA public TO "loader"'):
            ordinary.load(GREEN, APRIL, raw)
        admin.execute("GRANT USAGE, CREATE ON SCHEMA public TO loader")
        assert ordinary.load(GREEN, APRIL, raw).rows_inserted == 500
        assert ordinary.load(GREEN, APRIL, raw).rows_matched == 500
        admin.execute("DROP OWNED BY loader CASCADE")
        admin.execute("DROP ROLE loader")


def test_memory_does_not_grow_with_the_file(warehouse: Warehouse, tmp_path: Path) -> None:
    """A gigabyte of CSV would show, were a file held in memory; a tenth of that is enough to see it stream."""
    path = tmp_path / "yellow_tripdata_2019-01.csv.gz"
    write_month(DATASETS["yellow"], Month(2019, 1), path, 1_000_000)
    peak = subprocess.run(
        [sys.executable, "-c", _LOAD_AND_TELL_PEAK, str(path), warehouse.url],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(peak) < 400_000, "kB resident at most"


_LOAD_AND_TELL_PEAK = """
import sys
from pathlib import Path
import dagster
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.load import Loader
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS
from taxi_assets.trips.months import Month
from taxi_assets.trips.source import RawFile
path = Path(sys.argv[1])
raw = RawFile(path, path.as_uri(), "", path.stat().st_size, None, None, True, None)
Loader(Warehouse(sys.argv[2]), Settings()).load(DATASETS["yellow"], Month(2019, 1), raw)
# Not getrusage: its peak begins with that of the process that started this one.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def test_running_flow_keeps_its_staging_rows(load: LoadMonth, warehouse: Warehouse) -> None:
    load(APRIL)
    with warehouse.connect() as flow:
        flow.execute("INSERT INTO public.green_tripdata_staging (vendorid) VALUES ('on its way')")
        assert load(MAY).staging_kept == 1
        query = "SELECT vendorid FROM public.green_tripdata_staging WHERE filename IS NULL"
        assert flow.execute(query).fetchall() == [("on its way",)]
        flow.execute("DELETE FROM public.green_tripdata_staging WHERE filename IS NULL")
        assert load(APRIL).staging_kept == 0


def test_lost_work_table_is_removed_by_the_next_load(load: LoadMonth, warehouse: Warehouse) -> None:
    load(APRIL)
    with warehouse.connect() as connection:
        connection.execute("CREATE TABLE taxi_assets.work_green_2020_05_dead (a int)")
        with psycopg.connect(warehouse.url, autocommit=True) as alive:
            alive.execute("CREATE TABLE taxi_assets.work_green_2020_05_alive (a int)")
            alive.execute("SELECT pg_advisory_lock(hashtextextended('taxi_assets.work_green_2020_05_alive', 0))")
            load(MAY)
            assert [name for name in leftovers(warehouse) if name != "advisory"] == ["work_green_2020_05_alive"]
