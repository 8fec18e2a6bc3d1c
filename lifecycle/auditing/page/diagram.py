"""The drawing of the states, with what moved between them, as SVG."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, TypeAlias

import svg

from lifecycle.auditing.audit import Audit
from lifecycle.auditing.page.charts import drawing, magnitude
from lifecycle.domain import STATES

_Point: TypeAlias = "tuple[float, float]"
_Box: TypeAlias = "tuple[float, float, float, float]"

_SIZE: Final = (960, 600)
_CENTER: Final = (480, 300)
_RADII: Final = (355, 245)
_WIDE, _HIGH = 46.0, 24.0
_BEND: Final = 0.1
# Where along an edge its label may stand, the best place first, and how far beside it.
_ALONG: Final = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
_BESIDE: Final = (0.0, 9.0, -9.0, 18.0, -18.0)
_LINE: Final = 14.0
_LETTER: Final = 7.6
_MAGNITUDES: Final = (1, 2, 3, 4, 5)


def _places() -> dict[str, _Point]:
    """Return the place of each state: on a ring, in the order of the life cycle.

    No edge between two of them runs behind a third, and two pages can be compared.
    """
    angles = {state: math.pi - 2 * math.pi * n / len(STATES) for n, state in enumerate(STATES)}
    return {
        state: (
            round(_CENTER[0] + _RADII[0] * math.cos(angle), 1),
            round(_CENTER[1] - _RADII[1] * math.sin(angle), 1),
        )
        for state, angle in angles.items()
    }


_PLACES: Final = _places()


def draw_states(audit: Audit) -> str:
    """Draw the states with how many leads end there, and how many steps led to others."""
    counts: Counter[tuple[str, str]] = Counter()
    for (source, _, target), count in audit.steps.items():
        counts[source, target] += count
    edges = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    elements: list[svg.Element] = [
        svg.Title(text="The states of the leads, and how often they moved between them"),
        svg.Desc(text=_told(audit)),
        svg.Defs(elements=[_arrow_head(one) for one in _MAGNITUDES]),
    ]
    # The most frequent are drawn last, above the others.
    for ends, count in reversed(edges):
        elements += _edge(*ends, magnitude(count))
    taken = [_box(x, y, 2 * _WIDE + 8, 2 * _HIGH + 8) for x, y in _PLACES.values()]
    for ends, count in edges:
        elements += _label(*ends, f"{count:,}", taken)
    for state in STATES:
        elements += _node(state, audit.states.get(state, 0))
    return drawing(_SIZE, elements)


def _told(audit: Audit) -> str:
    """Say the same in words, for those who do not see it."""
    return "; ".join(
        f"{trigger} from {source} to {target}: {count}"
        for (source, trigger, target), count in sorted(audit.steps.items())
    )


def _arrow_head(size: int) -> svg.Marker:
    return svg.Marker(
        id=f"head-{size}",
        viewBox=svg.ViewBoxSpec(0, 0, 10, 10),
        refX=9,
        refY=5,
        markerWidth=9 + size,
        markerHeight=9 + size,
        markerUnits="userSpaceOnUse",
        orient="auto",
        elements=[
            svg.Path(
                d=[svg.M(0, 0), svg.L(10, 5), svg.L(0, 10), svg.Z()], class_=["head", f"mag-{size}"]
            )
        ],
    )


def _node(state: str, leads: int) -> list[svg.Element]:
    x, y = _PLACES[state]
    return [
        svg.Rect(
            x=x - _WIDE,
            y=y - _HIGH,
            width=2 * _WIDE,
            height=2 * _HIGH,
            rx=10,
            class_=["state", f"is-{state}"],
        ),
        svg.Text(x=x, y=y - 3, text=state, class_=["name"], text_anchor="middle"),
        svg.Text(x=x, y=y + 14, text=f"{leads:,}", class_=["count"], text_anchor="middle"),
    ]


def _edge(source: str, target: str, size: int) -> list[svg.Element]:
    start, end = _PLACES[source], _PLACES[target]
    if source == target:
        x, y = start[0] + _outwards(start) * _WIDE, start[1]
        out = x + _outwards(start) * 50
        path: list[svg.PathData] = [
            svg.M(x, y - 10),
            svg.C(out, y - 32, out, y + 32, x + _outwards(start) * 2, y + 10),
        ]
    else:
        bend = _control(start, end)
        first, last = _border(start, bend), _border(end, bend)
        path = [svg.M(*first), svg.Q(*bend, *last)]
    return [
        svg.Path(
            d=path,
            class_=["edge", f"mag-{size}"],
            stroke_width=round(0.6 + 0.6 * size, 1),
            marker_end=f"url(#head-{size})",
            fill="none",
        )
    ]


def _outwards(place: _Point) -> int:
    """Return the side of a state that has no edge to another one: 1 is the right, -1 the left."""
    return 1 if place[0] >= _CENTER[0] else -1


def _control(start: _Point, end: _Point) -> _Point:
    """Return the point that an edge bends towards: to its left, so that there and back are two."""
    (x1, y1), (x2, y2) = start, end
    return (
        round((x1 + x2) / 2 + (y2 - y1) * _BEND, 1),
        round((y1 + y2) / 2 - (x2 - x1) * _BEND, 1),
    )


def _border(center: _Point, towards: _Point) -> _Point:
    """Return the point at which a line from a node's centre leaves it."""
    dx, dy = towards[0] - center[0], towards[1] - center[1]
    scale = min(
        (_WIDE + 2) / abs(dx) if dx else math.inf, (_HIGH + 2) / abs(dy) if dy else math.inf
    )
    return (round(center[0] + dx * scale, 1), round(center[1] + dy * scale, 1))


