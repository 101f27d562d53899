"""What the sampled trips look like: the cells of each row, in the proportions of the files of 2019 and 2020.

Which trips stand in a file, in which order and how often, is sample_files.py's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from taxi_assets.trips.datasets import Dataset
from taxi_assets.trips.draws import Flags, Ints, Keys, below, chance, draw, pick, remainder, spread

_HOUR = 3600
_DAY = 24 * _HOUR
_FAR_DAYS = (1230681600, 1230768000, 2260915200)
"""2008-12-31, 2009-01-01 and 2041-08-24: where meters with a wrong clock put their trips."""
_RIDES = (10, 170, 240, 300, 350, 400, 455, 510, 570, 630, 690, 760, 840, 930, 1035, 1150, 1300, 1500, 1800, 2400, 4500)
"""In seconds."""
_SPEEDS = (150, 450, 570, 660, 740, 830, 930, 1060, 1260, 1650, 3500)
"""In hundredths of a mile per hour."""
_NEGOTIATED, _UNKNOWN = 5, 99
_RATE_CODES = {1: 9650, 2: 230, _NEGOTIATED: 80, 3: 22, 4: 10, 6: 4, _UNKNOWN: 4}
_TOLLS = {0: 9450, 612: 490, 1224: 20, 280: 20, 229: 10, 1375: 10}
_TIP_PERCENTS = {0: 20, 10: 10, 15: 15, 20: 35, 25: 15, 30: 5}
_ZONES = {zone: 1 + 2400 // (8 + zone * 101 % 263) for zone in range(1, 264)} | {264: 28, 265: 28}
"""A few busy zones, many quiet ones; the two unknown ones together at half a percent."""
_FRACTIONS = pa.array([f".{hundredths:02d}" for hundredths in range(100)])


@dataclass(frozen=True, slots=True)
class _Fleet:
    """How one kind of taxi differs from the other. Weights are by value; money is in cents."""

    vendors: dict[int, int]
    hours: tuple[int, ...]
    passengers: dict[int, int]
    payments: dict[int, int]
    extras: dict[int, int]
    congestion: dict[int, int]
    standing: float
    """Share of trips without a distance."""
    vendorless_congestion: bool
    """Whether a trip without a vendor has a congestion surcharge, of zero then."""


_FLEETS = {
    "yellow": _Fleet(
        vendors={1: 36, 2: 63, 4: 1},
        hours=(3, 3, 2, 1, 1, 1, 2, 4, 4, 5, 5, 5, 5, 5, 6, 6, 5, 5, 6, 6, 5, 6, 5, 4),
        passengers={1: 702, 2: 152, 3: 45, 5: 43, 6: 25, 4: 20, 0: 12, 7: 1},
        payments={1: 713, 2: 280, 3: 5, 4: 2},
        extras={0: 36, 50: 20, 250: 18, 100: 11, 300: 10, 350: 5},
        congestion={250: 92, 0: 8},
        standing=0.008,
        vendorless_congestion=True,
    ),
    "green": _Fleet(
        vendors={1: 17, 2: 83},
        hours=(1, 1, 1, 1, 2, 1, 2, 4, 6, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 5, 3, 2, 2, 2),
        passengers={1: 895, 2: 52, 6: 20, 5: 13, 3: 10, 0: 6, 4: 4},
        payments={1: 550, 2: 437, 3: 10, 4: 3},
        extras={0: 62, 100: 20, 50: 14, 275: 3, 375: 1},
        congestion={0: 80, 275: 20},
        standing=0.08,
        vendorless_congestion=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips to be shown, one to a line. Lines with the same key and row show the same trip."""

    key: Keys
    row: Ints
    start: Ints
    """When the trip's month starts, in seconds since 1970 as if New York's clock were UTC."""
    days: Ints
    """How many the trip's month has."""
    rank: Ints
    """How far into its month the row lies, as a draw."""
    vendorless: Flags
    stray: Flags
    fare_change: Ints
    """Cents added to the trip's own fare."""
    no_pickup: Flags
    no_dropoff: Flags
    no_fare: Flags
    pickup_as_dropoff: Flags
    """The time of the pickup stands in the dropoff's column."""

    def draw(self, name: str) -> Ints:
        return draw(self.key, name, self.row)

    def chance(self, name: str, share: float) -> Flags:
        return chance(self.draw(name), share)


