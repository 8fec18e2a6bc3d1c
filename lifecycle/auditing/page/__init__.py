"""An audit as one page for a browser: it opens offline, and needs no script to be read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from markupsafe import Markup

from lifecycle import text
from lifecycle.auditing import words
from lifecycle.auditing.audit import Audit
from lifecycle.auditing.page.drawing import draw_spreads, draw_states
from lifecycle.auditing.page.environment import inert_environment
from lifecycle.domain import RULED_TRIGGERS, STATES
from lifecycle.replacing import replacing

#: What our pages begin with.
MARK: Final = b"<!doctype html>"
#: A timeline shows so many steps of a lead.
STEPS: Final = 40
_SHADES: Final = 5


def write_page(path: Path, audit: Audit, top: int, *, name: str = "") -> None:
    """Write the page; a file that is there is replaced when the new one is whole.

    Raises:
        InputError: It cannot be written.
    """
    page = render(audit, top, name=name)
    with replacing(path) as unfinished:
        unfinished.write_text(page, "utf-8")


def render(audit: Audit, top: int, *, name: str = "") -> str:
    """The page as HTML: the same for the same audit."""
    environment = inert_environment("lifecycle.auditing", "page")
    environment.filters |= {
        "counted": text.counted,
        "duration": words.duration,
        "moment": words.moment,
        "percent": words.percent,
        "short": text.short,
        "number": "{:,}".format,
    }
    template = environment.get_template("audit.html.jinja")
    return template.render(
        audit=audit,
        name=name,
        top=top,
        steps=STEPS,
        states=STATES,
        triggers=RULED_TRIGGERS,
        heat=_heat(audit),
        moves=_moves(audit),
        findings=Counter((one.severity, one.code) for one in audit.findings),
        state_drawing=Markup(draw_states(audit)),  # noqa: S704 - our own drawing
        time_drawing=Markup(draw_spreads(audit.times)),  # noqa: S704 - our own drawing
        style=Markup(_style()),  # noqa: S704 - our own style
    )


def _moves(audit: Audit) -> Mapping[tuple[str, str], list[tuple[str, int]]]:
    """For each pair of states: the triggers that led from one to the other, and how often."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for (source, trigger, target), count in sorted(audit.steps.items()):
        found[source, target].append((trigger, count))
    return found


def _heat(audit: Audit) -> Mapping[tuple[str, str], tuple[int, int]]:
    """For each state and trigger that was refused: how often, and a shade from 1 to 5."""
    most = max((one.events for one in audit.refused_by), default=1)
    return {
        (one.state, one.trigger): (one.events, _shade(one.events, most)) for one in audit.refused_by
    }


def _shade(events: int, most: int) -> int:
    """Each shade stands for half of the next darker one's number of digits or so."""
    return max(1, round(_SHADES * len(bin(events)) / len(bin(most))))


def _style() -> str:
    return Path(__file__).with_name("audit.css").read_text("utf-8")
