"""Two pictures as inline SVG: differences with their intervals, and one difference as days go by."""

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH, LABEL, ROW, MARGIN, HEIGHT = 720, 210, 24, 30, 220
INK, SOFT = "#1b3a4b", "#9fb8c4"
_TEXT: Final = 'font-family="sans-serif" font-size="12" fill="#222"'


class Mark(NamedTuple):
    """A name (or a day), an estimate and its interval, in the unit of the picture."""

    name: str
    estimate: float
    low: float
    high: float


def forest(marks: Sequence[Mark], title: str) -> str:
    """One line a mark, zero as an upright line."""
    if not marks:
        return _empty(title)
    height = MARGIN + ROW * len(marks) + MARGIN
    low, high = _range(marks)
    zero = _x(0.0, low, high)
    parts = [_dashed(zero, zero, MARGIN, height - MARGIN)]
    for number, mark in enumerate(marks):
        y = MARGIN + ROW * number + ROW / 2
        x1, x, x2 = (_x(value, low, high) for value in (mark.low, mark.estimate, mark.high))
        parts.append(f'<text x="{LABEL - 8}" y="{y + 4:.1f}" text-anchor="end" {_TEXT}>{escape(mark.name)}</text>')
        parts.append(f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{INK}" stroke-width="2"/>')
        parts.append(_dot(x, y, 4))
    parts += [_number(value, _x(value, low, high), height - 8) for value in (low, 0.0, high)]
    return _svg(parts, height, title)


def course(marks: Sequence[Mark], title: str) -> str:
    """Estimates from left to right, their intervals as a band."""
    if not marks:
        return _empty(title)
    low, high = _range(marks)
    xs = [LABEL + (WIDTH - LABEL - MARGIN) * n / max(1, len(marks) - 1) for n in range(len(marks))]

    def y(value: float) -> float:
        return MARGIN + (HEIGHT - 2 * MARGIN) * (high - value) / (high - low)

    upper = [f"{x:.1f},{y(mark.high):.1f}" for x, mark in zip(xs, marks, strict=True)]
    lower = [f"{x:.1f},{y(mark.low):.1f}" for x, mark in zip(xs, marks, strict=True)]
    line = " ".join(f"{x:.1f},{y(mark.estimate):.1f}" for x, mark in zip(xs, marks, strict=True))
    parts = [
        f'<polygon points="{" ".join([*upper, *reversed(lower)])}" fill="{SOFT}"/>',
        f'<polyline points="{line}" fill="none" stroke="{INK}" stroke-width="2"/>',
        _dashed(LABEL, WIDTH - MARGIN, y(0), y(0)),
        *(_dot(x, y(mark.estimate), 3) for x, mark in zip(xs, marks, strict=True)),
        *(_number(value, LABEL - 30, y(value) + 4) for value in (low, 0.0, high)),
        f'<text x="{xs[0]:.1f}" y="{HEIGHT - 6}" {_TEXT}>{escape(marks[0].name)}</text>',
        f'<text x="{xs[-1]:.1f}" y="{HEIGHT - 6}" text-anchor="end" {_TEXT}>{escape(marks[-1].name)}</text>',
    ]
    return _svg(parts, HEIGHT, title)


def _range(marks: Sequence[Mark]) -> tuple[float, float]:
    low, high = min(0.0, *(m.low for m in marks)), max(0.0, *(m.high for m in marks))
    return low, high if high > low else low + 1.0


def _x(value: float, low: float, high: float) -> float:
    return LABEL + (WIDTH - LABEL - MARGIN) * (value - low) / (high - low)


def _dashed(x1: float, x2: float, y1: float, y2: float) -> str:
    ends = f'x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="#222" stroke-dasharray="4"/>'


def _dot(x: float, y: float, radius: int) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{INK}"/>'


def _number(value: float, x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" {_TEXT}>{value:+.2f}</text>'


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    box = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img"><title>{escape(title)}</title>'
    return f"{head}{''.join(parts)}</svg>"


def _empty(title: str) -> str:
    return f"<p>{escape(title)}: nothing to show yet, or too few listeners.</p>"