def trip_table(dataset: Dataset, trips: Trips) -> pa.Table:
    """The cells of these trips under the dataset's header, empty ones null, ready to be written as CSV."""
    fleet = _FLEETS[dataset.taxi]
    ride = spread(trips.draw("ride"), _RIDES)
    cells = (
        _times(dataset, fleet, trips, ride) | _places(trips) | _vendor_cells(fleet, trips) | _meter(fleet, trips, ride)
    )
    return pa.table([cells[name] for name in dataset.header], names=list(dataset.header))


def _times(dataset: Dataset, fleet: _Fleet, trips: Trips, ride: Ints) -> dict[str, pa.Array]:
    pickup = _pickup(fleet, trips)
    dropoff = pickup + _elapsed(trips, ride)
    dropoff -= np.where(trips.vendorless, dropoff % 60, 0)
    dropoff = np.where(trips.pickup_as_dropoff, pickup, dropoff)
    return {
        dataset.pickup.name: _cells(pickup, trips.no_pickup).cast(pa.timestamp("s")),
        dataset.dropoff.name: _cells(dropoff, trips.no_dropoff).cast(pa.timestamp("s")),
    }


def _pickup(fleet: _Fleet, trips: Trips) -> Ints:
    """Hour follows hour down the file; inside the hour there is no order. Trips without a vendor come as they come."""
    rank = np.where(trips.vendorless, trips.draw("rank"), trips.rank)
    hour = pick(remainder(rank, trips.days), dict(enumerate(fleet.hours)))
    pickup = trips.start + below(rank, trips.days) * _DAY + hour * _HOUR + below(trips.draw("second"), _HOUR)
    pickup -= np.where(trips.vendorless, pickup % 60, 0)
    return np.where(trips.stray, _stray_day(trips) + pickup % _DAY, pickup)


def _stray_day(trips: Trips) -> Ints:
    neighbours = (trips.start - _DAY, trips.start + trips.days * _DAY)
    days = (*(np.full_like(trips.start, day) for day in _FAR_DAYS), *neighbours)
    return np.choose(below(trips.draw("stray day"), len(days)), days)


def _elapsed(trips: Trips, ride: Ints) -> Ints:
    """Seconds from pickup to dropoff: mostly the ride, else a day with the wrong date, nothing, or less."""
    draws = trips.draw("elapsed")
    odd = (chance(draws, 0.0001), chance(draws, 0.0015), chance(draws, 0.004))
    return np.select(odd, (-1 - ride % 60, np.zeros_like(ride), _DAY - 1 - ride % 600), ride)


def _places(trips: Trips) -> dict[str, pa.Array]:
    return {
        "PULocationID": pa.array(pick(trips.draw("pickup zone"), _ZONES)),
        "DOLocationID": pa.array(pick(trips.draw("dropoff zone"), _ZONES)),
    }


def _rate_code(trips: Trips) -> Ints:
    return pick(trips.draw("rate code"), _RATE_CODES)


def _vendor_cells(fleet: _Fleet, trips: Trips) -> dict[str, pa.Array]:
    """The cells that some vendors leave out, all at once."""
    rate_code = _rate_code(trips)
    stored = _cells(trips.chance("stored", 0.005).astype(np.int64), trips.vendorless)
    return {
        "VendorID": _cells(_vendor(fleet, trips), trips.vendorless),
        "passenger_count": _cells(pick(trips.draw("passengers"), fleet.passengers), trips.vendorless),
        "RatecodeID": _cells(rate_code, trips.vendorless),
        "store_and_fwd_flag": pa.array(["N", "Y"]).take(stored),
        "payment_type": _cells(_payment(fleet, trips), trips.vendorless),
        "trip_type": _cells(np.where(rate_code == _NEGOTIATED, 2, 1), trips.vendorless | (rate_code == _UNKNOWN)),
    }


def _vendor(fleet: _Fleet, trips: Trips) -> Ints:
    return pick(trips.draw("vendor"), fleet.vendors)


def _corrected(trips: Trips) -> Flags:
    """Trips whose money is taken back."""
    return trips.chance("corrected", 0.002)


