"""Figures of groups of leads: what they say, and that exported rows say the same."""

import json
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from letters import ADA, BOB, ORG, lead
from worlds import NOW, worlds

import lifecycle
from lifecycle import InputError, LeadStore
from lifecycle.auditing.people import People, read_users
from lifecycle.auditing.tallies import BY
from lifecycle.domain import STATES, normal_party, trimmed
from lifecycle.exporting import TABLES, plain_rows

# --- a straightforward calculation over the rows of `export` ------------------------------------


def exported(store):
    """Return the rows of `export --what leads` and of `export --what history`, as JSON has them."""
    with store.snapshot():
        listing = store.listing()
        leads = plain_rows(TABLES["leads"], map(TABLES["leads"].row, listing.leads()))
        history = plain_rows(TABLES["history"], map(TABLES["history"].row, listing.history()))
        return list(leads), list(history)


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def spread(durations):
    """Count, median and 90 % by nearest rank, as a row of figures has them."""
    ordered = sorted(durations)
    at = [ordered[ceil(share * len(ordered)) - 1] if ordered else None for share in (0.5, 0.9)]
    return (len(ordered), *at)


def stays_of(lead, rows):
    """For each step that was allowed: state, since, until and who had the lead."""
    steps = [row for row in rows if row["verdict"] in ("stated", "implied")]
    stays = []
    for number, row in enumerate(steps):
        is_last = number == len(steps) - 1
        until = None if is_last else seconds(steps[number + 1]["at"])
        holder = lead["holder"] if is_last else row["holder"]
        stays.append((row["to"], seconds(row["at"]), until, holder))
    return stays


def key_of(text):
    return normal_party(text) if text else None


def speed_of(stays):
    sent = next((number for number, stay in enumerate(stays) if stay[0] == "sent"), None)
    after = [] if sent is None else stays[sent:]
    return next((stay[1] - after[0][1] for stay in after if stay[0] == "accepted"), None)


def response_of(stays, key):
    """From when somebody had a lead, in one go, until they accepted it."""
    since = None
    for state, at, _, holder in stays:
        if key_of(holder) != key:
            since = None
        elif state == "accepted" and since is not None:
            return at - since
        elif state != "accepted" and since is None:
            since = at
    return None


def week_of(stays):
    if not stays:
        return None
    began = next((stay[1] for stay in stays if stay[0] == "sent"), stays[0][1])
    year, week, _ = datetime.fromtimestamp(began, UTC).isocalendar()
    return f"{year}-W{week:02}"


def by_lead(group_of, leads, history):
    """Figures of a grouping in which each lead counts once."""
    groups = defaultdict(lambda: defaultdict(list))
    for one in leads:
        stays = stays_of(one, history[one["lead_id"]])
        group = groups[group_of(one, stays)]
        group["leads"].append(one)
        group["ever"].append(any(stay[0] == "accepted" for stay in stays))
        group["refusals"].append(one["refusals"])
        group["outcomes"].append(one["state"])
        group["speed"].append(speed_of(stays))
        for state, since, until, _ in stays:
            group[state].append(None if until is None else until - since)
    return groups


def by_holder(leads, history):
    """Figures of everybody who had leads."""
    groups = defaultdict(lambda: defaultdict(list))
    for one in leads:
        rows = history[one["lead_id"]]
        stays = stays_of(one, rows)
        for row in rows:
            if row["verdict"] not in ("stated", "implied"):
                groups[key_of(row["holder"])]["refusals"].append(1)
        for key in {key_of(stay[3]) for stay in stays} if stays else {None}:
            group = groups[key]
            own = [number for number, stay in enumerate(stays) if key_of(stay[3]) == key]
            group["leads"].append(one)
            group["ever"].append(any(stays[number][0] == "accepted" for number in own))
            group["speed"].append(response_of(stays, key))
            outcome = one["state"]
            if own and own[-1] + 1 < len(stays):
                outcome = stays[own[-1] + 1][0]
                outcome = outcome if outcome in ("rejected", "retracted") else "passed_on"
            group["outcomes"].append(outcome)
            for number in own:
                state, since, until, _ = stays[number]
                group[state].append(None if until is None else until - since)
    return groups


def as_figures(groups):
    """Return what the rows of figures must say."""
    said = {}
    for key, group in groups.items():
        durations = {
            state: spread([one for one in group[state] if one is not None]) for state in STATES[1:]
        }
        outcomes = (*STATES, "passed_on")
        said[key] = {
            "leads": len(group["leads"]),
            "ever_accepted": sum(group["ever"]),
            "refusals": sum(group["refusals"]),
            "outcomes": {name: group["outcomes"].count(name) for name in outcomes},
            "speed": spread([one for one in group["speed"] if one is not None]),
            **durations,
        }
    return said


