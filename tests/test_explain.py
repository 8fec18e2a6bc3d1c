"""Why a lead is in its state: the story, and the same as data."""

import json

import pytest
from letters import ADA, BOB, ORG, deletion, lead, moment

from lifecycle import AmbiguousLeadError, LeadReader, LeadStore, Rules, explain
from lifecycle.domain import guard
from lifecycle.text import reason_in_words

CONTACT = {"c": "7"}


@pytest.fixture
def story(path, write_log, lifecycle):
    """Return a lead that was offered twice; the message that explains its last accept came late."""
    log = write_log(
        [
            lead("add", "10:00", contact=CONTACT, snapshot={"owner": ORG}, id="urn:add"),
            lead("assign", "10:01", agent=ORG, recipient=ADA, id="urn:assign"),
            lead("reject", "10:02", agent=ADA, reason="no time", id="urn:reject"),
            lead("accept", "10:04", agent=BOB, id="urn:accept"),
            lead("update", "10:05", id="urn:update"),
            lead("assign", "10:06", agent=BOB, recipient=ADA, id="urn:again"),
            lead("accept", "10:07", agent=BOB, id="urn:twice"),
        ]
    )
    assert lifecycle("replay", path, log).exit_code == 0
    with LeadStore(path) as store:
        store.apply(lead("assign", "10:03", agent=ORG, recipient=BOB, id="urn:late"))
        store.apply(lead("update", "10:01", id="urn:idle"))
    return path


