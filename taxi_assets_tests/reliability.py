"""docs/reliability.md: what comes of odd files and faults, as the tests found it.

A test reports a row with the fixture `report`. Usually the row must stand in the page as it is; under
`pytest --write-reliability` the rows are collected, and `python -m taxi_assets_tests.reliability` writes the page.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"
ROWS = Path(__file__).parent.parent / ".pytest_cache" / "reliability"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a month's run came to: an error of one line, or the counts of its rows."""

    fails: str = ""
    rows_read: int = 0
    rows_inserted: int = 0

    def without(self, address: str) -> str:
        """In the words of the page, where the source's address is the reader's own."""
        if self.fails:
            return f"fails: {self.fails.replace(address.removeprefix('file://'), '…').replace('file://', '')}"
        return f"loads: {self.rows_read:,} rows read, {self.rows_inserted:,} inserted"


@dataclass(frozen=True, slots=True)
class Row:
    section: str
    name: str
    title: str
    ours: str
    kestra: str

    @property
    def line(self) -> str:
        cells = (self.title, self.ours, self.kestra)
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


class Report:
    """Takes a test's rows to the page, or holds the page against them."""

    def __init__(self, section: str, *, write: bool) -> None:
        self._section = section
        self._write = write

    def row(self, name: str, title: str, ours: str, kestra: str = "") -> None:
        row = Row(self._section, name, title, ours, kestra)
        if self._write:
            ROWS.mkdir(parents=True, exist_ok=True)
            (ROWS / f"{self._section}.{name}.json").write_text(json.dumps(asdict(row)))
        else:
            assert row.line in PAGE.read_text(encoding="utf-8"), "docs/reliability.md is old: run make reliability"
