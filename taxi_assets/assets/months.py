"""The months of a run, one after the other: what the assets of every warehouse have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from dagster import AssetCheckEvaluation, AssetExecutionContext, AssetMaterialization, Failure

from taxi_assets.assets.request import labels_at_start, requested_months
from taxi_assets.errors import MonthError, TaxiAssetsError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month

MonthEvent = AssetMaterialization | AssetCheckEvaluation
"""What a month tells Dagster, as soon as it is so."""
_Held = TypeVar("_Held")


def run_months(
    context: AssetExecutionContext,
    dataset: Dataset,
    settings: Settings,
    job: str,
    one_month: Callable[[Month, _Held], Iterator[MonthEvent]],
    holding: Callable[[tuple[Month, ...]], AbstractContextManager[_Held]],
) -> Iterator[MonthEvent]:
    """Load the months the run asks for, oldest first; at the end fail naming those that failed.

    `job` is the job to name to a person whose run names no month. `holding` is open while the months are loaded; each
    is given what it holds.
    """
    try:
        months = requested_months(context.run.tags, dataset, settings, job)
    except MonthError as error:
        raise Failure(str(error)) from None
    labels = labels_at_start(context.run.tags, dataset, months, settings)
    context.instance.add_run_tags(context.run.run_id, labels)
    if "DAGSTER_HOME" not in os.environ:
        context.log.warning("DAGSTER_HOME is not set: this run is not recorded, and the UI will not show it")
    failures: dict[Month, TaxiAssetsError] = {}
    try:
        with holding(months) as held:
            for month in months:
                try:
                    yield from one_month(month, held)
                except TaxiAssetsError as error:
                    context.log.error(f"{dataset.taxi} {month} failed: {error}")
                    failures[month] = error
                except Exception as error:
                    if len(months) == 1:
                        raise
                    context.log.exception(f"{dataset.taxi} {month} failed")
                    failures[month] = TaxiAssetsError(f"{type(error).__name__}: {error}")
    except TaxiAssetsError as error:  # no slot to be had: the warehouse does not answer
        raise Failure(str(error)) from None
    if failures:
        raise _failure(dataset, months, failures)


def _failure(dataset: Dataset, months: tuple[Month, ...], failures: dict[Month, TaxiAssetsError]) -> Failure:
    if len(months) == 1:
        return Failure(str(failures[months[0]]))
    named = "; ".join(f"{month}: {error}" for month, error in failures.items())
    return Failure(f"{len(failures)} of {len(months)} {dataset.taxi} months failed, the others are loaded. {named}")