def figures_of(audit, by):
    """Return the same of an audit, by the keys of the groups."""
    said = {}
    for group in audit.figures[by]:
        row = group.as_row()
        parts = ("speed", *STATES[1:])
        said[group.key] = {
            **{name: row[name] for name in ("leads", "ever_accepted", "refusals")},
            "outcomes": {name: row[name] for name in (*STATES, "passed_on")},
            **{
                part: tuple(row[f"{part}_{what}"] for what in ("n", "median", "p90"))
                for part in parts
            },
        }
    return said


@given(worlds)
def test_figures_are_those_of_a_straightforward_calculation_over_exported_rows(world):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(world)
        leads, rows = exported(store)
        audit = lifecycle.audit(store, by=BY)
    history = defaultdict(list)
    for row in rows:
        history[row["lead_id"]].append(row)
    expected = {
        "holder": by_holder(leads, history),
        "source": by_lead(
            lambda one, _: trimmed(one["source"] or "").casefold() or None, leads, history
        ),
        "week": by_lead(lambda _, stays: week_of(stays), leads, history),
        "owner": by_lead(lambda one, _: key_of(one["owner"]), leads, history),
        "sender": by_lead(lambda one, _: key_of(one["sender"]), leads, history),
    }
    for by, groups in expected.items():
        assert figures_of(audit, by) == as_figures(groups), by


@given(worlds)
def test_groups_add_up_to_all_leads_and_funnels_to_the_whole_funnel(world):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_text("".join(json.dumps(one) + "\n" for one in world))
        audit = lifecycle.audit(log, by=BY, overdue=["sent>1 min", "assigned>1 min"])
    for by, groups in audit.figures.items():
        assert sum(one.overdue for one in groups) == len(audit.overdue)
        if by == "holder":
            assert sum(one.tally.leads for one in groups) >= audit.leads
            assert sum(one.tally.refusals for one in groups) == audit.refused
            continue
        assert sum(one.tally.leads for one in groups) == audit.leads
        assert sum(one.tally.refusals for one in groups) == audit.refused
        for number, step in enumerate(audit.funnel):
            assert sum(one.funnel()[number].leads for one in groups) == step.leads
    assert audit.funnel[0].share in (None, 1.0)


# --- what they say --------------------------------------------------------------------------------


@pytest.fixture
def log(write_log):
    """Ada is slow, Bob rejects, and one lead is handed on."""
    messages = []
    for key, who, minutes in (("1", ADA, 30), ("2", ADA, 40), ("3", BOB, 5)):
        source = {"leadSource": "Portal" if who == ADA else " portal "}
        party = {"id": who, "name": "Ada Ace" if who == ADA else "Bob Bee"}
        messages += [
            lead("add", "10:00", keys=key, agent=ORG, recipient=ORG, snapshot=source),
            lead("assign", "10:01", keys=key, agent=ORG, recipient=party),
            lead("accept", f"10:{minutes + 1:02}", keys=key, agent=who),
        ]
    messages += [
        lead("add", "10:00", keys="4", recipient=ORG),
        lead("assign", "10:01", keys="4", recipient=BOB),
        lead("reject", "10:03", keys="4", agent=BOB),
        lead("assign", "10:10", keys="4", recipient=ADA),
        lead("accept", "10:11", keys="4", agent=BOB),
    ]
    return write_log(messages)


def test_everybody_counts_with_what_happened_while_they_had_a_lead(log):
    audit = lifecycle.audit(log, by=["holder", "source"], overdue=["assigned>30 min"])
    ada, bob, org = (
        next(one for one in audit.figures["holder"] if one.key == normal_party(who))
        for who in (ADA, BOB, ORG)
    )
    assert (ada.name, ada.tally.leads, ada.tally.accepted) == ("Ada Ace", 3, 2)
    assert ada.speed["total"].median == 30 * 60_000_000
    # Bob rejected the fourth, and took it from Ada's hands at once: no time of his own.
    assert (bob.tally.leads, bob.tally.accepted, bob.speed["total"].count) == (2, 2, 1)
    assert org.tally.outcomes == {"passed_on": 4}
    assert all(one.is_small for one in (ada, bob, org))
    (portal, unknown) = audit.figures["source"]
    assert (portal.text, portal.tally.leads, portal.share) == ("Portal", 3, 1.0)
    assert (unknown.text, unknown.tally.leads) == (None, 1)


