"""A comparison as a page: its blocks in order, and as GitHub's Markdown. `page_html` makes a file of HTML of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart, in HTML only: a group of bars for each category, one bar of each series in it. Two series at most."""

    title: str
    categories: Sequence[str]
    series: Mapping[str, Sequence[float]]
    shown: str
    """How a value is written, such as `{:.2f} s`."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list; `none` when it is empty."""

    lines: Sequence[str]


Block: TypeAlias = str | Heading | Grid | Bars | Bullets
"""Text is a paragraph."""


@dataclass(frozen=True, slots=True)
class Page:
    how: str
    """What the two sides are: the first line that a reader sees."""
    title: str
    verdict: str
    blocks: Sequence[Block]


def markdown(page: Page) -> str:
    """The page as GitHub's Markdown."""
    lines = [page.how, "", f"# {page.title}", "", page.verdict, ""]
    for block in page.blocks:
        written = list(_markdown(block))
        if written:
            lines += [*written, ""]
    return "\n".join(lines)


def _markdown(block: Block) -> Iterator[str]:
    match block:
        case Heading(text):
            yield f"## {text}"
        case Grid(columns, rows):
            for cells in (columns, ["---"] * len(columns), *rows):
                yield f"| {' | '.join(_escaped(cell) for cell in cells)} |"
        case Bullets(lines):
            yield from [f"- {_escaped(line)}" for line in lines] or ["none"]
        case str(text):
            yield text
        case Bars():
            pass


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
