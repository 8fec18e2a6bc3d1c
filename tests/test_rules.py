"""Rules are data: from TOML and back, with errors that name the row and the field."""

import pytest
from hypothesis import given
from letters import ADA, lead
from test_machine import tables

from lifecycle import Edge, InputError, LeadStore, Rules, RulesError, decode, fold, guard
from lifecycle.domain import guards, state_diagram

ROW = '[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n'


@given(tables)
def test_rules_survive_their_toml(rules):
    assert Rules.loads(rules.to_toml()) == rules


def test_the_digest_is_that_of_the_rows():
    rules = Rules.default()
    assert Rules("other name", rules.edges).digest == rules.digest
    assert Rules("default", rules.edges[::-1]).digest != rules.digest


def test_rules_are_read_from_a_file(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('name = "short"\n' + ROW)
    assert Rules.from_toml(file) == Rules("short", (Edge("send", ("new",), "sent"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "edge: expected at least one [[edge]] row"),
        ("edge = 5", "edge: expected at least one [[edge]] row"),
        ("x = ", "not valid TOML: Invalid value (at end of document)"),
        ("name = 5\n" + ROW, "name: expected a text, got 5"),
        ("nmae = 'x'\n" + ROW, "nmae: unknown field; expected one of name, edge"),
        (ROW + 'form = "x"\n', "edge 1, form: unknown field; expected one of trigger, from, to"),
        (ROW.replace("send", "sned"), "edge 1, trigger: expected one of send, update, receive"),
        (ROW + ROW.replace('"new"', '"old"'), "edge 2, from: expected one of new, sent, received"),
        (ROW.replace('["new"]', "[]"), "edge 1, from: expected a list of new, sent, received"),
        (ROW.replace('["new"]', '"new"'), "edge 1, from: expected a list of new, sent, received"),
        (ROW.replace('"sent"', '"new"'), "edge 1, to: nothing leads back to 'new'"),
        (ROW.replace('"sent"', '"done"'), "edge 1, to: expected one of new, sent, received"),
        (
            ROW + 'guards = ["by_magic"]\n',
            "edge 1, guards: expected one of by_holder, by_holder_or",
        ),
        ('[[edge]]\nfrom = ["new"]\n', "edge 1, trigger: expected one of send, update, receive"),
        ("edge = [5]", "edge 1: expected a table, got 5"),
    ],
)
def test_an_error_names_the_row_and_the_field(text, message, tmp_path):
    with pytest.raises(RulesError) as caught:
        Rules.loads(text)
    assert str(caught.value).startswith(message)
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(RulesError) as caught:
        Rules.from_toml(file)
    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_file_that_cannot_be_read_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot be read: No such file or directory"):
        Rules.from_toml(tmp_path / "none.toml")
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(RulesError, match="is not UTF-8 text"):
        Rules.from_toml(file)


@pytest.fixture
def by_sender():
    @guard("by_sender")
    def by_sender(one, event):
        if event.agent and one.sender and event.agent.contradicts(one.sender):
            return f"by {event.agent}, but sent by {one.sender}"
        return None

    yield by_sender
    guards._GUARDS.pop("by_sender")


@pytest.mark.usefixtures("by_sender")
def test_users_can_add_guards_of_their_own():
    rules = Rules.loads(
        ROW + '[[edge]]\ntrigger="accept"\nfrom=["sent"]\nto="accepted"\nguards=["by_sender"]'
    )
    add = lead("add", "10:00", snapshot={"sender": "https://feed.example.com"})
    history = fold(rules, map(decode, [add, lead("accept", "10:01", agent=ADA)]))
    row = history.leads[0].rows[-1]
    assert (row.verdict, row.refusal.guard) == ("guard", "by_sender")
    assert str(row.refusal) == f"by_sender: by {ADA}, but sent by https://feed.example.com"
    with pytest.raises(RulesError, match=r"registered already"):
        guard("by_sender")(lambda *_: None)


def test_a_guard_that_nobody_registered_is_an_error_when_the_rules_are_used():
    rules = Rules("made in code", (Edge("send", ("new",), "sent", ("nobody",)),))
    with pytest.raises(RulesError, match=r"edge 1, guards: expected one of .*; got 'nobody'"):
        fold(rules, [])


@pytest.mark.usefixtures("by_sender")
def test_a_store_whose_guard_is_not_registered_says_whose_it_is(tmp_path):
    rules = Rules("mine", (Edge("send", ("new",), "sent", ("by_sender",)),))
    path = tmp_path / "leads.db"
    LeadStore(path, rules=rules).close()
    registered = guards._GUARDS.pop("by_sender")
    with pytest.raises(RulesError, match=r"^the rules that the store was folded with, edge 1"):
        LeadStore(path)
    guards._GUARDS["by_sender"] = registered


def test_the_diagram_has_every_edge():
    diagram = state_diagram(Rules.default())
    assert diagram.startswith("stateDiagram-v2\n    [*] --> new\n")
    assert "    accepted --> assigned: assign [by_holder_or_owner]\n" in diagram
    assert "    sent --> sent: update (stays)\n" in diagram
