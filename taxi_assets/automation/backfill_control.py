"""Months given to a backfill one after another, as long as no other shell wants it to pause or to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from taxi_assets.automation.backfill import MonthResult
from taxi_assets.postgres.backfills import LiveBackfill
from taxi_assets.trips.months import Month

_POLL = 0.5


def controlled(months: Iterable[Month], live: LiveBackfill, tell: Callable[[str], None]) -> Iterator[Month]:
    """The months in their order; a month under way is always finished."""
    for month in months:
        if not _may_go_on(month, live, tell):
            live.turn("canceled")
            return
        yield month
    live.turn("finished")


def reported(results: Iterable[MonthResult], live: LiveBackfill) -> Iterator[MonthResult]:
    """The results as they come, each told to the other shells."""
    for result in results:
        live.month_done(succeeded=result.succeeded)
        yield result


def _may_go_on(month: Month, live: LiveBackfill, tell: Callable[[str], None]) -> bool:
    """Wait while a pause is wanted; False when the backfill is to stop."""
    while True:
        match live.wanted():
            case "run":
                if live.state == "paused":
                    live.turn("running")
                    tell("resumed")
                return True
            case "cancel":
                tell(f"canceled before {month}")
                return False
            case "pause":
                if live.state != "paused":
                    live.turn("paused")
                    tell(f"paused before {month}: waiting for `taxi-assets backfill-control resume`, or cancel")
                time.sleep(_POLL)
