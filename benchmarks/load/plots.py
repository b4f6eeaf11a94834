"""Lines over time as SVG: enough for a report that needs no network. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 180
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 24
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b")
TICKS = 4
POINTS_MAX = 700


def chart(title: str, unit: str, times_s: Sequence[float], lines: Mapping[str, Sequence[float]]) -> str:
    """A figure with a legend. Of very long runs every n-th point is shown."""
    step = max(1, len(times_s) // POINTS_MAX)
    times, lines = times_s[::step], {name: values[::step] for name, values in lines.items()}
    top = max((max(values, default=0.0) for values in lines.values()), default=0.0) or 1.0
    end = max(times, default=0.0) or 1.0
    drawn = "".join(
        _line(times, values, end, top, COLOURS[number % len(COLOURS)])
        for number, values in enumerate(lines.values())
    )
    legend = " ".join(
        f'<span style="color:{COLOURS[number % len(COLOURS)]}">&#9632; {escape(name)}</span>'
        for number, name in enumerate(lines)
    )
    return (
        f"<figure><figcaption><b>{escape(title)}</b> ({escape(unit)}) {legend}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{_axes(end, top)}{drawn}</svg></figure>'
    )


def _line(times: Sequence[float], values: Sequence[float], end: float, top: float, colour: str) -> str:
    points = " ".join(
        f"{_x(at, end):.1f},{_y(value, top):.1f}" for at, value in zip(times, values, strict=True)
    )
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.4" points="{points}"/>'


def _axes(end: float, top: float) -> str:
    parts = []
    for tick in range(TICKS + 1):
        value, at = top * tick / TICKS, end * tick / TICKS
        y, x = _y(value, top), _x(at, end)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{at:.0f} s</text>')
    return "".join(parts)


def _x(at: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * at / end


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top
