"""Descriptions of the parts of messages, in the words of the documents (seeds 000 to 002, 004)."""

from __future__ import annotations

from typing import Final

SUMMARY_OF_TOPIC: Final = {
    "lead#add": "A CRM lead was created.",
    "lead#send": "A lead was sent (data.object). Not a topic of the network; lifecycle reads it.",
    "lead#receive": "A lead was received (data.object). Not a topic of the network; lifecycle reads"
    " it.",
    "lead#update": "A CRM lead was updated.",
    "lead#assign": "A lead was assigned.",
    "lead#accept": "A lead (data.object) was accepted by the recipient (data.recipient).",
    "lead#reject": "A CRM lead was rejected.",
    "lead#retract": "A lead (data.object) is taken back from the previous assignee"
    " (data.participant) by the previous sender or owner (data.recipient).",
    "lead#change": "A field of an object in another system changed, as that system recorded. Not a"
    " topic of the network; lifecycle reads it.",
    "contact#delete": "A contact (data.object) is deleted by a user (data.agent).",
}

ENVELOPE: Final = {
    "time": "Date and time at which the event was produced.",
    "timestamp": "The same in milliseconds since 1970 (seconds, microseconds and"
    " nanoseconds are known by their size). It counts where there is no time.",
    "id": "The event's id: a URI that is unique to the event and does not change. All subscribers"
    " receive the same id for the same event.",
    "@id": "The id of this copy in one inbox.",
    "agent": "The user associated with the event's data.",
    "instrument": "The app or service that produced the event on behalf of the agent.",
    "source": "A copy of the event was sent to the source.",
    "originalRecipient": "Tells which subscription delivered the event: the agent's, or the"
    " source's.",
}

_ACTION: Final = {
    "type": "The kind of action. The topic decides; what contradicts it is a finding.",
    "@type": "The same as type.",
    "agent": "The user, team or organization who did it.",
    "reason": "The reason it was done.",
    "comment": "A comment about it.",
    "dateSent": "When the data was sent.",
}
_OWN_ID: Final = "Its own id. It counts where there is no identifier."

#: By shape; the empty name is the shape itself.
WORDS: Final[dict[str, dict[str, str]]] = {
    "LeadAction": _ACTION
    | {
        "": "What is done to a lead.",
        "object": "A sales opportunity (object) offered by a sender to a recipient.",
        "recipient": "Who receives the lead by this action: the assignee; after a retract the"
        " owner.",
        "participant": "From whom the lead is taken: the previous assignee; of a reject who made"
        " the offer.",
    },
    "ContactAction": _ACTION
    | {"": "What is done to a contact.", "object": "The contact that is deleted."},
    "LeadShape": {
        "": "The lead as it is now.",
        "identifier": "Identifiers assigned to the lead by the vendors who know it.",
        "@id": _OWN_ID,
        "id": _OWN_ID,
        "object": "The lead (Contact).",
        "owner": "The original owner of the lead.",
        "sender": "The lead provider.",
        "recipient": "The lead recipient.",
        "dateSent": "The date the lead was sent.",
        "dateReceived": "The date/time the item was received by its recipient.",
        "dateAccepted": "The date/time the item was accepted by the recipient.",
        "dateRejected": "The date/time the item was rejected by the recipient.",
        "leadSource": "Where the lead came from: a web site, an event on it, a mobile application.",
    },
    "ContactShape": {
        "": "The person behind a lead.",
        "identifier": "Identifier assigned to a contact by the vendor who originally created the"
        " contact.",
        "sameAs": "Identifiers of the same contact elsewhere.",
        "@id": _OWN_ID,
        "id": _OWN_ID,
    },
}

# A person in the place of the lead is described as the lead and its contact are.
WORDS["PersonAction"] = WORDS["LeadAction"]
WORDS["ChangeAction"] = WORDS["LeadAction"] | {
    "": "What another system recorded of a field.",
    "source": "The system: salesforce, hubspot, genesys, or a name of your own.",
    "field": "The field, by its API name.",
    "old": "The value before. It is not stated where it is missing or null.",
    "new": "The value after; an empty one where it is missing or null.",
    "current": "What the field is, where the record states that and no change.",
    "record": "The system's id of the changed object, where that is not the lead's key of it.",
    "recipient": "To whom the lead was handed.",
}
WORDS["ChangePersonAction"] = WORDS["ChangeAction"]
WORDS["PersonShape"] = {
    **WORDS["LeadShape"],
    **WORDS["ContactShape"],
    "": "The person behind a lead, whom the message names in the place of the lead.",
}
