"""Generated worlds of messages, and what a store and a fold say of them, to be compared."""

import json

from hypothesis import strategies as st
from letters import rows_of
from tables import check_tables

from lifecycle import decode, fold
from lifecycle.store import lead_dict

ORG, ADA, BOB, EVE = (f"https://{name}.example.com/#me" for name in ("org", "ada", "bob", "eve"))
PARTIES = st.sampled_from(
    [
        ORG,
        ADA,
        ADA.replace("https", "HTTP"),
        [BOB],
        {"name": "Eve", "id": EVE},
        {"name": "Gotham"},
        None,
    ]
)
TOPICS = {
    "lead#add": "AddAction",
    "lead#update": "UpdateAction",
    "lead#assign": "AssignAction",
    "lead#accept": "AcceptAction",
    "lead#reject": "RejectAction",
    "lead#retract": "RetractAction",
    "lead#receive": "ReceiveAction",
    "contact#delete": "DeleteAction",
}
FIELD_CHANGES = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["salesforce", "acme"]),
        "field": st.sampled_from(["Status", "Owner"]),
    },
    optional=dict.fromkeys(("old", "new"), st.sampled_from(["Working", "Unqualified", "B", ""])),
)
SOURCES = [
    "portal",
    " Portal ",
    7,
    "***",
    None,
    {"type": "WebSite", "name": "portal.example", "url": "https://portal.example/1"},
    {"type": "MobileApplication", "url": "https://app.example"},
    [None, {"type": "AskAction", "id": "https://portal.example/q/1", "object": {"text": "Why?"}}],
    [[], {}, {"@type": "Event"}],
]
ODD_DATES = ["0001-01-01T00:00:00Z", "1985-01-01T00:00:00Z", None]
NOW = 1_900_000_000_000_000


def moments(last=9):
    """Few moments, so that many are equal."""
    return st.integers(0, last).map(lambda n: f"2026-03-01T10:0{n}:00Z")


NOTHING = ["null", " N/A ", True, None]


@st.composite
def identifiers(draw, names, least=0):
    """Names in few schemes and several shapes; some name nobody."""
    schemes = st.sampled_from(["a", "B", " A ", "@context"])
    values = st.sampled_from([*names, *names, *NOTHING])
    named = draw(st.dictionaries(schemes, values, min_size=least, max_size=2))
    match draw(st.integers(0, 7)):
        case 0:
            return [{"propertyID": scheme, "value": value} for scheme, value in named.items()]
        case 1 if named:
            scheme, value = next(iter(named.items()))
            return {"system": scheme, "value": value}
    return named


@st.composite
def lead_objects(draw):
    value = {"type": "Lead"}
    contact = {"type": "Contact", "identifier": draw(identifiers(["7", 8, "***"]))}
    if draw(st.booleans()):
        contact["sameAs"] = draw(identifiers(["7", "9"]))
    if draw(st.integers(0, 4)):
        value["identifier"] = draw(identifiers(["1", "2", "3", 4, "***"], 1))
    if draw(st.booleans()):
        value["object"] = contact | draw(
            st.fixed_dictionaries({}, optional={"name": st.sampled_from(["Joe", "Ann"])})
        )
    else:
        value["object"] = contact
    optional = dict.fromkeys(("owner", "sender", "recipient"), PARTIES)
    optional["leadSource"] = st.sampled_from(SOURCES)
    dates = ("dateSent", "dateReceived", "dateAccepted", "dateRejected")
    optional |= {name: moments() | st.sampled_from(ODD_DATES) for name in dates}
    if not draw(st.integers(0, 9)):
        value = value["object"]
    return value | draw(st.fixed_dictionaries({}, optional=optional))


@st.composite
def messages(draw):
    """One message; few names, few moments, few ids: much hangs together, much is in conflict."""
    topic = draw(st.sampled_from(list(TOPICS)))
    data = {"type": TOPICS[topic], "object": draw(lead_objects())}
    if topic == "contact#delete":
        contact = {"type": "Contact", "identifier": draw(identifiers(["7", "8", "9"], 1))}
        data = {"type": "DeleteAction", "object": contact}
    optional = dict.fromkeys(("agent", "recipient", "participant"), PARTIES)
    data |= draw(st.fixed_dictionaries({}, optional=optional))
    if not draw(st.integers(0, 3)) and topic != "contact#delete":
        topic = "lead#change"
        data |= draw(FIELD_CHANGES) | {"type": "ChangeAction"}
    message = {"topic": topic, "time": draw(moments()), "data": data}
    match draw(st.integers(0, 9)):
        case 0 | 1:
            message["time"] = message["time"].removesuffix("Z")
        case 2:
            minute = int(message["time"][15])
            message["timestamp"] = 1772359200 + 60 * minute
            message["time"] = draw(st.sampled_from([None, "1970-01-01T00:00:00Z"]))
        case 3:
            message["topic"] = f" {topic.upper()} "
    if draw(st.integers(0, 9)):
        message["id"] = f"urn:event:{draw(st.integers(0, 40))}"
    return message


@st.composite
def sent(draw):
    """Return a message as it comes: some in the envelope of a transport."""
    message = draw(messages())
    match draw(st.integers(0, 9)):
        case 0:
            return {"type": "ReflexPublishAction", "object": message}
        case 1:
            return {"Type": "Notification", "TopicArn": "x", "Message": json.dumps(message)}
        case 2:
            return message | {"data": json.dumps(message["data"])}
    return message


worlds = st.lists(sent(), min_size=1, max_size=14)


def store_says(store):
    """Leads, current history and open findings: what must not depend on the order of arrival."""
    check_tables(store)
    leads = list(store.leads())
    return {
        "leads": [lead_dict(lead) | {"contact": lead.contact} for lead in leads],
        "rows": {
            one.lead_id: rows_of(store.history(str(one.keys[0])))
            for one in leads
            if one.keys[0].kind == "lead"
        },
        "findings": sorted(
            (one.code, one.lead_id or "", one.event_id or "", one.detail)
            for one in store.findings()
        ),
    }


def history_says(history):
    """Return the same, of a fold in memory: the definition."""
    return {
        "leads": [lead_dict(one.lead) | {"contact": one.lead.contact} for one in history.leads],
        "rows": {
            one.lead.lead_id: list(one.rows)
            for one in history.leads
            if one.lead.keys[0].kind == "lead"
        },
        "findings": sorted(
            [
                (found.code, one.lead.lead_id, found.event_id or "", found.detail)
                for one in history.leads
                for found in one.findings
            ]
            + [(found.code, "", found.event_id or "", found.detail) for found in history.findings]
        ),
    }


def decodable(world):
    """Return the events of a world, without the messages that name nobody."""
    events = []
    for message in world:
        try:
            events.append(decode(message))
        except Exception:  # noqa: BLE001, S112
            continue
    return events


def world_says(rules, world):
    return history_says(fold(rules, decodable(world)))


def copy_of(message):
    """Another inbox's copy."""
    return json.loads(json.dumps(message)) | {"@id": "https://pod.example.com/inbox/2"}
