"""A page as one HTML file with charts. It loads nothing from elsewhere, so that it can be mailed and kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from taxi_assets.kestra.page import Bars, Block, Bullets, Grid, Heading, Page

_STYLE = """
:root { color-scheme: light dark; --ours: #4f43dd; --theirs: #e2703a; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --ours: #9a92ff; --theirs: #ff9d6b; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
.how { border-left: .3rem solid var(--theirs); padding-left: .8rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: left; white-space: nowrap; }
td.number { text-align: right; }
td.digest { font-family: ui-monospace, monospace; font-size: 12px; }
.wide { overflow-x: auto; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.ours { fill: var(--ours); } .theirs { fill: var(--theirs); } .grid { stroke: var(--line); }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 760, 260, 56, 44, 34
_STEPS = 4
_CLASSES = ("ours", "theirs")


def html(page: Page) -> str:
    """The whole file. The first line a reader sees is the page's `how`."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
            f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head><body>",
            f'<p class="how">{escape(page.how)}</p>',
            f"<h1>{escape(page.title)}</h1>",
            f"<p><strong>{escape(page.verdict)}</strong></p>",
            *map(_block, page.blocks),
            "</body></html>\n",
        ]
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Grid(columns, rows):
            return _table(columns, rows)
        case Bars():
            return _bars(block)
        case Bullets(lines):
            return _list(lines) if lines else "<p>none</p>"
        case str(text):
            return f"<p>{escape(text)}</p>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(_cell(name, value) for name, value in zip(columns, row, strict=True))}</tr>" for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(column: str, value: str) -> str:
    kind = "digest" if column.startswith("md5") else "number" if value[:1].isdigit() and column != "month" else ""
    return f'<td class="{kind}">{escape(value)}</td>'


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _bars(bars: Bars) -> str:
    """Bars side by side for each category, with a scale, a legend, and the value of each bar in its tooltip."""
    top = _round_up(max(value for values in bars.series.values() for value in values) or 1.0)
    plot = _HEIGHT - _TOP - _BOTTOM
    group = (_WIDTH - _LEFT) / len(bars.categories)
    width = min(group * 0.8 / len(bars.series), 48)
    parts = [*_scale(top, plot), *_legend(bars.series)]
    for position, category in enumerate(bars.categories):
        left = _LEFT + group * position + (group - width * len(bars.series)) / 2
        for number, (name, values) in enumerate(bars.series.items()):
            height = plot * values[position] / top
            parts.append(
                f'<rect class="{_CLASSES[number]}" x="{left + width * number:.1f}" y="{_TOP + plot - height:.1f}" '
                f'width="{width * 0.94:.1f}" height="{height:.1f}">'
                f"<title>{escape(name)} {escape(category)}: {bars.shown.format(values[position])}</title></rect>"
            )
        if position % (len(bars.categories) // 12 + 1) == 0:
            middle = _LEFT + group * (position + 0.5)
            label = f'<text x="{middle:.1f}" y="{_TOP + plot + 18}" text-anchor="middle">{escape(category)}</text>'
            parts.append(label)
    return (
        f"<h2>{escape(bars.title)}</h2>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" aria-label="{escape(bars.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _round_up(value: float) -> float:
    """The end of a scale whose steps are 1, 2, 2.5 or 5 and zeros."""
    magnitude = 10.0 ** math.floor(math.log10(value / _STEPS))
    return next(factor * magnitude * _STEPS for factor in (1, 2, 2.5, 5, 10) if factor * magnitude * _STEPS >= value)


def _scale(top: float, plot: float) -> list[str]:
    parts = []
    for step in range(_STEPS + 1):
        y = _TOP + plot * (1 - step / _STEPS)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{top * step / _STEPS:,.10g}</text>')
    return parts


def _legend(names: Iterable[str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x = _LEFT + 110 * number
        parts.append(f'<rect class="{_CLASSES[number]}" x="{x}" y="8" width="12" height="12"/>')
        parts.append(f'<text x="{x + 18}" y="18">{escape(name)}</text>')
    return parts
