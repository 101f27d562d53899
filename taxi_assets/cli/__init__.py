"""`taxi-assets`: what a person does from a shell. One module per group of commands."""

from __future__ import annotations

import logging
import sys

import typer
from rich.console import Console
from rich.markup import escape

from taxi_assets.cli.backfill import backfill
from taxi_assets.cli.backfill_control import control_app
from taxi_assets.cli.compare import compare
from taxi_assets.cli.db import db_app
from taxi_assets.cli.demo import demo
from taxi_assets.cli.demo_gcp import demo_gcp
from taxi_assets.cli.doctor import doctor
from taxi_assets.cli.gcp import gcp_backfill
from taxi_assets.cli.init import init
from taxi_assets.cli.kestra import kestra_app
from taxi_assets.cli.kv import kv_app
from taxi_assets.cli.month import clean, month_app
from taxi_assets.cli.services import down, up
from taxi_assets.cli.settings import settings
from taxi_assets.errors import TaxiAssetsError

_INTERRUPTED = 130
"""The exit status that typer makes of Ctrl-C."""

app = typer.Typer(
    help="NYC taxi trips as monthly Dagster assets.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.command()(backfill)
app.command()(clean)
app.command()(compare)
app.command()(demo)
app.command()(doctor)
app.command()(demo_gcp)
app.command()(gcp_backfill)
app.command()(init)
app.command()(settings)
app.command()(up)
app.command()(down)
app.add_typer(control_app, name="backfill-control")
app.add_typer(db_app, name="db")
app.add_typer(kv_app, name="kv")
app.add_typer(kestra_app, name="kestra")
app.add_typer(month_app, name="month")


def main() -> None:
    """Run the command line; an error of ours is one line and exit status 1."""
    logging.getLogger().addFilter(_is_news)
    try:
        app()
    except TaxiAssetsError as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            Console(stderr=True).print("stopped; what was loaded stays, and the same command goes on from there")
        raise


def _is_news(record: logging.LogRecord) -> bool:
    """Not each try of dagster-postgres to reach its server, of several lines; its last one ends in an error of ours."""
    return not str(record.msg).startswith("Retrying failed database connection")