def explained(lifecycle, *arguments):
    result = lifecycle("explain", *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_path_says_which_message_each_step_comes_from(story, tmp_path, lifecycle):
    found = explained(lifecycle, story, "crmleadid:1")
    steps = [(one["trigger"], one["from"], one["to"], one["by"]) for one in found["path"]]
    assert steps == [
        ("send", "new", "sent", None),
        ("assign", "sent", "assigned", ORG),
        ("reject", "assigned", "rejected", ADA),
        ("assign", "rejected", "assigned", ORG),
        ("accept", "assigned", "accepted", BOB),
        ("assign", "accepted", "assigned", BOB),
        ("accept", "assigned", "accepted", BOB),
    ]
    message = found["path"][2]["message"]
    assert {name: message[name] for name in ("event_id", "line", "outcome", "late")} == {
        "event_id": "urn:reject",
        "line": 3,
        "outcome": "applied",
        "late": False,
    }
    assert message["log"] == str(tmp_path / "log.jsonl")
    assert message["payload"]["data"]["reason"] == "no time"
    assert found["lead"]["state"] == "accepted"
    assert found["rules"]["name"] == "default"
    assert [one["event_id"] for one in found["noted"]] == ["urn:idle", "urn:update"]


def test_another_content_under_a_known_id_is_told_with_where_it_differs(path, write_log, lifecycle):
    parties = {"agent": ADA}, {"agent": BOB, "reason": "mine"}
    contents = [lead("accept", "10:01", id="urn:1", **one) for one in parties]
    log = write_log([lead("add", "10:00"), *contents, contents[0] | {"time": moment("10:02")}])
    lifecycle("replay", path, log)
    found = explained(lifecycle, path, "crmleadid:1")
    (path_of_it,) = found["path"][1:]
    counts = path_of_it["message"]["payload"]
    assert [one["payload"] for one in found["copies"]].count(counts) == 0
    assert len(found["copies"]) == 2
    for one in found["copies"]:
        for each in one["differences"]:
            *where, name = each["path"].split(".")
            places = [one["payload"], counts]
            for part in where:
                places = [place[part] for place in places]
            assert [place.get(name) for place in places] == [each["copy"], each["counts"]]
    text = lifecycle("explain", path, "crmleadid:1").output
    assert "What came with another content under a known id\n  urn:1: accept of 2026-" in text
    assert "; counts: " in text


def test_what_came_late_says_what_it_changed(story, lifecycle):
    late, idle = explained(lifecycle, story, "crmleadid:1")["corrections"]
    assert [one["event_id"] for one in late["because"]] == ["urn:late"]
    changed = {one["event_id"]: one for one in late["changes"]}
    assert set(changed) == {"urn:accept", "urn:again"}
    (was,), (now,) = changed["urn:accept"]["was"], changed["urn:accept"]["now"]
    assert (was["verdict"], was["from"], was["to"]) == ("no_edge", "rejected", "rejected")
    assert (now["verdict"], now["from"], now["to"]) == ("stated", "assigned", "accepted")
    assert [one["event_id"] for one in idle["because"]] == ["urn:idle"]
    assert idle["changes"] == []


def test_refused_attempts_say_why(story, lifecycle):
    with LeadStore(story) as store:
        store.apply(lead("accept", "10:08", agent=ADA, id="urn:third"))
    (refused,) = explained(lifecycle, story, "crmleadid:1")["refused"]
    assert (refused["trigger"], refused["from"], refused["by"]) == ("accept", "accepted", ADA)
    assert refused["reason"] == {"kind": "no_edge", "allowed": ["assign", "retract", "update"]}
    assert refused["message"]["event_id"] == "urn:third"
    assert refused["who"] == "nobody"
    found = explained(lifecycle, story, "crmleadid:1")
    assert [one["proposal"] for one in found["repair"]] == [
        "insert assign in accepted, before accept"
    ]
    text = lifecycle("explain", story, "crmleadid:1").stdout
    assert "a lead that is accepted cannot be accepted, only assigned, retracted or" in text
    words = (
        "an assign is missing before the accept in message urn:third, while the lead is accepted"
    )
    assert words in " ".join(text.split())


def test_what_may_happen_next_says_who_may_do_it(story, lifecycle):
    following = explained(lifecycle, story, "crmleadid:1")["next"]
    assert following == [
        {
            "trigger": "assign",
            "to": "assigned",
            "guards": ["by_holder_or_owner"],
            "who": "Only who holds the lead, or its owner, may do it. "
            f"It is held by {BOB} and owned by {ORG}.",
        },
        {"trigger": "retract", "to": "retracted", "guards": [], "who": "anybody"},
        {"trigger": "update", "to": None, "guards": [], "who": "anybody"},
    ]


def test_nothing_may_happen_to_a_lead_whose_contact_was_deleted(story, lifecycle):
    with LeadStore(story) as store:
        store.apply(deletion("11:00", CONTACT))
    found = explained(lifecycle, story, "crmleadid:1")
    assert (found["next"], found["lead"]["contact_deleted_at"]) == ([], moment("11:00"))
    text = lifecycle("explain", story, "crmleadid:1").stdout
    assert "its contact was deleted at 2026-03-01 11:00:00" in text
    assert "nothing: its contact was deleted; every message is refused" in text


def test_other_rules_are_told_as_the_reason_of_a_change(story, lifecycle):
    rules = Rules.loads('[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n')
    with LeadStore(story) as store:
        store.rebuild(rules)
    *_, last = explained(lifecycle, story, "crmleadid:1")["corrections"]
    assert (last["because"], last["other_rules"]) == ([], True)
    accept = next(one for one in last["changes"] if one["event_id"] == "urn:accept")
    assert accept["now"][0]["verdict"] == "no_edge"
    text = lifecycle("explain", story, "crmleadid:1").stdout
    assert "other rules: changed it" in text
    assert "accept of 2026-03-01 10:04:00: was assigned → accepted, is refused in sent" in text


def test_a_message_that_moves_another_lead_since_is_told(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00", keys={"b": "1"}, contact=CONTACT))
        store.apply(lead("retract", "10:05", keys=None, contact=CONTACT, id="urn:retract"))
        store.apply(lead("accept", "10:01", keys={"a": "1"}, contact=CONTACT, agent=ADA))
    told = explained(lifecycle, path, "b:1")["corrections"]
    (moved,) = told
    assert [one["trigger"] for one in moved["because"]] == ["accept"]
    (change,) = moved["changes"]
    assert (change["event_id"], change["now"], change["moved"]) == ("urn:retract", [], True)
    text = lifecycle("explain", path, "b:1").stdout
    assert "accept of 2026-03-01 10:01:00: arrived" in text
    assert "was sent → retracted, is another lead's" in text
    text = lifecycle("explain", path, "a:1").stdout
    assert "was sent → retracted of b:1, is accepted → retracted" in text


def test_a_late_deletion_is_told_as_the_cause_of_what_it_changed(story, lifecycle):
    with LeadStore(story) as store:
        store.apply(deletion("10:06", CONTACT))
    *_, last = explained(lifecycle, story, "crmleadid:1")["corrections"]
    assert [one["trigger"] for one in last["because"]] == ["delete"]
    assert "urn:twice" in {one["event_id"] for one in last["changes"]}


def test_a_copy_that_came_to_count_is_told_as_the_cause_of_what_it_changed(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00"))
        for number in range(6):
            store.apply(lead("accept", "10:05", agent=f"https://{number}.example", id="urn:copies"))
        store.apply(lead("accept", "10:06", id="urn:after"))
    told = explained(lifecycle, path, "crmleadid:1")["corrections"]
    assert {event["event_id"] for one in told for event in one["because"]} <= {"urn:copies"}
    assert all(
        one["changes"][0]["was"] and one["changes"][0]["now"] for one in told if one["changes"]
    )


def test_a_lead_known_by_its_contact_alone_is_found_by_its_id(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("accept", "10:00", keys=None, contact=CONTACT))
        for name in ("1", "2"):
            store.apply(lead("add", "10:05", keys=name, contact=CONTACT))
    assert explained(lifecycle, path, "contact:c:7")["lead"]["lead_id"] == "contact:c:7"
    then = ("--as-known-at", "2999-01-01T00:00:00Z")
    assert lifecycle("show", path, "contact:c:7", *then).exit_code == 0


def test_the_story_reads_as_one(story, tmp_path, lifecycle):
    text = " ".join(lifecycle("explain", story, "crmleadid:1").stdout.split())
    log = tmp_path / "log.jsonl"
    for part in (
        "crmleadid:1 is accepted since 2026-03-01 10:07:00, held by bob.example.com",
        f"How it got there 1. 2026-03-01 10:00:00 send: new → sent message urn:add, {log} line 1",
        "3. 2026-03-01 10:02:00 reject: assigned → rejected, by ada.example.com;",
        "held by org.example.com from then on, “no time” message urn:reject",
        "message urn:late, arrived late",
        "and 2 messages that moved nothing: update of 2026-03-01 10:01:00, update of",
        "line 3; anybody may do it",
        "; only who holds the lead, or its owner, may do it",
        "What came late, and what it changed assign of 2026-03-01 10:03:00: arrived 2",
        "accept of 2026-03-01 10:04:00: was refused in rejected, is assigned → accepted",
        "changed nothing that was known before",
        "What may happen next assign → assigned: only who holds the lead, or its owner, may do it.",
        "It is held by bob.example.com and owned by org.example.com",
        "update stays as it is: anybody may do it",
    ):
        assert part in text


def test_a_lead_to_which_nothing_valid_happened_is_explained(path, lifecycle):
    rules = Rules.loads('[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n')
    with LeadStore(path, rules=rules) as store:
        store.apply(lead("accept", "10:00"))
    text = " ".join(lifecycle("explain", path, "crmleadid:1").stdout.split())
    assert text.startswith("crmleadid:1 is new How it got there nothing valid has happened to it")
    assert "What was refused ✗ 2026-03-01 10:00:00 accept, when it was new: a lead that is" in text
    assert "a lead that is new cannot be accepted, only sent" in text
    assert "send → sent: anybody may do it" in text


@guard("on_weekdays")
def on_weekdays(lead, event):  # noqa: ARG001
    return None


def test_a_guard_without_words_is_called_by_its_name(path, lifecycle):
    rules = Rules.loads(
        'edge = [{trigger = "send", from = ["new", "sent"], to = "sent", guards = ["on_weekdays"]}]'
    )
    with LeadStore(path, rules=rules) as store:
        store.apply(lead("add", "10:00"))
    (allowed,) = explained(lifecycle, path, "crmleadid:1")["next"]
    assert allowed["who"] == "on_weekdays must pass."


def test_of_a_subject_with_several_leads_each_has_its_own_repair(path, lifecycle):
    with LeadStore(path) as store:
        for name in ("1", "2"):
            store.apply(lead("accept", "10:00", keys=name, contact=CONTACT))
        store.apply(lead("accept", "10:01", keys="1", contact=CONTACT, id="urn:mine"))
        store.apply(lead("accept", "10:02", keys="2", contact=CONTACT))
    (edit,) = explained(lifecycle, path, "crmleadid:1")["repair"]
    assert edit["event_id"] == "urn:mine"


def test_a_name_of_no_lead_or_of_several_is_one_error(story, lifecycle):
    result = lifecycle("explain", story, "x:1")
    assert (result.exit_code, result.stderr) == (
        1,
        "lifecycle: no lead is known as 'x:1'; did you mean crmleadid:1 (key lead:crmleadid:1)?\n",
    )
    with LeadStore(story) as store:
        store.apply(lead("add", "10:00", keys="2", contact=CONTACT))
    with LeadReader(story) as store, pytest.raises(AmbiguousLeadError):
        explain(store, "contact:c:7")


def test_a_guard_that_refused_says_what_it_asks_for(story, lifecycle):
    with LeadStore(story) as store:
        store.apply(lead("assign", "10:08", agent=ADA, recipient=ADA, id="urn:third"))
    text = " ".join(lifecycle("explain", story, "crmleadid:1").stdout.split())
    assert "only who holds the lead, or its owner, may do it: by ada.example.com, but" in text
    assert "by_holder" not in text


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Owner:  → 4711", "Owner: nothing → 4711"),
        ("Owner: 4711 →", "Owner: 4711 → nothing"),
        ("Owner: 4711 →  (left)", "Owner: 4711 → nothing (left)"),
        ("Owner: 4711 → 4712", "Owner: 4711 → 4712"),
        ("Status: New", "Status: New"),
        ("go: → north", "go: → north"),
    ],
)
def test_an_empty_value_of_a_change_is_called_nothing(stored, shown):
    assert reason_in_words(stored) == shown


def test_a_finding_says_how_grave_it_is_without_a_colour(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("accept", "10:00"))
    words = "! joined midway (info; what happened before its first message is not known): began"
    assert words in " ".join(lifecycle("explain", path, "crmleadid:1").stdout.split())
    assert (
        "! joined midway (info): began with accept" in lifecycle("show", path, "crmleadid:1").stdout
    )
