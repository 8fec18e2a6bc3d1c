"""Charts of the page, as SVG: the funnel, speed to lead by week, durations of states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import svg

from lifecycle.auditing.figures import Group, Step
from lifecycle.auditing.stays import Spread, Times
from lifecycle.auditing.words import duration, percent

_MOST_SHADES: Final = 5
_ROW: Final = 42
_LEFT, _CHART = 150, 560
_SECOND: Final = 1_000_000
_TICKS: Final = (1, 60, 3600, 86_400, 86_400 * 30, 86_400 * 365)
#: A picture of weeks shows so many, the last ones.
WEEKS: Final = 53
_HEIGHT: Final = 220
_ABOVE, _BELOW = 16, 34
#: Heights of a scale of durations, in seconds: the first that four steps of reach the longest.
_STEPS: Final = tuple(
    unit * count
    for unit, counts in (
        (1, (1, 5, 15, 30)),
        (60, (1, 5, 15, 30)),
        (3600, (1, 2, 3, 6, 12)),
        (86_400, (1, 2, 7, 14, 30, 90, 365, 3650)),
    )
    for count in counts
)


def magnitude(count: int) -> int:
    """Return a colour for a number, by its order of magnitude: 1 below ten, 5 from 10,000 on."""
    return min(_MOST_SHADES, len(str(max(count, 1))))


def drawing(size: tuple[int, int], elements: Sequence[svg.Element]) -> str:
    """Return a drawing of this size, which grows and shrinks with the page."""
    return str(
        svg.SVG(
            viewBox=svg.ViewBoxSpec(0, 0, *size),
            width=size[0],
            height=size[1],
            elements=list(elements),
            extra={"role": "img"},
        )
    )


def draw_funnel(steps: Sequence[Step]) -> str:
    """Draw a bar for each step: how many of the leads that were sent came so far."""
    most = steps[0].leads if steps else 0
    if not most:
        return ""
    elements: list[svg.Element] = [
        svg.Title(text="Of the leads that were sent, how many came how far"),
        svg.Desc(text="; ".join(f"{one.step}: {one.leads:,}" for one in steps)),
    ]
    for number, one in enumerate(steps):
        y = _ROW * number + 6
        width = round(_CHART * min(one.leads / most, 1), 1)
        took = "" if one.step == "sent" else f", half of them within {duration(one.took.median)}"
        note = f"{one.leads:,} ({percent(one.share)})" + took * bool(one.leads)
        inside = width > _CHART / 2
        elements += [
            svg.Text(x=_LEFT - 14, y=y + 20, text=one.step, class_=["name"], text_anchor="end"),
            svg.Rect(x=_LEFT, y=y, width=_CHART, height=30, rx=4, class_=["whole"]),
            svg.Rect(x=_LEFT, y=y, width=width, height=30, rx=4, class_=["bar", f"is-{one.step}"]),
            svg.Text(
                x=_LEFT + 10 if inside else _LEFT + width + 8,
                y=y + 20,
                text=note,
                class_=["inside" if inside else "note"],
            ),
        ]
    return drawing((_LEFT + _CHART + 10, _ROW * len(steps)), elements)


def draw_weeks(groups: Sequence[Group]) -> str:
    """Draw speed to lead by week: a bar to the median, a mark at 90 %; small weeks are hollow."""
    weeks = [one for one in groups if one.key is not None][-WEEKS:]
    spreads = [one.speed["total"] for one in weeks]
    longest = max((spread.p90 or 0 for spread in spreads), default=0) / _SECOND
    if not longest:
        return ""
    step = next((one for one in _STEPS if one * 4 >= longest), _STEPS[-1])
    scale = (_HEIGHT - _ABOVE - _BELOW) / max(longest, step)
    wide = min(64.0, (_CHART + _LEFT - 90) / len(weeks))
    bottom = _HEIGHT - _BELOW
    elements: list[svg.Element] = [
        svg.Title(text="Speed to lead by the week in which leads were sent"),
        svg.Desc(text="; ".join(map(_told_week, weeks))),
    ]
    for number in range(int(longest / step) + 1):
        y = round(bottom - number * step * scale, 1)
        elements += [
            svg.Line(x1=80, x2=_LEFT + _CHART, y1=y, y2=y, class_=["tick"]),
            svg.Text(
                x=74,
                y=y + 4,
                text=duration(number * step * _SECOND) if number else "0",
                class_=["note"],
                text_anchor="end",
            ),
        ]
    every = math.ceil(len(weeks) * 62 / (_CHART + _LEFT - 90))
    for number, (week, spread) in enumerate(zip(weeks, spreads, strict=True)):
        x = 84 + wide * number
        elements += _bar(week, spread, (x, wide * 0.7, bottom, scale))
        if number % every == 0:
            middle = round(x + wide * 0.35, 1)
            text = week.key or ""
            elements.append(
                svg.Text(x=middle, y=bottom + 18, text=text, class_=["note"], text_anchor="middle")
            )
    return drawing((_LEFT + _CHART + 10, _HEIGHT), elements)


def _told_week(week: Group) -> str:
    speed = week.speed["total"]
    return f"{week.key}: median {duration(speed.median)}, 90 % {duration(speed.p90)}, {speed.count}"


def _bar(
    week: Group, spread: Spread, place: tuple[float, float, float, float]
) -> list[svg.Element]:
    x, width, bottom, scale = place
    if spread.median is None or spread.p90 is None:
        return []
    high = round(spread.median / _SECOND * scale, 1)
    top = round(bottom - spread.p90 / _SECOND * scale, 1)
    middle, few = round(x + width / 2, 1), ["few"] * week.is_small
    return [
        svg.Line(x1=middle, x2=middle, y1=top, y2=bottom, class_=["range", "thin"]),
        svg.Line(
            x1=round(x + width / 4, 1),
            x2=round(x + width * 3 / 4, 1),
            y1=top,
            y2=top,
            class_=["range", "thin"],
        ),
        svg.Rect(
            x=round(x, 1),
            y=round(bottom - high, 1),
            width=round(width, 1),
            height=max(high, 1),
            class_=["bar", "is-week", *few],
        ),
    ]


def draw_spreads(times: Times) -> str:
    """Draw for each state a line from the median over 90 % to 99 % of its stays, on a log scale."""
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
    return drawing((_LEFT + _CHART + 100, height), elements)


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
