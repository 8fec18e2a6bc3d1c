"""Leads by any id, e-mail, telephone or name; and what a wrong name may mean."""

import json
import sqlite3

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, lead

from lifecycle import LeadReader, LeadStore
from lifecycle.store.query.wanted import Wanted

NOW = 1_900_000_000_000_000
PEOPLE = {
    "1001": ("Joe Smith", "Joe.Smith@Example.com", "555-0101"),
    "1002": ("Zoë Müller-García", "zoe@example.de", "+49 170 1234567"),
    "1003": ("Łukasz O'Brien", None, "(01) 23 45 67 89"),
    "1004": ("Sam Sørensen", "sam@example.com", None),
}


def told(action, at, number, person, **more):
    name, email, telephone = person
    contact = {"type": "Contact", "identifier": {"guid": f"c-{number}"}}
    parts = {"name": name, "email": email, "telephone": telephone}
    contact |= {part: value for part, value in parts.items() if value}
    return lead(action, at, keys={"crmLeadId": number}, snapshot={"object": contact}, **more)


@pytest.fixture
def store(path):
    with LeadStore(path, clock=lambda: NOW) as opened:
        for number, person in PEOPLE.items():
            opened.apply(told("add", "10:00", number, person, id=f"urn:m:{number}"))
        yield opened


def found(store, text, **how):
    return [one.lead_id.removeprefix("crmleadid:") for one in store.find(text, **how).leads]


SPELLINGS = """
1001 | crmleadid:1001, CRMLeadId:1001, lead:crmleadid:1001, 1001, urn:m:1001, 5550101, 555 0101
1001 | joe.smith@example.com, mailto:JOE.SMITH@example.com, joe.smith, Joe Smith, joe smi, JOE
1002 | contact:guid:c-1002, c-1002, @example.de, 0170/123 45 67, 0049 170 1234567
1002 | tel:+491701234567, Zoe Muller, mueller garcia, GARCÍA, Garcia Müller
1003 | 0123456789, lukasz obrien, o'brien
1004 | soerensen, sorensen, SAM SØRENSEN
     | nobody, ukasz, ***, 12
"""


@pytest.mark.parametrize(
    ("text", "lead_id"),
    [
        (text.strip(), line.partition("|")[0].strip())
        for line in SPELLINGS.strip("\n").splitlines()
        for text in line.partition("|")[2].split(",")
    ]
    + [
        ("", ""),
        ("\udcff", ""),
        ("smith, joe", "1001"),
        ("555\N{EN DASH}0101", "1001"),
        ("555\N{ARABIC-INDIC DIGIT ZERO}101", "1001"),
        ("\N{FULLWIDTH DIGIT ZERO}1/23-45+67:89", "1003"),
        ("O\N{RIGHT SINGLE QUOTATION MARK}Brien", "1003"),
    ],
)
def test_a_lead_is_found_in_any_spelling(store, text, lead_id):
    assert "".join(found(store, text)) == lead_id


WORDS = st.text("aeouAEOUßøéÉñj'\"\\%_!- .@1", max_size=12)
NUMBERS = st.text("0123456789 -()./+x\N{EN DASH}\N{ARABIC-INDIC DIGIT FIVE}", max_size=16)
CONTACTS = st.tuples(*[st.one_of(st.none(), WORDS, NUMBERS)] * 3)


@given(st.lists(CONTACTS, max_size=5), st.one_of(WORDS, NUMBERS), st.data())
def test_the_query_leaves_out_no_contact_that_says_it(contacts, text, data):
    said = [part for contact in contacts for part in contact if part]
    wanted = Wanted.of(data.draw(st.sampled_from([text, *said])))
    rows = [(number, orjson.dumps(contact)) for number, contact in enumerate(contacts)]
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE lead (id INTEGER PRIMARY KEY, contact TEXT)")
    connection.executemany("INSERT INTO lead VALUES (?, CAST(? AS TEXT))", rows)
    sure = [number for number, contact in wanted.candidates(connection) if wanted.said_by(contact)]
    connection.close()
    assert sure == [number for number, contact in rows if wanted.said_by(contact)]


