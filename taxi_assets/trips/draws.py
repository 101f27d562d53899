"""Draws: numbers that look random and depend on nothing but a key, a name and a row.

A generator's stream would have to be read from its start, and NumPy promises its distributions for one release
only. Here every row can be drawn alone and in any order, and all arithmetic is on integers, so that every machine
and release gives the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BITS = 32
"""A draw is a whole number below 2**32, so that it times any count below 2**31 still fits 64 bits."""
_STEP, _FIRST, _SECOND = (np.uint64(it) for it in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""The constants of SplitMix64 (Steele, Lea and Flood, 2014)."""


def key(*parts: object) -> np.uint64:
    """The key of everything that is drawn for these parts, for example a taxi, a month and a seed."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.uint64(int.from_bytes(digest[:8], "little"))


def draw(keys: Keys, name: str, rows: Ints) -> Ints:
    """One number in 0 … 2**32 - 1 for each pair of a key and a row; another name gives unrelated numbers."""
    bits = rows.astype(np.uint64)
    bits *= _STEP
    bits += keys ^ key(name)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        bits ^= bits >> np.uint64(shift)
        bits *= factor
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(64 - _BITS)).astype(np.int64)


def chance(draws: Ints, share: float) -> Flags:
    """True for this share of the draws."""
    inside: Flags = draws < round(share * 2**_BITS)
    return inside


def below(draws: Ints, limit: int | Ints) -> Ints:
    """Each draw as a whole number in 0 … limit - 1."""
    return draws * limit >> _BITS


def remainder(draws: Ints, limit: int | Ints) -> Ints:
    """What `below` rounds away, as a draw: where a draw lies inside its own of `limit` equal parts."""
    rest: Ints = draws * limit % 2**_BITS
    return rest


def pick(draws: Ints, weights: dict[int, int]) -> Ints:
    """Each draw as one of the weighted values."""
    table = np.repeat(np.array(list(weights), np.int64), list(weights.values()))
    return table[below(draws, len(table))]


def spread(draws: Ints, knots: Sequence[int]) -> Ints:
    """Each draw as a value between the knots: every two neighbours hold an equal share, evenly spread."""
    ends = np.array(knots, np.int64)
    part = below(draws, len(ends) - 1)
    return ends[part] + below(remainder(draws, len(ends) - 1), np.diff(ends)[part])