def test_the_terminal_answers_with_tables_and_status_0(log, lifecycle):
    result = lifecycle("audit", log, "--by", "holder", "--by", "source", "--overdue", "assigned>2h")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for part in (
        "By holder everybody who had a lead",
        "Ada Ace* 3 2 66.67% 30 min 40 min 2 0 0",
        "By source speed from sent to accepted; * fewer than 10 leads",
        "Where they are by holder what became of them in those hands",
        "Time in state median of the stays that ended, and how many",
        "Portal* 3 0 (-) 3 (1 min) 3 (31 min)",
    ):
        assert part in words, words


def test_rows_of_figures_and_funnels_come_in_every_format(log, lifecycle):
    rows = lifecycle("audit", log, "--by", "source", "--format", "jsonl").stdout.splitlines()
    first = json.loads(rows[0])
    assert (first["by"], first["group"], first["leads"], first["small"]) == (
        *("source", "Portal", 3),
        True,
    )
    assert first["speed_median"] == 31 * 60.0
    funnel = ("--list", "funnel", "--by", "source", "--format", "jsonl")
    rows = [json.loads(row) for row in lifecycle("audit", log, *funnel).stdout.splitlines()]
    assert [(row["by"], row["step"], row["leads"]) for row in rows[:4]] == [
        ("all", "sent", 4), ("all", "received", 0), ("all", "assigned", 4), ("all", "accepted", 4),
    ]  # fmt: skip
    assert {row["by"] for row in rows} == {"all", "source"}
    whole = json.loads(lifecycle("audit", log, "--by", "week", "--format", "json").stdout)
    assert [row["group"] for row in whole] == ["2026-W09"]


def test_more_groups_than_asked_for_are_counted(log, lifecycle):
    result = lifecycle("audit", log, "--by", "holder", "--top", 1)
    assert "and 2 groups more: --list figures" in result.stdout


# --- names of people ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Id,Name\nhttps://ada.example.com/profile/card#me,Ada File\n", "users.csv"),
        (
            "\ufeffUser ID;Full Name\nhttps://ada.example.com/profile/card#me;Ada File\n",
            "users.csv",
        ),
        ("id\tFirst Name\tlast_name\nHTTP://ADA.example.com/profile/card#me\tAda\tFile\n", "u.tsv"),
        ('{"https://ada.example.com/profile/card#me": "Ada File"}', "users.json"),
        (
            '[{"id": "https://ada.example.com/profile/card#me", "name": "Ada File"}, 5]',
            "users.json",
        ),
        ('{"id": "https://ada.example.com/profile/card#me", "name": "Ada File"}\n', "users.jsonl"),
        (
            '{"id": "https://ada.example.com/profile/card#me", "name": "Ada File"}\n{"id": 7}\n',
            "users.jsonl",
        ),
    ],
)
def test_names_of_a_file_have_the_last_word(text, name, log, tmp_path, lifecycle):
    file = tmp_path / name
    file.write_text(text, "utf-8")
    result = lifecycle("audit", log, "--by", "holder", "--users", file, "--format", "jsonl")
    names = {json.loads(row)["name"] for row in result.stdout.splitlines()}
    assert names == {"Ada File", "Bob Bee", None}


def test_ids_of_users_are_found_in_every_form():
    people = People.of({"0050000000Ada01": "Ada", "77": "Bob", "BOB@x.example": "Bob"})
    assert people.name(normal_party("salesforceuserid:0050000000Ada01AAB")) == "Ada"
    assert people.name(normal_party("hubspotownerid:77")) == "Bob"
    assert people.name(normal_party("mailto:bob@X.example")) == "Bob"
    assert people.name(None) is None
    assert people.name("https://nobody.example/") is None


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "[5]", "{", '{"a": 5}', "\xff", "id,name\n,\n"])
def test_a_file_without_users_is_one_error(text, log, tmp_path, lifecycle):
    file = tmp_path / "users.csv"
    file.write_bytes(text.encode("latin-1"))
    result = lifecycle("audit", log, "--by", "holder", "--users", file)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"lifecycle: {file}: expected ")
    with pytest.raises(InputError, match="cannot be read"):
        read_users(tmp_path / "none.csv")


def test_the_latest_event_has_the_last_word_on_a_name(write_log):
    messages = [
        lead("assign", "10:02", recipient={"id": ADA, "name": "Ada New"}),
        lead("assign", "10:01", keys="2", recipient={"id": ADA, "name": "Ada Old"}),
    ]
    audit = lifecycle.audit(write_log(messages), overdue=["assigned>1s"])
    assert audit.people.name(normal_party(ADA)) == "Ada New"
