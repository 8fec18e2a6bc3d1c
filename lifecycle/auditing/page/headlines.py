"""Headlines of a report: what is most wrong, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from lifecycle.auditing.audit import Audit
from lifecycle.auditing.figures import SMALL, Group
from lifecycle.auditing.people import party_key
from lifecycle.auditing.words import duration, percent
from lifecycle.domain import Severity, immutable
from lifecycle.text import counted, short

#: So many of them are shown.
_MOST: Final = 8
#: Somebody who takes so many times as long as all do is named.
_SLOW: Final = 1.5
#: Codes of findings in a few words.
_WHAT: Final = {
    "wrong_party": "somebody acted who did not have the lead",
    "unwitnessed_decision": "a date tells of a decision, and no message does",
    "after_contact_deleted": "messages that came after the contact was deleted",
    "ambiguous_lead": "a message may be about several leads",
    "several_ids": "leads or contacts with two ids of one kind",
    "contradiction": "fields whose old value was another",
    "unmapped_value": "values of fields that no meaning fits",
    "action_mismatch": "topic and action say different things",
    "odd_dates": "dates that cannot be right",
    "hub": "a key that very many leads share",
}
#: What of findings has a sentence of its own.
_TOLD: Final = frozenset({"invalid_transition", "conflict", "overdue"})


@immutable
class Headline:
    """A sentence, how grave it is, and the section that says more."""

    severity: Severity
    text: str
    detail: str
    section: str


def headlines(audit: Audit) -> list[Headline]:
    """Return what is most wrong, the gravest first."""
    order = ("error", "warning", "info")
    found = [*_refused(audit), *_overdue(audit), *_set_aside(audit), *_slow(audit)]
    found += [*_findings(audit), *_lost(audit)]
    return sorted(found, key=lambda one: order.index(one.severity))[:_MOST]


def _refused(audit: Audit) -> Iterator[Headline]:
    if audit.refused_by:
        worst = audit.refused_by[0]
        leads = audit.leads - audit.conforming
        detail = f"most often {worst.trigger} when {worst.state} ({worst.events:,})"
        text = f"{counted(audit.refused, 'message')} refused, in {counted(leads, 'lead')}"
        yield Headline("error", text, detail, "refused")
    conflicts = sum(one.code == "conflict" for one in audit.findings)
    if conflicts:
        text = f"{counted(conflicts, 'message id')} with several contents"
        yield Headline("error", text, "one of them counts", "findings")


def _overdue(audit: Audit) -> Iterator[Headline]:
    if audit.overdue:
        worst = max(audit.overdue, key=lambda one: (one.micros, one.stay.lead_id))
        who = audit.people.name(party_key(worst.holder)) or short(str(worst.holder or "nobody"))
        detail = f"the longest {worst.stay.state} for {duration(worst.micros)}, with {who}"
        yield Headline("error", f"{counted(len(audit.overdue), 'lead')} overdue", detail, "overdue")


def _set_aside(audit: Audit) -> Iterator[Headline]:
    lost = sum(audit.quarantined.values())
    if lost:
        codes = Counter(audit.quarantined).most_common(3)
        detail = ", ".join(f"{code.replace('_', ' ')} {count:,}" for code, count in codes)
        yield Headline("error", f"{counted(lost, 'message')} in quarantine", detail, "findings")


def _slow(audit: Audit) -> Iterator[Headline]:
    """Name who takes the longest, if that is far longer than others take."""
    groups = [one for one in audit.figures.get("holder", ()) if _is_sure(one)]
    medians = sorted(one.speed["total"].median or 0 for one in groups)
    if len(groups) > 1 and medians[-1] > _SLOW * medians[len(medians) // 2]:
        slowest = max(groups, key=lambda one: one.speed["total"].median or 0)
        speed = slowest.speed["total"]
        name = slowest.name or short(slowest.text or "nobody")
        detail = f"half of {speed.count:,} leads; others {duration(medians[len(medians) // 2])}"
        text = f"{name} takes {duration(speed.median)} to accept"
        yield Headline("warning", text, detail, "who")


def _is_sure(group: Group) -> bool:
    return group.key is not None and group.speed["total"].count >= SMALL


def _findings(audit: Audit) -> Iterator[Headline]:
    counts = Counter((one.severity, one.code) for one in audit.findings)
    for (severity, code), count in counts.most_common():
        if severity != "info" and code not in _TOLD:
            text = f"{count:,} {code.replace('_', ' ')}"
            yield Headline(severity, text, _WHAT.get(code, ""), "findings")


def _lost(audit: Audit) -> Iterator[Headline]:
    steps = {one.step: one for one in audit.funnel}
    accepted, sent = steps["accepted"], steps["sent"]
    if sent.leads and accepted.leads < sent.leads:
        lost = sent.leads - accepted.leads
        share = percent(lost / sent.leads)
        text = f"{counted(lost, 'lead')} sent and never accepted"
        yield Headline("info", text, f"{share} of {sent.leads:,}", "funnel")
