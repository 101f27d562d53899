"""What a month's load into any warehouse counts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class LoadFigures:
    """Counts are rows, times are seconds."""

    filename: str
    header: tuple[str, ...] = ()
    csv_bytes: int = 0
    rows_read: int = 0
    rows_inserted: int = 0
    rows_outside_month: int = 0
    rows_without_vendor: int = 0
    repeated_ids: int = 0
    preview: list[tuple[Any, ...]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """By phase."""

    @property
    def rows_matched(self) -> int:
        return self.rows_read - self.rows_inserted

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of a `with` block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start
