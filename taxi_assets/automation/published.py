"""Which months the source has, and how to say that it has one not."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from taxi_assets.errors import SourceError
from taxi_assets.settings import Settings
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.months import Month, months_between
from taxi_assets.trips.source import Source

_LOOK_BACK = 12
"""Months to ask the source about before giving up to find the last published one."""
_TIMEOUT = 10
"""Seconds without an answer. The scheduler gives up a schedule that takes longer than a minute."""


def unpublished(dataset: Dataset, months: Iterable[Month], settings: Settings) -> dict[Month, str]:
    """Those of the months that cannot be loaded, and why: one line naming the last published month.

    A source that does not answer at once says nothing: the month's run asks it again, and fails where a person sees it.
    """
    hasty = settings.model_copy(update={"http_attempts": 1, "http_timeout": min(settings.http_timeout, _TIMEOUT)})
    source = Source.from_settings(hasty)
    answers = True

    @cache
    def is_there(month: Month) -> bool:
        return source.probe(dataset, month) is not None

    reasons = {}
    for month in months:
        missing = f"{dataset.taxi} {month} is not published"
        if month < settings.first_month:
            before = f"is before the first month, {settings.first_month} (TAXI_FIRST_MONTH)"
            reasons[month] = f"{dataset.taxi} {month} {before}"
        elif month > settings.last_month:
            reasons[month] = f"{missing}: the last published month is {settings.last_month} (TAXI_LAST_MONTH)"
        elif answers:
            try:
                if is_there(month):
                    continue
                earlier = list(months_between(settings.first_month, month))[:-1][-_LOOK_BACK:]
                found = next(filter(is_there, reversed(earlier)), None)
            except SourceError:
                answers = False
                continue
            last = (
                f"the last published month is {found}" if found else f"nor is any of the {len(earlier)} months before"
            )
            reasons[month] = f"{missing}: {last} ({source.url_of(dataset, month)})"
    return reasons