def _label(source: str, target: str, text: str, taken: list[_Box]) -> list[svg.Element]:
    """Return the label of an edge where it covers no state and no other label.

    An edge of which every place is taken has none: the table below the drawing tells of it.
    """
    width = _LETTER * len(text)
    boxes = (_box(x, y, width, _LINE) for x, y in _label_places(source, target))
    box = next((one for one in boxes if not any(_overlap(one, other) for other in taken)), None)
    if box is None:
        return []
    taken.append(box)
    x, y = round((box[0] + box[2]) / 2, 1), round(box[1] + _LINE * 0.78, 1)
    return [
        svg.Rect(
            x=round(box[0], 1),
            y=round(box[1], 1),
            width=round(width, 1),
            height=_LINE,
            rx=3,
            class_=["under"],
        ),
        svg.Text(x=x, y=y, text=text, class_=["label"], text_anchor="middle"),
    ]


def _label_places(source: str, target: str) -> list[_Point]:
    start, end = _PLACES[source], _PLACES[target]
    if source == target:
        side = _outwards(start)
        return [(start[0] + side * (_WIDE + 40), start[1] + below) for below in (36, -36, 50, -50)]
    bend = _control(start, end)
    first, last = _border(start, bend), _border(end, bend)
    length = math.dist(first, last) or 1
    aside = ((last[1] - first[1]) / length, (first[0] - last[0]) / length)
    return [
        (x + aside[0] * beside, y + aside[1] * beside)
        for beside in _BESIDE
        for along in _ALONG
        for x, y in [_on_curve(first, bend, last, along)]
    ]


def _on_curve(start: _Point, bend: _Point, end: _Point, along: float) -> _Point:
    """Return a point of a quadratic Bezier curve."""
    weights = ((1 - along) ** 2, 2 * along * (1 - along), along**2)
    points = (start, bend, end)
    x, y = (
        sum(weight * point[axis] for weight, point in zip(weights, points, strict=True))
        for axis in (0, 1)
    )
    return (x, y)


def _box(x: float, y: float, width: float, height: float) -> _Box:
    """Return left, top, right and bottom of what is centred there."""
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: _Box, other: _Box) -> bool:
    return (
        one[0] < other[2] + 3
        and other[0] < one[2] + 3
        and one[1] < other[3] + 1
        and other[1] < one[3] + 1
    )
