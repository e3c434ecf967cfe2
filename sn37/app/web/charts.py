"""Charts as SVG, drawn on the server. Every mark has a title; the page has a table beside them.

Colours are classes of the style sheet, so that charts follow light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 920, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 14, 34
MAX_SERIES = 5  # tones of the style sheet
_SMALLEST = 1e-100  # what is smaller counts as 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a line: its height, the label under it, and the text that hovering shows."""

    value: float
    label: str
    title: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a column, from the bottom up."""

    share: float
    title: str
    tone: int  # 0 is the accent


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of parts that sum to at most 1."""

    label: str
    parts: Sequence[Part]


def sparkline(values: Sequence[float], caption: str) -> Markup:
    """Return a small line without axes."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    spread = high - low or 1.0
    points = " ".join(
        f"{4 + 232 * n / (len(values) - 1):.1f},{31 - 26 * (v - low) / spread:.1f}"
        for n, v in enumerate(values)
    )
    last_y = 31 - 26 * (values[-1] - low) / spread
    return Markup(
        '<svg class="spark" viewBox="0 0 240 36" role="img" aria-label="{}"><title>{}</title>'
        '<polyline class="line" points="{}"/>'
        '<circle class="dot" cx="236" cy="{:.1f}" r="2"/></svg>'
    ).format(caption, caption, points, last_y)


def line_chart(
    marks: Sequence[Mark],
    *,
    caption: str,
    format_value: str,
    level: tuple[float, str] | None = None,
    is_stepped: bool = False,
    from_zero: bool = False,
) -> Markup:
    """Return a line with a point for every mark, and a dashed level if there is one.

    Args:
        format_value: Format of the axis, such as ``"{:.1%}"``.
    """
    if not marks:
        return Markup("")
    values = [mark.value for mark in marks] + ([level[0]] if level else [])
    values += [0.0] if from_zero else []
    ticks = _ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    xs = _places(len(marks))
    ys = [_y(mark.value, low, high) for mark in marks]
    parts = [_open(caption), *_axis(ticks, format_value)]
    if level is not None:
        y = _y(level[0], low, high)
        parts.append(
            Markup(
                '<line class="level" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="note" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, y, y, WIDTH - RIGHT - 4, y - 6, level[1])
        )
    parts.append(Markup('<path class="line" d="{}"/>').format(_path(xs, ys, is_stepped)))
    for x, y, mark in zip(xs, ys, marks, strict=True):
        parts.append(
            Markup(
                '<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4.5"><title>{}</title></circle>'
            ).format("dot" if mark.is_strong else "dot hollow", x, y, mark.title)
        )
    parts += _labels(xs, [mark.label for mark in marks])
    return _closed(parts)


def column_chart(columns: Sequence[Column], *, caption: str) -> Markup:
    """Return columns of shares; the whole height is 100 %."""
    if not columns:
        return Markup("")
    step = (WIDTH - LEFT - RIGHT) / max(len(columns), 8)
    xs = [LEFT + step * (n + 0.5) for n in range(len(columns))]
    parts = [_open(caption), *_axis((0.0, 0.25, 0.5, 0.75, 1.0), "{:.0%}")]
    for x, column in zip(xs, columns, strict=True):
        height = 0.0
        for part in column.parts:
            top, bottom = _y(height + part.share, 0, 1), _y(height, 0, 1)
            parts.append(
                Markup(
                    '<rect class="tone{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                    "<title>{}</title></rect>"
                ).format(
                    min(part.tone, MAX_SERIES - 1),
                    x - 0.42 * step,
                    top,
                    0.84 * step,
                    max(bottom - top, 0.5),
                    part.title,
                )
            )
            height += part.share
    parts += _labels(xs, [column.label for column in columns])
    return _closed(parts)


def _open(caption: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>').format(
        WIDTH, HEIGHT, caption, caption
    )


def _closed(parts: Sequence[Markup]) -> Markup:
    return Markup("").join([*parts, Markup("</svg>")])


def _axis(ticks: Sequence[float], format_value: str) -> list[Markup]:
    found = []
    for value in ticks:
        y = _y(value, ticks[0], ticks[-1])
        found.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4, format_value.format(value))
        )
    return found


def _labels(xs: Sequence[float], labels: Sequence[str]) -> list[Markup]:
    """Return labels under the chart: the first, the last, and some between if there is room."""
    most = 5
    step = max(1, -(-len(labels) // most))
    found = []
    for n in range(len(labels) - 1, -1, -step):
        anchor = "end" if xs[n] > WIDTH - RIGHT - 40 else "start" if xs[n] < LEFT + 40 else "middle"
        found.append(
            Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="{}">{}</text>').format(
                xs[n], HEIGHT - 10, anchor, labels[n]
            )
        )
    return found


def _places(count: int) -> list[float]:
    if count == 1:
        return [(LEFT + WIDTH - RIGHT) / 2]
    inner = WIDTH - LEFT - RIGHT - 12
    return [LEFT + 6 + inner * n / (count - 1) for n in range(count)]


def _y(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)


def _ticks(low: float, high: float) -> Sequence[float]:
    """Return round numbers from below ``low`` to above ``high``, four to eight of them."""
    spread = high - low
    if spread <= max(1e-9 * max(abs(low), abs(high)), _SMALLEST):  # equal but for rounding
        spread = 0.1 * abs(high) if abs(high) > _SMALLEST else 1.0
    rough = spread / 5
    exponent = math.floor(math.log10(rough))
    step = next(10.0**exponent * n for n in (1, 2, 5, 10) if 10.0**exponent * n >= rough)

    def tick(number: int) -> float:
        return round(number * step, max(0, -exponent))  # 0.7 and not 0.7000000000000001

    first, last = math.floor(low / step), math.ceil((high + 0.02 * spread) / step)
    if tick(first) > low:  # by rounding
        first -= 1
    return [tick(n) for n in range(first, last + 1)]


def _path(xs: Sequence[float], ys: Sequence[float], is_stepped: bool) -> str:
    path = f"M{xs[0]:.1f} {ys[0]:.1f}"
    for x, y in zip(xs[1:], ys[1:], strict=True):
        path += f"H{x:.1f}V{y:.1f}" if is_stepped else f"L{x:.1f} {y:.1f}"
    return path
