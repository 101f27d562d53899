"""Arguments that several commands take, checked as soon as they are given."""

from __future__ import annotations

from typing import Annotated

import typer

from taxi_assets.errors import MonthError, SettingsError
from taxi_assets.labels import parse_labels
from taxi_assets.settings import get_settings
from taxi_assets.trips.datasets import DATASETS, Dataset, dataset
from taxi_assets.trips.months import Month


def _taxi(text: str) -> Dataset:
    try:
        return dataset(text)
    except MonthError as error:
        raise typer.BadParameter(str(error)) from None


def partition(text: str) -> Month:
    """A month that is one of the partitions."""
    try:
        return get_settings().partition(text)
    except MonthError as error:
        raise typer.BadParameter(str(error)) from None


def given_labels(texts: list[str] | None) -> dict[str, str]:
    """The labels of a `Label` option."""
    try:
        return parse_labels(texts or [])
    except SettingsError as error:
        raise typer.BadParameter(str(error)) from None


Taxi = Annotated[Dataset, typer.Argument(parser=_taxi, metavar="TAXI", help=" or ".join(DATASETS))]
TaxiOption = Annotated[Dataset, typer.Option("--taxi", parser=_taxi, metavar="TAXI", help=" or ".join(DATASETS))]
FirstMonth = Annotated[Month, typer.Option("--from", parser=partition, metavar="MONTH", help="First month, YYYY-MM.")]
LastMonth = Annotated[
    Month | None,
    typer.Option(
        "--to", parser=partition, metavar="MONTH", help="Last month, included; the last published if not given."
    ),
]
Label = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="A label on every run, beside file and taxi. May be given often."),
]
PartitionMonth = Annotated[Month, typer.Argument(parser=partition, metavar="MONTH", help="YYYY-MM")]
