"""The arithmetic of a benchmark: interleaved rounds, medians, and whether a goal is met. Knows no database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

Seconds = dict[str, float]
"""By contender."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio that is to stay at or below a limit."""

    name: str
    text: str
    """As a person reads it."""
    limit: float


@dataclass(frozen=True, slots=True)
class Result:
    """A goal and what was measured of it."""

    name: str
    goal: str
    limit: float
    ratio: float
    """Median of the rounds' ratios."""
    low: float
    high: float
    met: bool
    rounds: list[Seconds]
    """Per round the figure of each contender, and the round's `ratio`."""
    unit: str = "s"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one contender took for one piece of work, round by round."""

    work: str
    contender: str
    rows: int
    seconds: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.seconds)


@dataclass(slots=True)
class Findings:
    """All that a run of the benchmark found."""

    goals: list[Result] = field(default_factory=list)
    timings: list[Timing] = field(default_factory=list)
    phases: dict[str, Seconds] = field(default_factory=dict)
    """By piece of work: median seconds of each phase of our loads."""
    skipped: dict[str, str] = field(default_factory=dict)
    """What was not measured, and why."""

    def add(self, found: Findings) -> None:
        self.goals += found.goals
        self.timings += found.timings
        self.phases |= found.phases
        self.skipped |= found.skipped


def judge(goal: Goal, rounds: Sequence[Seconds], ratio: Callable[[Seconds], float], unit: str = "s") -> Result:
    """Compute each round's ratio, so that contenders are compared with what ran beside them, and take the median."""
    told = [{**figures, "ratio": ratio(figures)} for figures in rounds]
    ratios = [figures["ratio"] for figures in told]
    middle = median(ratios)
    return Result(goal.name, goal.text, goal.limit, middle, min(ratios), max(ratios), middle <= goal.limit, told, unit)


def interleaved(rounds: int, contenders: Mapping[str, Callable[[int], float]]) -> list[Seconds]:
    """Run every contender once a round, each round beginning with another one.

    A contender gets the round's number and returns its own figure, so that preparing and checking stay out of it.
    """
    names = list(contenders)
    found = []
    for number in range(rounds):
        turn = number % len(names)
        found.append({name: contenders[name](number) for name in names[turn:] + names[:turn]})
    return found


def timings(work: str, rows: int, rounds: Sequence[Seconds], notes: Mapping[str, str] | None = None) -> list[Timing]:
    """The rounds contender by contender."""
    notes = notes or {}
    return [Timing(work, name, rows, [r[name] for r in rounds], notes.get(name, "")) for name in sorted(rounds[0])]


def medians(rounds: Sequence[Mapping[str, float]]) -> Seconds:
    """The median of each figure that occurs, in the order of the first round."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: median(figures.get(name, 0.0) for figures in rounds) for name in names}


class Clock:
    """Seconds of a `with` block."""

    seconds = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    start = time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - start