@pytest.mark.parametrize("email", ['"joe"@example.com', "joe\\@example.com", "jo_e%!@example.com"])
def test_an_address_with_signs_of_json_or_sql_is_found(store, email):
    store.apply(told("add", "10:00", "1009", ("Jo", email, None)))
    assert found(store, email) == ["1009"]
    assert found(store, "jo%e") == []
    store.apply(told("update", "10:05", "1009", ("Jo", "new@example.com", None)))
    assert found(store, email) == ["1009"]


@pytest.mark.parametrize(
    "number", ["555\N{EN DASH}0101", "555+0101", "555 01 ext 01", "5:5:5:0:1:0:1"]
)
def test_a_number_is_found_whatever_stands_between_its_digits(store, number):
    store.apply(told("add", "10:00", "1009", ("Jo", None, number)))
    assert found(store, "5550101") == ["1001", "1009"]
    store.apply(told("update", "10:05", "1009", ("Jo", None, "555 9999")))
    store.apply(told("update", "10:05", "1001", ("Joe", None, "555 9999")))
    assert found(store, "555-0101") == ["1001", "1009"]


def test_signs_of_a_pattern_are_letters_in_a_part_of_an_id(store):
    assert found(store, "c_100") == found(store, "c%100") == []
    store.apply(lead("add", "10:00", keys={"guid": "c_100!"}))
    assert [one.lead_id for one in store.find("_100!").leads] == ["guid:c_100!"]


def test_a_part_of_an_id_is_found_where_nothing_else_is(store):
    assert found(store, "c-100") == ["1001", "1002", "1003", "1004"]
    assert store.find("-1002").leads[0].places == ("part of key contact:guid:c-1002",)


def test_it_is_told_where_a_lead_was_found(store):
    store.apply(told("add", "10:00", "1005", ("Joe Smith", "joe.smith@example.com", None)))
    store.apply(lead("add", "10:00", keys={"mail": "joe.smith@example.com"}))
    places = {one.lead_id: one.places for one in store.find("joe.smith@example.com").leads}
    assert places == {
        "mail:joe.smith@example.com": ("key lead:mail:joe.smith@example.com",),
        "crmleadid:1001": ("contact's e-mail Joe.Smith@Example.com",),
        "crmleadid:1005": ("contact's e-mail joe.smith@example.com",),
    }


def test_a_lead_is_found_by_what_its_contact_was(store):
    store.apply(told("update", "10:05", "1001", ("Joe Doe", "joe@new.example", "555-9999")))
    for text in ("joe.smith@example.com", "Joe Smith", "555-0101"):
        (match,) = store.find(text).leads
        assert match.lead_id == "crmleadid:1001"
        assert " once " in match.places[0]
    assert store.find("joe@new.example").leads[0].places == ("contact's e-mail joe@new.example",)


def test_a_content_that_does_not_count_is_searched_too(store):
    store.apply(told("add", "10:01", "1001", ("Joe Other", None, None), id="urn:m:1001"))
    assert found(store, "joe other") == ["1001"]
    assert found(store, "joe smith") == ["1001"]
    assert store.verify().sound


def test_the_text_of_messages_is_searched_when_asked(store):
    store.apply(told("reject", "10:09", "1002", PEOPLE["1002"], agent=ADA, comment="ask Kunigunde"))
    assert found(store, "Kunigunde") == []
    (match,) = store.find("Kunigunde", messages=True).leads
    assert (match.lead_id, match.places) == ("crmleadid:1002", ("text of a message",))


def test_quarantined_messages_are_named(store, lifecycle):
    store.apply('{"topic": "lead#add", "data": "kunigunde@example.com"}')
    assert store.find("kunigunde@example.com").quarantined == (1,)
    result = lifecycle("find", store.path, "kunigunde@example.com")
    assert "1 quarantined message mentions it: lifecycle quarantine show DB 1" in result.stderr


def test_erased_people_are_not_found(store):
    store.apply(told("update", "10:05", "1001", ("Joe Doe", "joe@new.example", None)))
    (sealed,) = store.erase("crmleadid:1001").leads
    for text in ("1001", "Joe Smith", "Joe Doe", "joe.smith", "joe@new.example", "555-0101"):
        assert found(store, text, messages=True) == [], text
    assert found(store, "urn:m:1001") == []
    assert [one.lead_id for one in store.find(sealed).leads] == [sealed]


