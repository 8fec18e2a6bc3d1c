"""The drawings of the page, as SVG: the states with what moved between them, and durations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, TypeAlias

import svg

from lifecycle.auditing.audit import Audit
from lifecycle.auditing.stays import Spread, Times
from lifecycle.auditing.words import duration
from lifecycle.domain import STATES

_Point: TypeAlias = "tuple[float, float]"
_Box: TypeAlias = "tuple[float, float, float, float]"

_SIZE: Final = (960, 600)
_CENTER: Final = (480, 300)
_RADII: Final = (355, 245)
_WIDE, _HIGH = 46.0, 24.0
_BEND: Final = 0.1
# Where along an edge its label may stand, the best place first.
_ALONG: Final = (0.5, 0.4, 0.6, 0.32, 0.68, 0.26, 0.74, 0.45, 0.55, 0.36, 0.64, 0.2, 0.8)
_LINE: Final = 13.0
_LETTER: Final = 6.2


def _places() -> dict[str, _Point]:
    """Where each state stands: on a ring, in the order of the life cycle.

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

_ROW: Final = 42
_LEFT, _CHART = 150, 560
_SECOND: Final = 1_000_000
_TICKS: Final = (1, 60, 3600, 86_400, 86_400 * 30, 86_400 * 365)


def draw_states(audit: Audit) -> str:
    """The states with how many leads end there, and how often each step was made."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for (source, trigger, target), count in sorted(audit.steps.items(), key=_by_count):
        labels[source, target].append(f"{trigger} {count:,}")
        counts[source, target] += count
    most = max(counts.values(), default=1)
    elements: list[svg.Element] = [
        svg.Title(text="The states of the leads, and how often they moved between them"),
        svg.Desc(text=_told(audit)),
        svg.Defs(elements=[_arrow_head()]),
    ]
    for ends, count in counts.items():
        width = 1 + 4 * math.log1p(count) / math.log1p(most)
        elements += _edge(*ends, width)
    taken = [_box(x, y, 2 * _WIDE, 2 * _HIGH) for x, y in _PLACES.values()]
    elements += [_label(*ends, lines, taken) for ends, lines in labels.items()]
    for state in STATES:
        elements += _node(state, audit.states.get(state, 0))
    return _drawing(_SIZE, elements)


def _by_count(step: tuple[tuple[str, str, str], int]) -> tuple[int, tuple[str, str, str]]:
    return (-step[1], step[0])


def _told(audit: Audit) -> str:
    """The same in words, for those who do not see it."""
    return "; ".join(
        f"{trigger} from {source} to {target}: {count}"
        for (source, trigger, target), count in sorted(audit.steps.items())
    )


def _drawing(size: tuple[int, int], elements: Sequence[svg.Element]) -> str:
    return str(
        svg.SVG(
            viewBox=svg.ViewBoxSpec(0, 0, *size),
            width=size[0],
            height=size[1],
            elements=list(elements),
            extra={"role": "img"},
        )
    )


def _arrow_head() -> svg.Marker:
    return svg.Marker(
        id="head",
        viewBox=svg.ViewBoxSpec(0, 0, 10, 10),
        refX=9,
        refY=5,
        markerWidth=9,
        markerHeight=9,
        markerUnits="userSpaceOnUse",
        orient="auto",
        elements=[svg.Path(d=[svg.M(0, 0), svg.L(10, 5), svg.L(0, 10), svg.Z()], class_=["head"])],
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


def _edge(source: str, target: str, width: float) -> list[svg.Element]:
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
            class_=["edge"],
            stroke_width=round(width, 2),
            marker_end="url(#head)",
            fill="none",
        )
    ]


def _outwards(place: _Point) -> int:
    """The side of a state on which no edge to another one is: 1 is the right, -1 the left."""
    return 1 if place[0] >= _CENTER[0] else -1


def _control(start: _Point, end: _Point) -> _Point:
    """What an edge bends towards: to its left, so that there and back are two."""
    (x1, y1), (x2, y2) = start, end
    return (
        round((x1 + x2) / 2 + (y2 - y1) * _BEND, 1),
        round((y1 + y2) / 2 - (x2 - x1) * _BEND, 1),
    )


def _border(center: _Point, towards: _Point) -> _Point:
    """Where a line from a node's centre leaves it."""
    dx, dy = towards[0] - center[0], towards[1] - center[1]
    scale = min(
        (_WIDE + 2) / abs(dx) if dx else math.inf, (_HIGH + 2) / abs(dy) if dy else math.inf
    )
    return (round(center[0] + dx * scale, 1), round(center[1] + dy * scale, 1))


