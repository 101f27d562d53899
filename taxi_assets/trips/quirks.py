"""Quirks: what is odd about a sampled file, for a test or a benchmark to choose."""

from __future__ import annotations

from dataclasses import dataclass, fields

from taxi_assets.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Quirks:
    """What is odd about a file. Shares are of its rows, between 0 and 1; None stands for what the published files have.

    Raises SettingsError for a share or a line ending that cannot be.
    """

    strays: float = 0.0001
    """Pickups in 2008-12, 2009-01, 2041-08 and the neighbouring months."""
    vendorless: float | None = None
    """The block at the file's end without VendorID and the other cells that some vendors leave out."""
    line_ending: str | None = None
    duplicates: float = 0.0
    """Rows that repeat an earlier row of the file."""
    repeats: float = 0.0
    """Rows that repeat a row of the previous month's file, written with the same rows, seed and quirks."""
    refared: float = 0.0
    """Rows that repeat a row of this file or of the previous month's, as likely, with another fare."""
    null_pickups: float = 0.0
    null_dropoffs: float = 0.0
    null_fares: float = 0.0
    swapped_nulls: float = 0.0
    """Rows in pairs that agree in all but their times: pickup and no dropoff, then no pickup and that as dropoff."""

    def __post_init__(self) -> None:
        if self.line_ending not in (None, "\n", "\r\n"):
            raise SettingsError(f"line_ending is {self.line_ending!r}: choose '\\n' or '\\r\\n'")
        for name in (field.name for field in fields(self) if field.name != "line_ending"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: choose a share between 0 and 1")
        if self.duplicates + self.repeats + self.refared > 1:
            raise SettingsError(
                "duplicates, repeats and refared are more than all rows together: choose smaller shares"
            )


PUBLISHED = Quirks()
"""As published. No two rows have the same id."""

HARD = Quirks(
    strays=0.01,
    vendorless=0.4,
    line_ending="\r\n",
    duplicates=0.02,
    repeats=0.02,
    refared=0.02,
    null_pickups=0.01,
    null_dropoffs=0.01,
    null_fares=0.01,
    swapped_nulls=0.01,
)
"""All that is hard on a loader, often enough to be met in two thousand rows."""
