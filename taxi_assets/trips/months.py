"""Months, the unit everything is partitioned by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from taxi_assets.errors import MonthError

_FORM = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


class Month(NamedTuple):
    """A calendar month. Orders by time; prints as `YYYY-MM`, which is also its partition key."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """Read `YYYY-MM`. Raises MonthError for anything else."""
        match = _FORM.fullmatch(text)
        if match is None or not 1 <= int(match[2]) <= 12 or int(match[1]) == 0:
            raise MonthError(f"{text!r} is not a month: write it as YYYY-MM, for example 2020-04")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def start(self) -> datetime:
        """The month's first moment, without a time zone as in the trip files."""
        return datetime(self.year, self.month, 1)

    @property
    def next(self) -> Month:
        return Month(self.year + self.month // 12, self.month % 12 + 1)


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from `first` to `last`, both included, oldest first; nothing when `last` is before `first`."""
    while first <= last:
        yield first
        first = first.next