def _payment(fleet: _Fleet, trips: Trips) -> Ints:
    draws = trips.draw("payment")
    return np.where(_corrected(trips), 3 + below(draws, 2), pick(draws, fleet.payments))


def _meter(fleet: _Fleet, trips: Trips, ride: Ints) -> dict[str, pa.Array]:
    """Distance, fare and all the money that adds up to the total."""
    distance = _distance(fleet, trips, ride)
    fare = _fare(trips, distance, ride)
    metered = np.where(trips.vendorless, 0, 1)
    extra = pick(trips.draw("extra"), fleet.extras) * metered
    tax = np.where(trips.chance("taxed", 0.96), 50, 0) * metered
    improvement = np.where(trips.chance("improved", 0.99), 30, 0)
    congestion = pick(trips.draw("congestion"), fleet.congestion) * metered
    tolls = pick(trips.draw("tolls"), _TOLLS)
    charges = fare + extra + tax + improvement + congestion
    tip = _tip(fleet, trips, charges)
    sign = np.where(_corrected(trips), -1, 1)
    surcharged = trips.vendorless & (not fleet.vendorless_congestion)
    return {
        "trip_distance": _miles(distance),
        "fare_amount": _dollars(fare * sign, trips.no_fare),
        "extra": _dollars(extra * sign),
        "mta_tax": _dollars(tax * sign),
        "tip_amount": _dollars(tip),
        "tolls_amount": _dollars(tolls),
        "ehail_fee": pa.nulls(len(fare)),
        "improvement_surcharge": _dollars(improvement * sign),
        "total_amount": _dollars(charges * sign + tip + tolls),
        "congestion_surcharge": _dollars(congestion * sign, surcharged),
    }


def _distance(fleet: _Fleet, trips: Trips, ride: Ints) -> Ints:
    """In hundredths of a mile. Vendor 1 measures in tenths; without one trips are longer and more meters go wild."""
    driven = ride * spread(trips.draw("speed"), _SPEEDS) // _HOUR
    in_tenths = _vendor(fleet, trips) == 1
    driven = np.select((trips.vendorless, in_tenths), (driven * 2, driven // 10 * 10), driven)
    draws = trips.draw("distance")
    wild = chance(draws, 0.00005) | (trips.vendorless & chance(draws, 0.0005))
    farthest = 2_000_000 + below(trips.draw("wild distance"), 16_000_000)
    return np.select((wild, chance(draws, fleet.standing)), (farthest, np.zeros_like(ride)), driven)


def _fare(trips: Trips, distance: Ints, ride: Ints) -> Ints:
    """In cents: by the meter in steps of 50, agreed beforehand, or, without a vendor, to any cent."""
    odd_cents = trips.draw("fare")
    meter = 250 + 50 * (np.minimum(distance, 5_000) // 20 + ride // 115)
    agreed = 500 + below(odd_cents, 8_000)
    base = 800 + ride + below(odd_cents, 1_500)
    fare = np.select((trips.vendorless, _rate_code(trips) == _NEGOTIATED), (base, agreed), meter)
    return fare + trips.fare_change


def _tip(fleet: _Fleet, trips: Trips, charges: Ints) -> Ints:
    """In cents. Only cards leave a trace of a tip; without a vendor it is nearly always the same."""
    draws = trips.draw("tip")
    by_card = (_payment(fleet, trips) == 1) & ~trips.vendorless
    return np.select(
        (trips.vendorless, by_card),
        (pick(draws, {275: 85, 0: 15}), charges * pick(draws, _TIP_PERCENTS) // 100),
        np.zeros_like(charges),
    )


def _cells(values: Ints, empty: Flags) -> pa.Array:
    return pa.array(values, mask=empty)


def _dollars(cents: Ints, empty: Flags | None = None) -> pa.Array:
    """Cents as the files write dollars: 5, 0.5, -2.75."""
    return pa.array(cents / 100, mask=empty)


def _miles(hundredths: Ints) -> pa.Array:
    """Hundredths as the files write miles: .79, 1.00, 170878.99."""
    whole = pa.array(hundredths // 100, mask=hundredths < 100).cast(pa.string()).fill_null("")
    return pc.binary_join_element_wise(whole, _FRACTIONS.take(pa.array(hundredths % 100)), "")
