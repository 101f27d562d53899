"""Where the benchmark runs: one PostgreSQL of its own, databases that come and go, and the months to load."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from isal import igzip
from psycopg import Connection, sql

from benchmarks import fingerprint
from benchmarks.fingerprint import Fingerprint
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.postgres.server import EmbeddedServer
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import DATASETS, Dataset
from taxi_assets.trips.months import Month
from taxi_assets.trips.sample import write_month
from taxi_assets.trips.source import RawFile

YELLOW = DATASETS["yellow"]
GREEN = DATASETS["green"]
_BLOCK = 1 << 20
_AS_IN_TABLE = sql.SQL("")
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured."""

    rounds: int = 5
    rows: int = 1_000_000
    """Of the yellow month that most goals speak of."""
    base_rows: int = 20_000_000
    """Of the large trips table."""
    small_rows: int = 10_000
    """Of a month in which Dagster's own time shows."""
    small_months: int = 12
    """How many of them are backfilled."""
    kestra_url: str | None = None


@dataclass(frozen=True, slots=True)
class MonthFile:
    """A month's .csv.gz, and what PostgreSQL has to hold when it is loaded."""

    dataset: Dataset
    month: Month
    raw: RawFile
    wanted: Fingerprint

    @property
    def filename(self) -> str:
        return self.dataset.file_name(self.month)

    @property
    def path(self) -> Path:
        return self.raw.path


def raw_file(path: Path) -> RawFile:
    """A file on the disk as the source would hand it over."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return RawFile(path, path.as_uri(), sha256, path.stat().st_size, None, None, False, None)


@dataclass(slots=True)
class Ground:
    """The benchmark's server and folder."""

    options: Options
    folder: Path
    server_url: str
    shared: Path | None
    """Real months in the mirror layout, where there are any."""
    _files: dict[tuple[str, Month, int], MonthFile] = field(default_factory=dict)
    _databases: int = 0

    @contextmanager
    def database(self) -> Iterator[Warehouse]:
        """An empty database, gone afterwards."""
        self._databases += 1
        name = sql.Identifier(f"bench_{self._databases}")
        admin = Warehouse(self.server_url)
        with admin.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield Warehouse(self.server_url.rpartition("/")[0] + f"/bench_{self._databases}")
        finally:
            with admin.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def settings(self, warehouse: Warehouse, **fields: object) -> Settings:
        """The project's defaults, for a database and a data folder of the benchmark's."""
        given = {"data_dir": self.folder / "data", "postgres_url": warehouse.url, "_env_file": None, **fields}
        return Settings(**given)  # type: ignore[arg-type]

    def month(self, month: Month, rows: int, dataset: Dataset = YELLOW) -> MonthFile:
        """A generated month, published strays included; written once."""
        key = (dataset.taxi, month, rows)
        if key not in self._files:
            self._files[key] = self.described(dataset, month, self.written(month, rows, dataset))
        return self._files[key]

    def written(self, month: Month, rows: int, dataset: Dataset = YELLOW) -> Path:
        """The file of a generated month, written anew."""
        path = self.mirror(rows) / dataset.taxi / f"{dataset.file_name(month)}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_month(dataset, month, path, rows)
        return path

    def mirror(self, rows: int) -> Path:
        """Folder of the generated months of a size, laid out as a source."""
        return self.folder / f"generated_{rows}"

    def described(self, dataset: Dataset, month: Month, path: Path) -> MonthFile:
        """A month's file with the fingerprint of its rows, computed from a bare copy of it."""
        table = sql.Identifier("public", "described")
        with self.database() as warehouse, warehouse.connect() as connection:
            bare_table(connection, dataset, table)
            copy_file(connection, path, table)
            wanted = fingerprint.expected(connection, dataset, table, dataset.file_name(month))
        return MonthFile(dataset, month, raw_file(path), wanted)


def bare_table(connection: Connection, dataset: Dataset, table: sql.Identifier) -> None:
    """A new table of a CSV's own columns."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c.sql_name), sql.SQL(c.postgres)) for c in dataset.columns
    )
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))


def copy_file(
    connection: Connection, path: Path, table: sql.Identifier, columns: sql.Composable = _AS_IN_TABLE
) -> None:
    """Bare single-stream COPY of a gzipped CSV."""
    copy_in = sql.SQL("COPY {} {} FROM STDIN (FORMAT csv, HEADER)").format(table, columns)
    with igzip.open(path, "rb") as stream, connection.cursor().copy(copy_in) as copy:
        while block := stream.read(_BLOCK):
            copy.write(block)


def settle(connection: Connection) -> None:
    """Write out what the work before left behind, so that it is not paid by the one that is timed."""
    connection.execute("CHECKPOINT")


def shared_trips() -> Path | None:
    """The folder of real months, if this machine has it."""
    folder = Path(os.environ.get("TAXI_SHARED_DIR", _REPOSITORY.parent / "shared"))
    trips = folder / "data" / "trips"
    return trips if trips.is_dir() else None


@contextmanager
def prepared(options: Options, folder: Path) -> Iterator[Ground]:
    """A server in the folder, with the defaults of PostgreSQL, stopped at the end."""
    server = EmbeddedServer(folder / "postgres")
    try:
        yield Ground(options, folder, server.start(), shared_trips())
    finally:
        server.stop()
