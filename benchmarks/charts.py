"""Small charts as inline SVG: bars with their spread, a limit line, stacked phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

_LABEL = 290
_PLOT = 430
_VALUE = 150
_ROW = 26
_COLORS = ("#2f6f9f", "#5b9f6f", "#c9973c", "#8d6cab", "#b8574f", "#5f8f98", "#8a8a55", "#a06a85", "#777777")


def bars(series: Mapping[str, Sequence[float]], unit: str, limit: float | None = None) -> str:
    """A bar for each contender at the median of its figures, a thin line from least to most, dots for the rounds."""
    largest = max([max(figures) for figures in series.values()] + [limit or 0.0]) or 1.0
    parts = []
    for row, (name, figures) in enumerate(series.items()):
        y, middle = row * _ROW, median(figures)
        ours = name.startswith("taxi_assets") or limit is not None
        over = limit is not None and middle > limit
        color = _COLORS[4] if over else _COLORS[0] if ours else "#9aa5ab"
        parts.append(_text(_LABEL - 8, y + 17, name, "end"))
        parts.append(f'<rect x="{_LABEL}" y="{y + 5}" width="{_x(middle, largest):.1f}" height="16" fill="{color}"/>')
        low, high = (_LABEL + _x(value, largest) for value in (min(figures), max(figures)))
        parts.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y + 13}" y2="{y + 13}" stroke="#222"/>')
        parts += [
            f'<circle cx="{_LABEL + _x(value, largest):.1f}" cy="{y + 13}" r="2" fill="#222"/>' for value in figures
        ]
        parts.append(_text(_LABEL + _PLOT + 10, y + 17, f"{_figure(middle)} {unit}"))
    height = len(series) * _ROW
    if limit is not None:
        x = _LABEL + _x(limit, largest)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}" stroke="#b8574f" stroke-dasharray="4 3"/>')
    return _svg(parts, height)


def stack(phases: Mapping[str, float]) -> str:
    """One bar cut into phases, with a legend below."""
    total = sum(phases.values()) or 1.0
    width, x, parts = _LABEL + _PLOT + _VALUE, 0.0, []
    for number, (name, seconds) in enumerate(phases.items()):
        part, color = width * seconds / total, _COLORS[number % len(_COLORS)]
        parts.append(f'<rect x="{x:.1f}" y="2" width="{part:.1f}" height="22" fill="{color}"/>')
        column, line = number % 4, number // 4
        left, top = column * width / 4, 34 + line * 20
        parts.append(f'<rect x="{left}" y="{top}" width="12" height="12" fill="{color}"/>')
        parts.append(_text(left + 18, top + 11, f"{name} {seconds:.2f} s ({seconds / total:.0%})"))
        x += part
    return _svg(parts, 34 + 20 * ((len(phases) + 3) // 4))


def _x(value: float, largest: float) -> float:
    return max(0.0, _PLOT * value / largest)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: float) -> str:
    width = _LABEL + _PLOT + _VALUE
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
