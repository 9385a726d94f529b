"""Charts as SVG, drawn from numbers: colours are the style sheet's, so that they are right on light, dark and paper."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from easymtl.reporting.formats import number_text
from easymtl.reporting.page.elements import Child, Element, tag
from easymtl.reporting.page.scales import Scale, log_span, log_ticks, span, tick_texts, ticks

WIDTH, HEIGHT = 340, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 8, 38
_MARKS_MARGIN = 0.05
_MOST_MARKS = 60
NUM_COLOURS = 7
_FORMS = (
    "M-2.6 0A2.6 2.6 0 1 0 2.6 0A2.6 2.6 0 1 0 -2.6 0",
    "M-2.4 -2.4H2.4V2.4H-2.4Z",
    "M0 -3.2L3 2.4H-3Z",
    "M0 -3.4L3.4 0L0 3.4L-3.4 0Z",
)
"""Of marks, by the number of their colour: who sees no colours can tell them apart all the same."""


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        name: in the legend; empty for none.
        x: places.
        y: values; gaps where they are not finite.
        colour: number of the colour, taken again after the seventh.
        style: `line`, `dashed`, `faint` (a thin line), `points` (marks with a line), `marks` (marks alone),
            `steps` (an area of bars).
        low: lower end of a bar at each point; none where there is no such bar.
        high: upper end.
        texts: what stands beside each mark; none where there is nothing to say.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    style: str = "line"
    low: Sequence[float] = field(default_factory=tuple)
    high: Sequence[float] = field(default_factory=tuple)
    texts: Sequence[str] = field(default_factory=tuple)


Range = tuple[float, float] | None


def chart(
    title: str,
    series: Iterable[Series],
    x_label: str,
    y_label: str = "",
    x_range: Range = None,
    y_range: Range = None,
    reference: Sequence[tuple[float, float]] = (),
    is_counted: bool = False,
    is_log: bool = False,
    x_names: Sequence[str] = (),
) -> Element:
    """Returns a chart with title, axes, lines and legend.

    Args:
        title: above it.
        series: what is drawn, the last on top.
        x_label: below the axis.
        y_label: what the values are.
        x_range: of the axis; None for that of the points.
        y_range: likewise.
        reference: points of a line to compare with, such as the diagonal.
        is_counted: whether only whole numbers have a meaning below the axis.
        is_log: whether equal ratios are as far apart below the axis, whose numbers are positive.
        x_names: names of the places 0, 1 ... in place of numbers below the axis.
    """
    drawn = [one for one in series if len(one.x)]
    margin = _MARKS_MARGIN if any(one.style == "marks" for one in drawn) else 0.0
    lows, highs = x_range or (-0.5, len(x_names) - 0.5), y_range
    if not (x_range or x_names):
        lows = (log_span if is_log else span)((n for one in drawn for n in one.x), margin)
    if highs is None:
        highs = span((n for one in drawn for part in (one.y, one.low, one.high) for n in part), 0.06)
    x, y = Scale(*lows, _LEFT, WIDTH - _RIGHT, is_log), Scale(*highs, HEIGHT - _BOTTOM, _TOP)
    line = [tag("path", d=_path(reference, x, y), class_="reference")] if reference else []
    picture = tag(
        "svg",
        tag("title", f"{title}: {y_label} over {x_label}"),
        _axes(x, y, x_label, list(enumerate(x_names)) or _below(x, is_counted)),
        line,
        [_series(one, x, y) for one in drawn],
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
    )
    caption = tag("figcaption", tag("b", title), f" {y_label}" if y_label else None)
    return tag("figure", caption, picture, legend((one.name, one.colour, one.style) for one in drawn))


def legend(entries: Iterable[tuple[str, int, str]]) -> Element | None:
    """Returns what colours and kinds of lines stand for, each once; None where there is one thing alone."""
    named = list(dict.fromkeys(entry for entry in entries if entry[0]))
    if not named:
        return None
    items = []
    for name, colour, style in named:
        sample = tag("svg", _sample(style, colour), viewBox="0 0 22 10", class_=f"sample c{colour % NUM_COLOURS}")
        items.append(tag("span", sample, name, class_="entry"))
    return tag("div", items, class_="legend")


def _sample(style: str, colour: int) -> Element:
    if style == "steps":
        return tag("rect", x=1, y=1, width=20, height=8, class_="steps")
    line = tag("path", d="M1 5H21", class_=style) if style != "marks" else None
    mark = tag("path", d=_form(colour), transform="translate(11 5)", class_="mark")
    return tag("g", line, mark if style in ("points", "marks") else None)


def _form(colour: int) -> str:
    return _FORMS[colour % len(_FORMS)]


def _below(x: Scale, is_counted: bool) -> list[tuple[float, str]]:
    """Returns the ticks of the lower axis with their texts."""
    if x.is_log:
        return [(number, f"{number:g}") for number in log_ticks(x.low, x.high)]
    across = ticks(x.low, x.high, 5, is_counted)
    return list(zip(across, tick_texts(across)))


def _axes(x: Scale, y: Scale, x_label: str, across: Sequence[tuple[float, str]]) -> Element:
    parts: list[Child] = []
    for number, text in across:
        place = x(number)
        parts.append(tag("path", d=f"M{place:.1f} {_TOP}V{y.first:.1f}", class_="grid"))
        parts.append(tag("text", text, x=place, y=y.first + 13, text_anchor="middle"))
    for number, text in zip(up := ticks(y.low, y.high, 5), tick_texts(up)):
        place = y(number)
        parts.append(tag("path", d=f"M{_LEFT} {place:.1f}H{x.last:.1f}", class_="grid"))
        parts.append(tag("text", text, x=_LEFT - 5, y=place + 3.5, text_anchor="end"))
    frame = tag("path", d=f"M{_LEFT} {_TOP}V{y.first:.1f}H{x.last:.1f}", class_="axis")
    name = tag("text", x_label, x=(x.first + x.last) / 2, y=HEIGHT - 5, text_anchor="middle", class_="name")
    return tag("g", parts, frame, name, class_="axes")


def _series(one: Series, x: Scale, y: Scale) -> Element:
    points = list(zip(one.x, one.y))
    parts: list[Child] = []
    if one.style == "steps":
        parts.append(tag("path", d=_area(points, x, y), class_="steps"))
    elif one.style != "marks":
        parts.append(tag("path", d=_path(points, x, y), class_=one.style))
    for place, low, high in zip(one.x, one.low, one.high):
        if math.isfinite(low) and math.isfinite(high):
            ends = (y(min(max(end, y.low), y.high)) for end in (low, high))
            parts.append(tag("path", d=f"M{x(place):.1f} {'V'.join(f'{end:.1f}' for end in ends)}", class_="bar"))
    if one.style == "marks" or (one.style == "points" and len(points) <= _MOST_MARKS):
        parts += [
            _mark(one, x(a), y(b), f"{number_text(a)}: {number_text(b)}") for a, b in points if y.low <= b <= y.high
        ]
    for (a, b), text in zip(points, one.texts):
        # At the right border a text stands to the left of its mark.
        side = -1 if x(a) > x.last - 20 else 1
        anchor = "end" if side < 0 else "start"
        parts.append(tag("text", text, x=x(a) + 5 * side, y=y(b) - 4, text_anchor=anchor, class_="beside"))
    return tag("g", parts, class_=f"c{one.colour % NUM_COLOURS}")


def _mark(one: Series, x: float, y: float, text: str) -> Element:
    """Returns a mark, whose form goes with its colour."""
    label = tag("title", f"{one.name} {text}".strip())
    place = f"translate({x:.1f} {y:.1f})" + (" scale(1.3)" if one.style == "marks" else "")
    return tag("path", label, d=_form(one.colour), transform=place, class_="mark")


def _path(points: Iterable[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Returns lines from point to point, broken where a value is not finite, or above or below the chart."""
    text, pen = "", "M"
    for a, b in points:
        if not (math.isfinite(a) and y.low <= b <= y.high):
            pen = "M"
            continue
        text += f"{pen}{x(a):.1f} {y(b):.1f}"
        pen = "L"
    return text


