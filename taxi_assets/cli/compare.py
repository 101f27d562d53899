"""`taxi-assets compare`: the same months by Dagster and by Kestra, or in both warehouses, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import SecretStr

from taxi_assets.cli.arguments import FirstMonth, TaxiOption, partition
from taxi_assets.cli.compare_warehouses import compare_warehouses
from taxi_assets.cli.dagster_side import dagster_side
from taxi_assets.cli.kestra import KestraPassword, KestraUser
from taxi_assets.cli.show import console, write_page
from taxi_assets.errors import SettingsError
from taxi_assets.kestra import report
from taxi_assets.kestra.client import KestraClient
from taxi_assets.kestra.compare import KestraSide, MonthComparison, Sides
from taxi_assets.kestra.databases import fresh_database, target_of
from taxi_assets.kestra.file_server import serving
from taxi_assets.kestra.sides import KestraServerSide, ReplaySide
from taxi_assets.postgres.connection import Warehouse
from taxi_assets.settings import Settings, get_settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.origin_folder import folder_of
from taxi_assets.trips.source import Source

NAMESPACE = "zoomcamp.compare"
"""Not that of the deployed flows: what a person has there stays as it is."""
_EVERYWHERE = ("0.0.0.0", "[::]", "::")  # noqa: S104  looked for, not bound to
OUR_DATABASE, KESTRA_DATABASE = "taxi_compare_dagster", "taxi_compare_kestra"


@dataclass(frozen=True, slots=True)
class Server:
    """How a Kestra server, its database and our files are reached."""

    url: str
    user: str | None
    password: str | None = field(repr=False)
    database_url: str = field(repr=False)
    jdbc_url: str | None
    files_bind: str
    files_url: str | None
    timeout: float


def compare(
    taxi: TaxiOption,
    first: FirstMonth,
    last: Annotated[Month, typer.Option("--to", parser=partition, metavar="MONTH", help="Last month, included.")],
    replay: Annotated[bool, typer.Option("--replay", help="No server: execute the flows' statements here.")] = False,
    warehouses: Annotated[
        bool, typer.Option("--warehouses", help="No Kestra: what PostgreSQL holds beside what BigQuery holds.")
    ] = False,
    backfill: Annotated[
        bool, typer.Option("--backfill", help="Backfill flow 05 instead of executing flow 04.")
    ] = False,
    kestra_url: Annotated[str | None, typer.Option(envvar="KESTRA_URL", help="Where the server answers.")] = None,
    kestra_user: KestraUser = None,
    kestra_password: KestraPassword = None,
    kestra_database_url: Annotated[
        str | None, typer.Option(help="An empty database for Kestra's side, as this machine reaches it: postgresql://…")
    ] = None,
    kestra_jdbc_url: Annotated[
        str | None, typer.Option(help="The same database as Kestra reaches it: jdbc:postgresql://host:port/database.")
    ] = None,
    files_bind: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where files of a file:// source are served to Kestra.")
    ] = "127.0.0.1:0",
    files_url: Annotated[
        str | None, typer.Option(help="The same as Kestra reaches it: http://host.docker.internal:9000.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that a month may take on Kestra's side.")] = 900,
    output: Annotated[Path, typer.Option(help="Folder for compare.md and compare.html.")] = Path(),
) -> None:
    """Run the same months by Dagster and by Kestra, each in a database of its own, and report what differs.

    Exits with 1 on any difference. Both databases are kept, to look at. With --warehouses nothing is run: it compares
    the rows that the months brought to the trips tables of PostgreSQL and of BigQuery.
    """
    settings = get_settings()
    months = list(months_between(first, last))
    if not months:
        raise typer.BadParameter(f"--from {first} is after --to {last}")
    if warehouses:
        if replay or backfill:
            raise typer.BadParameter("--warehouses compares what is loaded: it takes neither --replay nor --backfill")
        compare_warehouses(settings, taxi, months, output)
        return
    with ExitStack() as stack:
        if replay:
            kestra_database, kestra, ours = _replayed(settings, taxi, months, kestra_database_url, backfill)
        elif kestra_url and kestra_database_url:
            server = Server(
                kestra_url,
                kestra_user,
                kestra_password,
                kestra_database_url,
                kestra_jdbc_url,
                files_bind,
                files_url,
                timeout,
            )
            kestra_database, kestra, ours = stack.enter_context(_served(settings, server, backfill))
        else:
            raise typer.BadParameter("give --kestra-url and --kestra-database-url, or --replay, or --warehouses")
        our_database = fresh_database(Warehouse.from_settings(settings), OUR_DATABASE)
        ours = ours.model_copy(update={"postgres_url": SecretStr(our_database.url)})
        run_month = stack.enter_context(dagster_side(taxi, ours))
        comparison = Sides(our_database, kestra_database, _tell).compare(taxi, months, run_month, kestra)
    report.show(comparison, console)
    write_page(report.page(comparison), output)
    console.print(
        f"Dagster's tables: {our_database.display}\nKestra's tables:  {kestra_database.display}", soft_wrap=True
    )
    if not comparison.same:
        raise typer.Exit(1)


def _replayed(
    settings: Settings, dataset: Dataset, months: Sequence[Month], database_url: str | None, backfilling: bool
) -> tuple[Warehouse, KestraSide, Settings]:
    """Kestra's database, its side, and the settings of ours. Files are fetched first, so nobody's seconds hold it."""
    source = Source.from_settings(settings)
    for month in months:
        console.print(f"{dataset.file_name(month)}: fetching", soft_wrap=True)
        source.fetch(dataset, month)
    if database_url is None:
        database = fresh_database(Warehouse.from_settings(settings), KESTRA_DATABASE)
    else:
        database = Warehouse(database_url, settings.connect_timeout, "--kestra-database-url", settings.silence_timeout)
    return database, ReplaySide(settings, database, source.path_of, backfilling), settings


@contextmanager
def _served(settings: Settings, server: Server, backfilling: bool) -> Iterator[tuple[Warehouse, KestraSide, Settings]]:
    """The same with a server: Kestra downloads every month, so our side does too, into a folder of its own."""
    with ExitStack() as stack:
        source = stack.enter_context(_files(settings, server))
        target = target_of(server.database_url, server.jdbc_url, source, NAMESPACE)
        client = stack.enter_context(KestraClient(server.url, server.user, server.password))
        status = stack.enter_context(console.status("deploying the flows"))
        side = stack.enter_context(
            KestraServerSide(client, settings, target, server.timeout, status.update, backfilling)
        )
        downloads = Path(stack.enter_context(TemporaryDirectory(prefix="taxi-assets-compare-")))
        database = Warehouse(
            server.database_url, settings.connect_timeout, "--kestra-database-url", settings.silence_timeout
        )
        yield database, side, settings.model_copy(update={"data_dir": downloads})


@contextmanager
def _files(settings: Settings, server: Server) -> Iterator[str]:
    """The URL that Kestra downloads from."""
    if not settings.source_url.startswith("file://"):
        yield settings.source_url
        return
    host, _, port = server.files_bind.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"--files-bind {server.files_bind!r}: write it as HOST:PORT, for example 0.0.0.0:9000")
    if host in _EVERYWHERE and server.files_url is None:
        raise SettingsError(
            f"--files-bind {server.files_bind} listens on every address and names none: "
            "say with --files-url how Kestra reaches it, for example http://host.docker.internal:9000"
        )
    with serving(folder_of(settings.source_url), host, int(port)) as url:
        yield server.files_url or url


def _tell(month: MonthComparison) -> None:
    state = "same" if month.same else "DIFFERS"
    console.print(f"{month.month}: {state}, Dagster {month.ours.seconds:.2f} s, Kestra {month.kestra.seconds:.2f} s")
