"""One lead is one lead: spellings do not matter, placeholders join nobody, policies can change."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, lead
from spellings import NAMES, PARTIES, PLACEHOLDERS, identifiers, parties
from worlds import NOW, history_says, store_says

from lifecycle import LeadStore, Rules, fold
from lifecycle.domain import Identity, Key, WrittenNames, normal_party
from lifecycle.domain.names import by_looks, salesforce_id
from lifecycle.errors import RulesError, RulesMismatchError
from lifecycle.messages import Decoded, read_message

TOPICS = ("add", "update", "assign", "accept", "reject", "retract")


@st.composite
def stories(draw):
    """Return what happens, with names and parties in normal form."""
    count = draw(st.integers(1, 7))
    return [
        {
            "topic": draw(st.sampled_from(TOPICS)),
            "time": f"2026-03-01T10:0{draw(st.integers(0, 5))}:00Z",
            "id": f"urn:event:{number}",
            "lead": draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)),
            "contact": draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)),
            "agent": draw(st.sampled_from(PARTIES)),
            "recipient": draw(st.sampled_from(PARTIES)),
            "owner": draw(st.sampled_from(PARTIES)),
        }
        for number in range(count)
    ]


@st.composite
def told(draw, story):
    """Return the messages of a story, each name and party in some spelling."""
    messages = []
    for one in story:
        contact = {"type": "Contact", "identifier": draw(identifiers(one["contact"]))}
        snapshot = {
            "type": "Lead",
            "identifier": draw(identifiers(one["lead"])),
            "owner": draw(parties(one["owner"])),
            "object": contact,
        }
        data = {
            "object": snapshot,
            "agent": draw(parties(one["agent"])),
            "recipient": draw(parties(one["recipient"])),
        }
        topic = f"lead#{one['topic']}"
        messages.append({"topic": topic, "time": one["time"], "id": one["id"], "data": data})
    return messages


def plainly(story):
    return [
        {
            "topic": f"lead#{one['topic']}",
            "time": one["time"],
            "id": one["id"],
            "data": {
                "object": {
                    "identifier": [{"name": name, "value": value} for name, value in one["lead"]],
                    "owner": one["owner"],
                    "object": {
                        "identifier": [
                            {"name": name, "value": value} for name, value in one["contact"]
                        ]
                    },
                },
                "agent": one["agent"],
                "recipient": one["recipient"],
            },
        }
        for one in story
    ]


def says(store):
    """Leads, history and findings, with parties as they are compared."""
    leads = list(store.leads())
    return {
        "leads": [
            (
                one.lead_id,
                one.state,
                one.since,
                one.keys,
                one.events,
                one.refusals,
                *tuple(party and normal_party(str(party)) for party in (one.holder, one.owner)),
            )
            for one in leads
        ],
        "rows": [
            (
                row.trigger,
                row.source,
                row.target,
                row.verdict,
                row.at,
                row.event_id,
                *tuple(party and normal_party(str(party)) for party in (row.by, row.holder)),
            )
            for one in leads
            for row in store.history(one.lead_id)
        ],
        "findings": sorted(
            (found.code, found.event_id or "", "" if found.code == "wrong_party" else found.detail)
            for found in store.findings()
        ),
    }


def said(messages, order):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        for number in order:
            store.apply(messages[number])
        return says(store)


@given(st.data())
def test_any_mixture_of_spellings_says_what_one_spelling_says(data):
    story = data.draw(stories())
    order = data.draw(st.permutations(range(len(story))))
    assert said(data.draw(told(story)), order) == said(plainly(story), range(len(story)))


@given(st.data())
def test_a_lead_is_found_by_every_spelling_of_its_names(data):
    name, value = data.draw(st.sampled_from(NAMES))
    message = lead("add", "10:00", keys=data.draw(identifiers([(name, value)])))
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        lead_id = store.apply(message).lead_id
        ((scheme, spelt),) = data.draw(identifiers([(name, value)]).filter(is_text_pair)).items()
        assert store.lead(f"{scheme}:{spelt}").lead_id == lead_id == Key("lead", name, value).text


def is_text_pair(written):
    return isinstance(written, dict) and [type(value) for value in written.values()] == [str]


@given(st.lists(st.tuples(st.sampled_from(["lead", "contact", "sameAs", "@id"]), PLACEHOLDERS)))
def test_placeholders_in_any_position_join_nobody(placed):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        for number in (1, 2):
            snapshot = {"identifier": {"crm": f"n{number}"}}
            contact = {"type": "Contact", "identifier": {"cid": f"c{number}"}, "sameAs": []}
            for place, value in placed:
                match place:
                    case "lead":
                        snapshot["identifier"][f"more-{value}"] = value
                    case "contact":
                        contact["identifier"]["legacy"] = value
                    case "sameAs":
                        contact["sameAs"].append(value)
                    case _:
                        contact["@id"] = value
            message = lead("add", "10:00", keys=None, snapshot=snapshot | {"object": contact})
            assert store.apply(message).kind == "applied"
        assert [one.lead_id for one in store.leads()] == ["crm:n1", "crm:n2"]
        deletion = {"object": {"identifier": {"legacy": [v for _, v in placed][:1] and "null"}}}
        store.apply({"topic": "contact#delete", "time": "2026-03-01T11:00:00Z", "data": deletion})
        assert [one.contact_deleted_at for one in store.leads()] == [None, None]


@given(st.text() | st.sampled_from([value for _, value in NAMES]))
def test_a_normal_form_is_its_own(text):
    key = Identity().key("lead", "x", text)
    if key is not None:
        assert Identity().key("lead", key.scheme, key.value) == key
    assert by_looks(by_looks(text)) == by_looks(text)
    assert salesforce_id(salesforce_id(text)) == salesforce_id(text)
    assert normal_party(normal_party(text)) == normal_party(text)


SCHEMES = st.sampled_from(["a", "a:b", "lead", "contact", '"', '"a"', 'x"y', ""])


@given(st.lists(st.tuples(SCHEMES, st.sampled_from(["b:c", "c", '"c', ":c"])), unique=True))
def test_no_two_keys_share_a_text(pairs):
    keys = [Key(kind, *pair) for pair in pairs for kind in ("lead", "contact")]
    assert len({key.lead_id for key in keys}) == len(keys)
    assert len({str(key) for key in keys}) == len(keys)


def test_two_schemes_with_colons_are_two_leads_and_the_plain_text_finds_the_only_one(store):
    store.apply(lead("add", "10:00", keys={"a": "b:c"}))
    assert store.lead("a:b:c").lead_id == "a:b:c"
    store.apply(lead("add", "10:00", keys={"a:b": "c"}))
    assert [one.lead_id for one in store.leads()] == ['"a:b":c', "a:b:c"]
    assert store.lead("a:b:c").lead_id == "a:b:c"
    assert store.lead('"A:B":c').lead_id == '"a:b":c'


def test_a_scheme_called_erased_is_not_taken_for_a_lead_that_was(store):
    store.apply_many([lead("add", "10:00", keys={one: "1"}) for one in ("crm", "erased")])
    store.erase("crm:1")
    assert store.lead("erased:1").keys == ()
    assert store.lead('"erased":1').lead_id == '"erased":1'
    assert store.lead("Erased:1").lead_id == '"erased":1'
    assert [one.lead_id for one in store.leads()] == ['"erased":1', "erased:1"]


# --- the policy -----------------------------------------------------------------------------------

POLICIES = [
    "",
    '[identity]\nplaceholders = ["n1"]',
    '[identity]\nnames = ["0", "null"]',
    '[identity.schemes]\naccount = "ignore"',
    '[identity.schemes]\nACCOUNT = "contact"',
    '[identity.schemes]\naccount = "lead"\ncrm = "ignore"',
    '[identity.schemes]\nno = "without_leading_zeros"',
    '[identity.schemes]\nno = "verbatim"\ncrm = "verbatim"',
]
RULES = [Rules.loads(text) if text else Rules.default() for text in POLICIES]


@st.composite
def named(draw, number):
    values = {
        "crm": draw(st.sampled_from(["n1", "N2@X.example", "n2@x.example", "0", None])),
        "account": draw(st.sampled_from(["7", "8", "null", None])),
        "no": draw(st.sampled_from(["007", "7", "0", None])),
    }
    contact = {
        "account": draw(st.sampled_from(["7", None])),
        "cid": draw(st.sampled_from(["c1", "c2", "0", None])),
    }
    topics = ["lead#add", "lead#accept", "lead#update", "lead#change", "contact#delete"]
    topic = draw(st.sampled_from(topics))
    data = {"object": {"identifier": values, "object": {"identifier": contact}}}
    if topic == "contact#delete":
        data = {"object": {"identifier": contact}}
    elif draw(st.booleans()):
        data["object"]["@id"] = f"own-{draw(st.integers(1, 2))}"
    if topic == "lead#change":
        data |= {"source": "salesforce", "field": "Status", "new": "Working"}
        data |= {"agent": BOB} if draw(st.booleans()) else {"old": "New"}
    time = f"2026-03-01T10:0{draw(st.integers(0, 5))}:00Z"
    # Some have several contents under one id.
    number = draw(st.sampled_from([number, 0, 1]))
    return {"topic": topic, "time": time, "id": f"urn:{number}", "data": data}


@st.composite
def nameable(draw):
    return [draw(named(number)) for number in range(draw(st.integers(1, 8)))]


def says_under(rules, messages):
    readings = [one for message in messages for one in read_message(message, identity=None)]
    events = [one.event for one in readings if isinstance(one, Decoded)]
    return history_says(fold(rules, events))


def waiting(store):
    return sorted(one.raw for one in store.quarantine())


@given(nameable(), st.sampled_from(range(8)), st.sampled_from(range(8)), st.integers(0, 8))
def test_a_rebuild_under_another_policy_equals_a_fresh_replay_under_it(
    messages, first, second, later
):
    first, second = RULES[first], RULES[second]
    with (
        tempfile.TemporaryDirectory() as folder,
        LeadStore(Path(folder) / "a.db", rules=first, clock=lambda: NOW) as store,
        LeadStore(Path(folder) / "b.db", rules=second, clock=lambda: NOW) as fresh,
    ):
        store.apply_many(messages[later:])
        assert store_says(store) == says_under(first, messages[later:])
        (before,) = store._connection.execute("SELECT recorded_at FROM store").fetchone()
        leads = [one.lead_id for one in store.leads()]
        store.rebuild(second)
        assert store_says(store) == says_under(second, messages[later:])
        store.apply_many(messages[:later])
        assert store_says(store) == says_under(second, messages)
        assert store.verify().defects == ()
        assert [one.lead_id for one in store.leads(as_known_at=before)] == leads
        fresh.apply_many(messages)
        assert waiting(store) == waiting(fresh)
        assert store.digest() == fresh.digest()
        store.rebuild(first)
        assert store_says(store) == says_under(first, messages)
        assert store.verify().defects == ()


def test_what_has_no_name_any_more_waits_in_the_quarantine_and_comes_back(store):
    store.apply(lead("add", "10:00", keys={"account": "7"}))
    store.rebuild(Rules.loads('[identity.schemes]\naccountId = "ignore"\naccount = "ignore"'))
    assert list(store.leads()) == []
    (found,) = store.quarantine()
    assert [problem.code for problem in found.problems] == ["no_identity"]
    store.rebuild(Rules.default())
    assert [one.lead_id for one in store.leads()] == ["account:7"]
    assert list(store.quarantine()) == []


def test_a_store_that_was_folded_with_another_policy_names_the_rebuild(path):
    LeadStore(path).close()
    with pytest.raises(RulesMismatchError, match="lifecycle rebuild"):
        LeadStore(path, rules=Rules.loads('[identity]\nplaceholders = ["x"]'))


def test_rules_are_kept_expanded_so_that_other_defaults_change_no_store():
    rules = Rules.loads('[identity]\nplaceholders = [" N0Email@Example.com"]\nnames = ["0"]')
    text = rules.to_toml()
    assert "defaults = false" in text
    assert "n0email@example.com" in text
    assert Rules.loads(text) == rules
    assert Rules.loads(text).digest == rules.digest != Rules.default().digest


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[identity]\nplaceholder = []", "identity, placeholder: unknown field"),
        ("[identity]\nplaceholders = 5", "identity, placeholders: expected a list of texts"),
        ("[identity]\nnames = [5]", "identity, names, 1: expected a text"),
        ("[identity]\ndefaults = 1", "identity, defaults: expected true or false"),
        ("identity = 5", "identity: expected a table"),
        ("[identity]\nschemes = 5", "identity.schemes: expected a table"),
        ('[identity.schemes]\nx = "lower"', "identity.schemes, x: expected one of ignore, lead"),
        ("[identity.schemes]\nx = []", "identity.schemes, x: expected one of ignore, lead"),
        (
            '[identity.schemes]\nx = "lead"\nX = "ignore"',
            "identity.schemes, X: the same scheme as 'x'",
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_one_sentence_that_names_the_row(text, where):
    with pytest.raises(RulesError) as caught:
        Rules.loads(text)
    assert str(caught.value).startswith(where)


def test_a_placeholder_of_ones_own_joins_nobody(tmp_path):
    rules = Rules.loads('[identity]\nplaceholders = ["noemail@example.com"]')
    with LeadStore(tmp_path / "a.db", rules=rules, clock=lambda: NOW) as store:
        for number in "12":
            keys = {"crm": number, "mail": "NoEmail@Example.com"}
            store.apply(lead("add", "10:00", keys=keys))
        assert [one.lead_id for one in store.leads()] == ["crm:1", "crm:2"]


def test_names_as_written_make_keys_by_the_policy():
    names = WrittenNames((("A", "7"),), ("own",), (("B", "8"),), ())
    rules = Rules.loads('[identity.schemes]\na = "contact"\nb = "ignore"')
    assert rules.identity.keys(names) == ((), (Key("contact", "a", "7"),))
    assert Identity().keys(names) == ((Key("lead", "a", "7"),), (Key("contact", "b", "8"),))


# --- several ids ----------------------------------------------------------------------------------


def found(store):
    return [(one.event_id, one.detail) for one in store.findings() if one.code == "several_ids"]


def test_two_values_of_one_scheme_are_said_at_the_event_that_brought_the_second(store):
    store.apply(lead("add", "10:00", keys={"crm": "1", "account": "7"}, id="urn:1"))
    store.apply(lead("update", "10:01", keys={"crm": "2", "account": "7"}, id="urn:2"))
    assert found(store) == [("urn:2", "crm: 1 and 2")]
    assert store.findings("crm:1") == store.findings()
    store.apply(lead("update", "09:00", keys=[{"name": "crm", "value": n} for n in "12"]))
    assert found(store) == []
    assert [one.code for one in store.findings(superseded=True)].count("several_ids") == 1


def test_a_merge_that_states_both_doubts_nothing(store):
    both = [{"name": "crm", "value": number} for number in "12"]
    store.apply(lead("add", "10:00", keys=both))
    store.apply(lead("update", "10:01", keys={"crm": "2"}))
    assert found(store) == []


def test_a_contact_with_two_ids_is_said_but_not_one_with_two_addresses(store):
    def contact(**names):
        return {"type": "Contact", "identifier": names}

    store.apply(lead("add", "10:00", keys="1", snapshot={"object": contact(c="1", mail="a@b.c")}))
    store.apply(lead("add", "10:01", keys="2", snapshot={"object": contact(c="1", mail="d@b.c")}))
    assert found(store) == []
    third = lead("add", "10:02", keys="3", snapshot={"object": contact(c="2", mail="d@b.c")})
    store.apply(third | {"id": "urn:3"})
    assert found(store) == [("urn:3", "c: 1 and 2")]
    fourth = contact(sameAs={"c": "1"}) | {"identifier": {"c": "2"}, "sameAs": {"c": "1"}}
    store.apply(lead("update", "10:03", keys="3", snapshot={"object": fourth}))
    assert found(store) == []


@pytest.mark.parametrize("erases", ["keep", "erase"])
def test_automatic_erasure_leaves_a_join_that_looks_wrong_alone_and_names_it(erases, tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW, on_contact_delete=erases) as store:
        for number in "12":
            contact = {"type": "Contact", "identifier": {"c": number, "legacy": "same"}}
            message = lead("add", "10:00", keys=number, snapshot={"object": contact})
            store.apply(message)
        gone = {"object": {"type": "Contact", "identifier": {"c": "1"}}}
        store.apply({"topic": "contact#delete", "time": "2026-03-01T11:00:00Z", "data": gone})
        assert store.erased == 0
        assert store.spared == (("several ids, c: 1 and 2",) if erases == "erase" else ())


# --- parties --------------------------------------------------------------------------------------


def test_what_is_shown_of_a_party_is_what_was_written(store):
    store.apply(lead("assign", "10:00", agent=BOB, recipient="HTTPS://Ada.Example"))
    store.apply(lead("accept", "10:01", agent="https://ada.example:443/"))
    store.apply(lead("assign", "10:02", agent="http://ADA.example", recipient=ADA))
    assert store.lead("crmleadid:1").state == "assigned"
    assert [str(entry.by) for entry in store.history("crmleadid:1")][1:] == [
        "https://ada.example:443/",
        "http://ADA.example",
    ]


def test_who_shares_a_contact_is_counted_once_after_a_rebuild_that_finds_more_names():
    """Messages that waited for a name came in while keys were found again, and counted twice."""
    rules = Rules.loads('[identity.schemes]\naccount = "ignore"')
    with LeadStore(":memory:", rules=rules, clock=lambda: NOW) as own:
        for number, (value, cid) in enumerate((("0", "0"), ("n1", "c1"))):
            lead_names = {"crm": value, "account": "7"}
            contact = {"identifier": {"account": "7", "cid": cid}}
            data = {"object": {"identifier": lead_names, "object": contact}}
            time = "2026-03-01T10:00:00Z"
            own.apply({"topic": "lead#add", "time": time, "id": f"urn:{number}", "data": data})
        own.rebuild(Rules.default())
        assert store_says(own)["leads"]
