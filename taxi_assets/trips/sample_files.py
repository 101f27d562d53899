"""Which trips a sampled file holds, in which order and how often."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from taxi_assets.trips import draws
from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.draws import Flags, Ints, Keys
from taxi_assets.trips.months import Month
from taxi_assets.trips.quirks import Quirks
from taxi_assets.trips.sample_rows import Trips


class SampleFile(NamedTuple):
    """One month's file of one taxi."""

    dataset: Dataset
    month: Month
    rows: int
    seed: int
    quirks: Quirks

    @property
    def key(self) -> np.uint64:
        return draws.key(self.dataset.taxi, self.month, self.seed)

    @property
    def start(self) -> int:
        return _seconds(self.month)

    @property
    def days(self) -> int:
        return (_seconds(self.month.next) - _seconds(self.month)) // 86400

    @property
    def vendor_rows(self) -> int:
        """Rows before the block without a vendor."""
        share = self.quirks.vendorless
        return self.rows - round(self.rows * (_published_vendorless(self) if share is None else share))

    @property
    def line_ending(self) -> str:
        return self.quirks.line_ending or {"yellow": "\n", "green": "\r\n"}[self.dataset.taxi]

    @property
    def previous(self) -> SampleFile:
        year, month = self.month
        return self._replace(month=Month(year, month - 1) if month > 1 else Month(year - 1, 12))


def _published_vendorless(file: SampleFile) -> float:
    """From 2020-04 on 31 to 48 % of a green file; from 2019-07 on 0.5 to 0.7 % of a yellow one."""
    since, least, range_ = {
        "yellow": (Month(2019, 7), 0.005, 0.002),
        "green": (Month(2020, 4), 0.31, 0.17),
    }[file.dataset.taxi]
    return least + range_ * float(file.key >> np.uint64(32)) / 2**32 if file.month >= since else 0.0


def _seconds(month: Month) -> int:
    """The month's start in seconds since 1970, as if New York's clock were UTC."""
    return int(np.datetime64(month.start, "s").astype(np.int64))


def trips(file: SampleFile, lines: Ints) -> Trips:
    """The trips that stand in these lines of the file, counted from 0."""
    quirks, previous = file.quirks, file.previous
    keys, rows, from_previous, fare_change = _shown(file, lines)
    swapped = draws.chance(draws.draw(keys, "swapped nulls", rows // 2), quirks.swapped_nulls)
    second = swapped & (rows % 2 == 1)
    # Both rows of a pair show the trip of the first.
    trip = np.where(second, rows - 1, rows)

    def chance(name: str, share: float) -> Flags:
        return draws.chance(draws.draw(keys, name, trip), share)

    def of_file(this: int, that: int) -> Ints:
        return np.where(from_previous, that, this)

    vendor_rows = of_file(file.vendor_rows, previous.vendor_rows)
    return Trips(
        key=keys,
        row=trip,
        start=of_file(file.start, previous.start),
        days=of_file(file.days, previous.days),
        rank=np.minimum(trip, vendor_rows - 1) * 2**32 // np.maximum(vendor_rows, 1),
        vendorless=trip >= vendor_rows,
        stray=chance("stray", quirks.strays),
        fare_change=fare_change,
        no_pickup=second | (~swapped & chance("null pickup", quirks.null_pickups)),
        no_dropoff=(swapped & ~second) | (~swapped & chance("null dropoff", quirks.null_dropoffs)),
        no_fare=chance("null fare", quirks.null_fares),
        pickup_as_dropoff=second,
    )


class _Kind(IntEnum):
    """What a line shows. The first line of a file always shows a trip of its own, so that there is one to repeat."""

    DUPLICATE = 0
    REPEAT = 1
    REFARED = 2
    OWN = 3


class _Shown(NamedTuple):
    """For each line the row that it shows, and the key of the file whose row it is."""

    keys: Keys
    rows: Ints
    from_previous: Flags
    """Whether that file is the previous month's."""
    fare_change: Ints
    """Cents added to the row's fare."""


def _kinds(keys: Keys, lines: Ints, quirks: Quirks) -> Ints:
    shares = np.cumsum((quirks.duplicates, quirks.repeats, quirks.refared))
    kinds = np.searchsorted(np.round(shares * 2**32), draws.draw(keys, "kind", lines), side="right")
    return np.where(lines == 0, _Kind.OWN, kinds)


def _shown(file: SampleFile, lines: Ints) -> _Shown:
    keys = np.full(len(lines), file.key)
    kinds = _kinds(keys, lines, file.quirks)
    refared = kinds == _Kind.REFARED
    from_previous = (kinds == _Kind.REPEAT) | (refared & draws.chance(draws.draw(keys, "refared from", lines), 0.5))
    fare_change = np.where(refared, 1 + draws.below(draws.draw(keys, "fare change", lines), 5000), 0)
    chosen = draws.below(draws.draw(keys, "chosen", lines), np.where(from_previous, file.rows, lines))
    keys = np.where(from_previous, file.previous.key, keys)
    rows = np.where(kinds == _Kind.OWN, lines, _own(keys, chosen, file.quirks))
    return _Shown(keys, rows, from_previous, fare_change)


def _own(keys: Keys, lines: Ints, quirks: Quirks) -> Ints:
    """These lines, or where they show another line's trip, a line before them that shows its own."""
    while (repeating := _kinds(keys, lines, quirks) != _Kind.OWN).any():
        lines = np.where(repeating, lines // 2, lines)
    return lines