def _label(source: str, target: str, lines: Sequence[str], taken: list[_Box]) -> svg.Element:
    """The label of an edge, where it covers no state and no other label, if there is room."""
    width = _LETTER * max(map(len, lines))
    height = _LINE * len(lines)
    boxes = [_box(x, y, width, height) for x, y in _label_places(source, target)]
    box = next((one for one in boxes if not any(_overlap(one, other) for other in taken)), boxes[0])
    taken.append(box)
    x, top = round((box[0] + box[2]) / 2, 1), box[1]
    return svg.Text(
        class_=["label"],
        text_anchor="middle",
        elements=[
            svg.TSpan(x=x, y=round(top + _LINE * (number + 0.78), 1), text=line)
            for number, line in enumerate(lines)
        ],
    )


def _label_places(source: str, target: str) -> list[_Point]:
    start, end = _PLACES[source], _PLACES[target]
    if source == target:
        side = _outwards(start)
        return [(start[0] + side * (_WIDE + 34), start[1] + 34)]
    bend = _control(start, end)
    first, last = _border(start, bend), _border(end, bend)
    return [_on_curve(first, bend, last, along) for along in _ALONG]


def _on_curve(start: _Point, bend: _Point, end: _Point, along: float) -> _Point:
    """A point of a quadratic Bezier curve."""
    weights = ((1 - along) ** 2, 2 * along * (1 - along), along**2)
    points = (start, bend, end)
    x, y = (
        sum(weight * point[axis] for weight, point in zip(weights, points, strict=True))
        for axis in (0, 1)
    )
    return (x, y)


def _box(x: float, y: float, width: float, height: float) -> _Box:
    """Left, top, right and bottom of what is centred there."""
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: _Box, other: _Box) -> bool:
    return (
        one[0] < other[2] + 3
        and other[0] < one[2] + 3
        and one[1] < other[3] + 1
        and other[1] < one[3] + 1
    )


def draw_spreads(times: Times) -> str:
    """For each state a line from the median over 90 % to 99 % of its stays, on a log scale."""
    rows = [(state, spread) for state, spread, _ in times.by_state() if spread.count]
    if not rows:
        return ""
    longest = max(spread.p99 or 0 for _, spread in rows) / _SECOND
    height = _ROW * len(rows) + 30
    elements: list[svg.Element] = [
        svg.Title(text="How long leads stay in each state: median, 90 % and 99 %"),
    ]
    for tick in _TICKS:
        if tick <= longest * 1.5:
            elements += _tick(tick, longest, height)
    for number, (state, spread) in enumerate(rows):
        elements += _spread(state, spread, _ROW * number + 28, longest)
    return _drawing((_LEFT + _CHART + 100, height), elements)


def _place(seconds: float, longest: float) -> float:
    share = math.log1p(max(seconds, 0)) / math.log1p(max(longest, 1))
    return round(_LEFT + _CHART * share, 1)


def _tick(tick: int, longest: float, height: int) -> list[svg.Element]:
    x = _place(tick, longest)
    return [
        svg.Line(x1=x, x2=x, y1=4, y2=height - 22, class_=["tick"]),
        svg.Text(
            x=x,
            y=height - 6,
            text=duration(tick * _SECOND),
            class_=["note"],
            text_anchor="middle",
        ),
    ]


def _spread(state: str, spread: Spread, y: float, longest: float) -> list[svg.Element]:
    median, p90, p99 = (
        _place((one or 0) / _SECOND, longest) for one in (spread.median, spread.p90, spread.p99)
    )
    return [
        svg.Text(x=_LEFT - 14, y=y + 4, text=state, class_=["name"], text_anchor="end"),
        svg.Line(x1=median, x2=p99, y1=y, y2=y, class_=["range"]),
        svg.Circle(cx=median, cy=y, r=6, class_=["dot", f"is-{state}"]),
        svg.Line(x1=p90, x2=p90, y1=y - 7, y2=y + 7, class_=["mark"]),
        svg.Line(x1=p99, x2=p99, y1=y - 4, y2=y + 4, class_=["mark"]),
        svg.Text(
            x=median, y=y - 11, text=duration(spread.median), class_=["note"], text_anchor="middle"
        ),
    ]
