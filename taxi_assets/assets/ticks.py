"""Ticks: the moments a cron names, and the month that each of them loads. Asks no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Self
from zoneinfo import ZoneInfo

from dagster._utils.schedules import schedule_execution_time_iterator

from taxi_assets.trips.months import Month


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment of a cron, in the cron's timezone, with the moments before and after it."""

    date: datetime
    previous: datetime
    next: datetime

    @classmethod
    def at(cls, cron: str, timezone: str, date: datetime) -> Self:
        """The tick at a moment that the cron names."""
        moment = date.timestamp()
        after = (t for t in schedule_execution_time_iterator(moment, cron, timezone) if t.timestamp() > moment)
        before = (
            t
            for t in schedule_execution_time_iterator(moment, cron, timezone, ascending=False)
            if t.timestamp() < moment
        )
        return cls(date.astimezone(ZoneInfo(timezone)), next(before), next(after))

    @classmethod
    def of_month(cls, cron: str, timezone: str, month: Month) -> Self:
        """The month's own tick: the first one in it."""
        start = month.start.replace(tzinfo=ZoneInfo(timezone)).timestamp()
        return cls.at(cron, timezone, next(iter(schedule_execution_time_iterator(start, cron, timezone))))

    @property
    def month(self) -> Month:
        return Month(self.date.year, self.date.month)

    @property
    def labels(self) -> dict[str, str]:
        """`trigger.date`, `trigger.next` and `trigger.previous`, as Kestra's variables are named and written."""
        named = {"date": self.date, "next": self.next, "previous": self.previous}
        return {f"trigger.{name}": iso(date) for name, date in named.items()}

    def __str__(self) -> str:
        return iso(self.date)


def iso(date: datetime) -> str:
    """ISO 8601 with the offset; `Z` when it is UTC."""
    text = date.isoformat()
    return text.removesuffix("+00:00") + "Z" if date.tzinfo in (UTC, ZoneInfo("UTC")) else text


def ticks_after(cron: str, timezone: str, after: float, until: datetime) -> Iterator[Tick]:
    """Every tick later than the timestamp `after` up to and including `until`, oldest first."""
    last = until.timestamp()
    moments = schedule_execution_time_iterator(after, cron, timezone)
    for moment in takewhile(lambda t: t.timestamp() <= last, moments):
        if moment.timestamp() > after:
            yield Tick.at(cron, timezone, moment)
