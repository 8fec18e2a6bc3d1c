"""An audit as one page for a browser: it opens offline, and needs no script to be read."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from lifecycle import text
from lifecycle.auditing import words
from lifecycle.auditing.audit import Audit
from lifecycle.auditing.figures import SMALL
from lifecycle.auditing.page.charts import WEEKS, draw_funnel, draw_spreads, draw_weeks, magnitude
from lifecycle.auditing.page.diagram import draw_states
from lifecycle.auditing.page.environment import inert_environment
from lifecycle.auditing.page.headlines import headlines
from lifecycle.auditing.people import party_key
from lifecycle.auditing.report import LISTS
from lifecycle.domain import RULED_TRIGGERS, STATES
from lifecycle.replacing import replacing

#: What our pages begin with.
MARK: Final = b"<!doctype html>"
#: A timeline shows so many steps of a lead.
STEPS: Final = 40
#: A list shows so many rows: the command that prints all is beside it.
ROWS: Final = 50
#: The lists that the page shows, with the columns of each.
_SHOWN: Final = {
    "deviations": ("lead_id", "at", "state", "trigger", "by", "reason"),
    "findings": ("severity", "code", "lead_id", "detail"),
}


def write_page(path: Path, audit: Audit, top: int, *, name: str = "") -> None:
    """Write the page; a file that is there is replaced when the new one is whole.

    Raises:
        InputError: It cannot be written.
    """
    page = render(audit, top, name=name)
    with replacing(path) as unfinished:
        unfinished.write_text(page, "utf-8")


def policy() -> str:
    """Return what the page may do: it has its own style and script, and loads nothing."""
    style, script = _digest("audit.css"), _digest("audit.js")
    return (
        f"default-src 'none'; style-src '{style}'; script-src '{script}'; base-uri 'none';"
        " form-action 'none'"
    )


def render(audit: Audit, top: int, *, name: str = "", leads: str = "") -> str:
    """Return the page as HTML: the same for the same audit.

    Args:
        audit: What is told.
        top: Of variants, edits and leads it shows so many.
        name: What was audited, for the page's head.
        leads: What the address of a lead begins with; without it leads are not linked.
    """
    weeks = audit.figures.get("week", ())
    template = _environment().get_template("audit.html.jinja")
    return template.render(
        audit=audit,
        name=name,
        top=top,
        steps=STEPS,
        rows=ROWS,
        small=SMALL,
        weeks=WEEKS,
        states=STATES,
        triggers=RULED_TRIGGERS,
        heat=_heat(audit),
        moves=_moves(audit),
        headlines=headlines(audit),
        lists=_lists(audit),
        link=lambda lead_id: leads and f"{leads}{quote(lead_id, safe='')}",
        who=lambda party: audit.people.name(party_key(party)) or text.short(str(party or "")),
        findings=Counter((one.severity, one.code) for one in audit.findings),
        state_drawing=Markup(draw_states(audit)),  # noqa: S704 - our own drawing
        time_drawing=Markup(draw_spreads(audit.times)),  # noqa: S704 - our own drawing
        funnel_drawing=Markup(draw_funnel(audit.funnel)),  # noqa: S704 - our own drawing
        week_drawing=Markup(draw_weeks(weeks)),  # noqa: S704 - our own drawing
        policy=Markup(policy()),  # noqa: S704 - our own policy
        style=Markup(_file("audit.css")),  # noqa: S704 - our own style
        script=Markup(_file("audit.js")),  # noqa: S704 - our own script
    )


def _environment() -> Environment:
    environment = inert_environment("lifecycle.auditing", "page")
    environment.filters |= {
        "counted": text.counted,
        "duration": words.duration,
        "magnitude": magnitude,
        "moment": words.moment,
        "percent": words.percent,
        "short": text.short,
        "number": "{:,}".format,
    }
    return environment


def _moves(audit: Audit) -> Mapping[tuple[str, str], list[tuple[str, int]]]:
    """Return for each pair of states the triggers that led from one to the other, and how often."""
    found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for (source, trigger, target), count in sorted(audit.steps.items()):
        found[source, target].append((trigger, count))
    return found


def _heat(audit: Audit) -> Mapping[tuple[str, str], int]:
    """Return for each state and trigger that was refused: how often."""
    return {(one.state, one.trigger): one.events for one in audit.refused_by}


def _lists(audit: Audit) -> dict[str, dict[str, Any]]:
    """Return the first rows of each list that is shown, and how many there are."""
    sizes = {
        "deviations": len(audit.deviations),
        "findings": len(audit.findings),
    }
    return {
        name: {
            "columns": columns,
            "size": sizes[name],
            "rows": [
                {column: words.in_words(column, row[column]) for column in columns}
                for row in islice(LISTS[name][0](audit), ROWS)
            ],
        }
        for name, columns in _SHOWN.items()
    }


def _digest(name: str) -> str:
    """Return what a policy allows a style or a script by."""
    # In the page a line end stands before it and behind it.
    whole = f"\n{_file(name)}\n".encode()
    return f"sha256-{b64encode(hashlib.sha256(whole).digest()).decode()}"


@cache
def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8").rstrip("\n")
