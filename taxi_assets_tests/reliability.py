"""docs/reliability.md: what comes of odd files and faults, as the tests found it.

A test reports a row with the fixture `report`. Usually the row must stand in the page as it is; under
`pytest --write-reliability` the rows are collected, and `python -m taxi_assets_tests.reliability` writes the page.
"""

from __future__ import annotations

import json
import shutil
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
        cells = (self.title, self.ours, self.kestra)[: len(_SECTIONS[self.section][2])]
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


_INTRODUCTION = """\
# Reliability

Written by `make reliability` from the results of the tests; a test fails when this page no longer says what it found.
Kestra's column is what Kestra 1.1.15 did with the same file, running the course flow 04_postgres_taxi.

A month that fails leaves both tables as they were, and its raw file is not kept: when the source has a good file, the
next run loads it. A month that loads is in as a whole, in one transaction.
"""
_SECTIONS = {
    "bad_files": ("Odd and broken files", "Each is published in place of a yellow month of 10,000 rows; row 500 stands "
                  "in line 501. Where nothing else is said, the good month was loaded before.",
                  ("file", "here", "Kestra")),
    "outages": ("The server away, busy or full", "Nothing of the month is in, and it loads when the fault is gone. "
                "A month is tried up to three times when the server does not answer or went away.", ("fault", "here")),
    "paused": ("A server that is paused, a network that swallows everything", "Nothing tells such a server from a busy "
               "one but that it lets nobody in: after 60 s without a byte (TAXI_SILENCE_TIMEOUT) it is asked, and has "
               "10 s to answer (TAXI_CONNECT_TIMEOUT). If it goes on before, so does the load.", ("fault", "here")),
    "rights": ("An ordinary role", "Each missing right is one line with the statement that gives it. From nothing:",
               ("database", "here")),
    "downloads": ("Downloads", "A file stands under its name only when it is whole and verified. It is asked for three "
                  "times here, and as often as TAXI_HTTP_ATTEMPTS says otherwise.", ("fault", "here")),
}  # fmt: skip
_CRASHES = """\
## Crashes and races

`test_crashes.py` and `test_races.py` in `taxi_assets_tests/integration/faults` kill loads and crash servers at random
moments, load months side by side, and hold the flow's own statements up around a load. `make torture` does it for long.
`test_storage.py` takes Dagster's own storage away during a backfill: months that cannot be recorded are reported as
failed, the others load when it is back, and `--only failed` and `--only missing` load the rest.
"""


def page(rows: list[Row]) -> str:
    """The whole page, its rows in the order they are given."""
    parts = [_INTRODUCTION]
    for section, (title, text, columns) in _SECTIONS.items():
        head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"
        lines = [row.line for row in rows if row.section == section]
        parts.append("\n".join([f"## {title}", "", text, "", head, *lines, ""]))
    return "\n".join([*parts, _CRASHES])


def main() -> None:
    """Write the page from the rows that `pytest --write-reliability` left."""
    found = [Row(**json.loads(path.read_text())) for path in sorted(ROWS.glob("*.json"))]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(found), encoding="utf-8")
    shutil.rmtree(ROWS)
    print(f"{len(found)} rows written to {PAGE}")


if __name__ == "__main__":
    main()