def test_there_are_more_than_are_shown(store, monkeypatch, lifecycle):
    monkeypatch.setattr("lifecycle.store.query.matches.MOST", 2)
    matches = store.find("example")
    assert (len(matches.leads), matches.has_more) == (2, True)
    result = lifecycle("find", store.path, "example", "--format", "json")
    assert len(json.loads(result.stdout)) == 2
    assert "these are the first 2" in result.stderr


def test_the_command_says_where(store, lifecycle):
    result = lifecycle("find", store.path, "mueller", "--format", "json")
    (row,) = json.loads(result.stdout)
    assert row["lead_id"] == "crmleadid:1002"
    assert row["found_in"] == ["contact's name Zoë Müller-García"]
    nothing = lifecycle("find", store.path, "nobody")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert nothing.stderr == "no lead is found by 'nobody'\n"


@pytest.mark.parametrize(
    "command", [["show"], ["history"], ["explain"], ["erase", "--yes"], ["erase", "--dry-run"]]
)
def test_an_unknown_name_is_answered_with_an_offer(store, lifecycle, command):
    result = lifecycle(*command[:1], store.path, "crmlead:1001", *command[1:])
    assert result.exit_code == 1
    assert "did you mean crmleadid:1001 (key lead:crmleadid:1001)?" in result.stderr
    nobody = lifecycle(*command[:1], store.path, "nobody", *command[1:])
    assert (nobody.exit_code, "did you mean" in nobody.stderr) == (1, False)


def test_an_offer_of_many_says_so(store, lifecycle):
    store.apply_many([told("add", "10:00", f"2{n}", ("Joe Ann", None, None)) for n in range(5)])
    assert "; 3 more by `lifecycle find`" in lifecycle("show", store.path, "joe").stderr


def test_an_empty_store_has_nobody(path):
    with LeadStore(path, clock=lambda: NOW):
        pass
    with LeadReader(path) as reader:
        assert reader.find("anybody").leads == ()


SCHEMES = st.sampled_from(
    ["0", "a", "a:b", "a:b:c", "lead", "contact", "lead:a", '"a"', 'a"b', "A"]
)
VALUES = st.sampled_from(["c", "b:c", "a:b:c", "lead:a:b:c", '"a:b":c'])


@given(st.sets(st.tuples(SCHEMES, VALUES), min_size=1, max_size=6), st.integers(1, 2))
def test_a_key_as_it_is_printed_finds_its_own_lead(pairs, together):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        rest = sorted(pairs)
        while rest:
            some, rest = rest[:together], rest[together:]
            parts = [{"propertyID": scheme, "value": value} for scheme, value in some]
            store.apply(lead("add", "10:00", keys=parts))
        for one in store.leads():
            for key in one.keys:
                for name in (str(key), key.text):
                    assert store.lead(name).lead_id == one.lead_id
                    assert store.lead(name, as_known_at=NOW * 2).lead_id == one.lead_id
                erasure = store.erase(str(key), dry_run=True)
                assert list(erasure.leads) == [f"erased:{store.lead_no(one.lead_id)}"]


def test_a_key_with_its_kind_is_found_among_others_that_it_may_mean():
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00", keys={"a:b": "c"}))
        store.apply(lead("add", "10:00", keys={"a": "b:c"}))
        assert [str(key) for one in store.leads() for key in one.keys] == [
            *('lead:"a:b":c', "lead:a:b:c"),
        ]
        assert [one.lead_id for one in map(store.lead, ("lead:a:b:c", "a:b:c"))] == ["a:b:c"] * 2


def test_a_key_finds_its_own_lead_by_what_was_known_before():
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00", keys={"a": "b:c", "0": "1"}))
        store.apply(lead("add", "10:00", keys={"a:b": "c"}))
        for name in ("a:b:c", "lead:a:b:c"):
            assert (
                store.lead(name, as_known_at=NOW * 2).lead_id == store.lead(name).lead_id == "0:1"
            )
