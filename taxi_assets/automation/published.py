"""Which months the source has, and how to say that it has one not."""

from __future__ import annotations

from taxi_assets.errors import SourceError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.source import Source

_LOOK_BACK = 12
"""Months to ask the source about before giving up to find the last published one."""


def unpublished(dataset: Dataset, month: Month, settings: Settings) -> str | None:
    """Why a month cannot be loaded: one line naming the last published month. None when it is published.

    A source that does not answer says nothing: the month's run asks it again, and fails where a person sees it.
    """
    if month < settings.first_month:
        return f"{dataset.taxi} {month} is before the first month, {settings.first_month} (TAXI_FIRST_MONTH)"
    if month > settings.last_month:
        last = f"the last published month is {settings.last_month} (TAXI_LAST_MONTH)"
        return f"{dataset.taxi} {month} is not published: {last}"
    source = Source.from_settings(settings)
    try:
        if source.probe(dataset, month) is not None:
            return None
        earlier = list(months_between(settings.first_month, month))[:-1][-_LOOK_BACK:]
        found = next((m for m in reversed(earlier) if source.probe(dataset, m) is not None), None)
    except SourceError:
        return None
    last = f"the last published month is {found}" if found else f"nor is any of the {len(earlier)} months before"
    return f"{dataset.taxi} {month} is not published: {last} ({source.url_of(dataset, month)})"
