"""The truth of a story: what its messages say, read off them while they are written.

Written from the words of design.md sections 3 to 6, and from nothing else: neither the rules nor
the machine nor the fold are asked, so that they can be held against it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from lifecycle.mocking.topics import Message, action_of

_STATES: Final = ("sent", "received", "assigned", "accepted", "rejected", "retracted")
#: What moves a lead: for each action the states that it is allowed in, and where it leads.
MOVES: Final[dict[str, dict[str, str]]] = {
    "add": dict.fromkeys(("new", "rejected", "retracted"), "sent"),
    "assign": dict.fromkeys(("new", *_STATES), "assigned"),
    "accept": dict.fromkeys(("new", "sent", "received", "assigned"), "accepted"),
    "reject": dict.fromkeys(("new", "sent", "received", "assigned"), "rejected"),
    "retract": dict.fromkeys(("new", "sent", "received", "assigned", "accepted"), "retracted"),
    "update": {"new": "sent"} | {state: state for state in _STATES},
}


class Truth(NamedTuple):
    """The lead that must come of its messages, as ``lifecycle leads`` must say it.

    ``events`` are the distinct messages that concern it (a contact's deletion does not count),
    ``refused`` the ids of those that ask for what is not allowed, in the order of their times.
    """

    lead_id: str
    state: str
    events: int
    refused: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the row of a truth file."""
        return {
            "lead_id": self.lead_id,
            "state": self.state,
            "events": self.events,
            "refusals": len(self.refused),
            "refused": self.refused,
        }


class Witness:
    """Hears the messages of one lead in the order of their times, and knows what they say.

    Times are compared as texts: those of a story are all written alike.
    """

    def __init__(self) -> None:
        self.lead_id = ""
        self.state = "new"
        self.owner: str | None = None
        self.holder: str | None = None
        self.deleted = False
        self._sender: str | None = None
        self._since = ""
        self._events = 0
        self._refused: list[str] = []

    @property
    def truth(self) -> Truth:
        """The lead as its messages say so far; one of them must name it."""
        return Truth(self.lead_id, self.state, self._events, self._refused)

    def hear(self, message: Message) -> None:
        """Take in one message, later than those before."""
        action, data = action_of(message["topic"]), message["data"]
        if action == "delete":
            self.deleted = True
            return
        self._events += 1
        self.lead_id = self.lead_id or smallest_key(data["object"].get("identifier", {}))
        if self.deleted or not self._take(action, data, message["time"]):
            self._refused.append(message["id"])

    def _take(self, action: str, data: dict[str, Any], time: str) -> bool:
        """Apply a message; return False where it is not allowed and changes nothing."""
        lead = data["object"]
        state, since = self.state, self._since
        sent = action == "add" or (state == "new" and "dateSent" in lead)
        if sent:
            if state not in MOVES["add"]:
                return False
            state, since = "sent", _within(lead.get("dateSent"), since, time)
        received = lead.get("dateReceived", "")
        if received and (state == "new" or (state == "sent" and received >= since)):
            state, since = "received", _within(received, since, time)
        if action != "add":
            if state not in MOVES[action] or (state == "accepted" and self._strange(action, data)):
                return False
            if action != "update" or state == "new":
                since = time
            state = MOVES[action][state]
        self._learn(action, data, sent=sent)
        self.state, self._since = state, since
        return True

    def _strange(self, action: str, data: dict[str, Any]) -> bool:
        """Return whether somebody assigns an accepted lead who neither holds nor owns it."""
        owner = self.owner or _uri(data["object"].get("owner"))
        known = [one for one in (self.holder, owner) if one]
        agent = _uri(data.get("agent"))
        return action == "assign" and bool(agent and known) and agent not in known

    def _learn(self, action: str, data: dict[str, Any], *, sent: bool) -> None:
        """Note who owns the lead, who sent it, and who holds it now; what is not named stays."""
        lead = data["object"]
        self.owner = _uri(lead.get("owner")) or self.owner
        self._sender = _uri(lead.get("sender")) or self._sender
        named, recipient = _uri(data.get("recipient")), _uri(lead.get("recipient"))
        holder = recipient or named if sent else None
        match action:
            case "assign":
                holder = named or recipient or holder
            case "accept":
                holder = _uri(data.get("agent")) or named or recipient or holder
            case "reject":
                holder = self.owner or self._sender or holder
            case "retract":
                holder = named or self.owner or self._sender or holder
        self.holder = holder or self.holder


def _within(stated: str | None, since: str, time: str) -> str:
    """Return a stated date, brought within the lead's last step and the message's own time."""
    return min(max(stated, since), time) if stated else time


def _uri(party: Any) -> str | None:
    """Return who a party is: a URI, or an object with one."""
    return party.get("id") if isinstance(party, dict) else party


def smallest_key(identifier: dict[str, Any]) -> str:
    """Return what a message calls a lead; of several names the smallest."""
    names = ((scheme.lower(), str(value)) for scheme, value in identifier.items())
    return ":".join(min(names, default=()))