def _area(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Returns bars that stand side by side; each begins at its point and ends at the next one."""
    text = f"M{x(points[0][0]):.1f} {y.first:.1f}"
    for (_, b), (following, _) in pairwise(points):
        text += f"V{y(b):.1f}H{x(following):.1f}"
    return f"{text}V{y.first:.1f}Z"


def whisker(found: Sequence[tuple[float, float, float]], low: float, high: float, zero: bool = False) -> Element:
    """Returns a small drawing of values with their intervals, one below the other, for a cell of a table.

    Args:
        found: value, low and high of each, the colours in their order; NaN where there is none.
        low: of the scale.
        high: of the scale.
        zero: whether a line stands at 0.
    """
    scale = Scale(low, high, 4, 116)
    height = 12 * max(len(found), 1)
    parts: list[Child] = (
        [tag("path", d=f"M{scale(0):.1f} 0V{height}", class_="reference")] if zero and low < 0 < high else []
    )
    for place, (value, least, most) in enumerate(found):
        y, own = 12 * place + 6, []
        if math.isfinite(least) and math.isfinite(most):
            ends = [min(max(scale(end), 1), 119) for end in (least, most)]
            own.append(tag("path", d=f"M{ends[0]:.1f} {y}H{ends[1]:.1f}", class_="bar"))
        if math.isfinite(value):
            own.append(tag("circle", cx=scale(value), cy=y, r=3, class_="mark"))
        parts.append(tag("g", own, class_=f"c{place % NUM_COLOURS}"))
    return tag("svg", parts, viewBox=f"0 0 120 {height}", width=120, height=height, class_="whisker")
