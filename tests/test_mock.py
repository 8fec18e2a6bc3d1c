"""Mock data: what it says comes true, chance can be repeated, and nobody real is in it."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise

import pytest
import warm

from lifecycle import LeadReader, decode, validate
from lifecycle.messages import Decoded, read_message
from lifecycle.messages.topics import TRIGGER_OF_TOPIC
from lifecycle.mocking import SYSTEMS, TOPICS, Plan, samples, stories
from lifecycle.mocking.lead import written

MOCK = (sys.executable, "-m", "lifecycle", "mock")
TODAY = "2026-11-01"
OF_EACH_SORT = [["--required-only"], ["--random-optionals"], ["--sort-properties"], []]

# Seeds with other options each: what misbehaves, and which properties there are.
SEEDS = [
    Plan(
        leads=120,
        seed=seed,
        events_per_lead=(1, 3, 6, 9)[seed % 4],
        invalid=(0, 0.02, 0.1, 0.3)[seed // 4 % 4],
        duplicates=(0, 0.05, 0.4)[seed % 3],
        late=(0.05, 0.5, 0)[seed // 2 % 3],
        joined_midway=(0.1, 1, 0, 0.5, 0.1)[seed % 5],
        systems=1 + (seed // 3) % 4,
        properties=("all", "all", "random", "all", "required")[seed // 2 % 5],
    )
    for seed in range(20)
]
# Leads told by changes of fields, alone and among others.
CHANGES = [
    Plan(
        leads=120,
        seed=seed,
        changes=(1, 0.5)[seed % 2],
        events_per_lead=(1, 3, 6, 12)[seed // 2 % 4],
        duplicates=(0.05, 0.4)[seed // 3 % 2],
        late=(0.5, 0.05, 0)[seed % 3],
        joined_midway=(0, 0.3, 1)[seed // 2 % 3],
        properties=("all", "random", "required")[seed // 3 % 3],
    )
    for seed in range(21, 37)
]
# Many dates of receipt that are older than what is known of the sending.
STALE = Plan(leads=800, seed=20, events_per_lead=2, joined_midway=1, properties="random")


def told(plan):
    """Return the messages of a plan, and the truths, by lead."""
    deliveries = list(stories(plan))
    truths = [one.truth for one in deliveries if one.truth]
    return [one.message for one in deliveries], {one.lead_id: one for one in truths}


def found(store):
    """Return what a store says of each lead, in the words of a truth file."""
    return {
        lead.lead_id: {
            "lead_id": lead.lead_id,
            "state": lead.state,
            "events": lead.events,
            "refusals": lead.refusals,
            "refused": [
                entry.event_id for entry in store.history(lead.lead_id) if entry.refusal is not None
            ],
        }
        for lead in store.leads()
    }


def run(*arguments, **options):
    """Run the command in a process of its own."""
    return subprocess.run(
        [*MOCK, *arguments],
        capture_output=True,
        check=False,
        **options,
    )


def parts(value, name=""):
    """Every value in a message, with the name it stands under."""
    yield name, value
    if isinstance(value, dict):
        for inner, part in value.items():
            yield from parts(part, inner)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part, name)


# --- the truth ------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [*SEEDS, STALE, *CHANGES], ids=lambda plan: f"seed {plan.seed}")
def test_what_is_told_comes_true(plan, store):
    messages, truths = told(plan)
    assert [message for message in messages if validate(message)] == []
    store.apply_many(messages)
    assert found(store) == {name: truth.as_dict() for name, truth in truths.items()}
    assert len(truths) == plan.leads
    assert list(store.quarantine()) == []


@pytest.mark.parametrize(
    ("seed", "leads"),
    [
        *((seed, 600 if seed == 7 else 150) for seed in range(20)),
        pytest.param(7, 2000, marks=pytest.mark.long),
    ],
)
@pytest.mark.usefixtures("uncovered")
def test_the_command_writes_a_valid_log_and_its_truth(seed, leads, tmp_path, path, lifecycle):
    truth, log = tmp_path / "truth.jsonl", tmp_path / "log.jsonl"
    with log.open("wb") as output:
        done = subprocess.run(
            [warm.command(), "mock", "--leads", str(leads), "--seed", str(seed), "--truth", truth],
            stdout=output,
            check=False,
        )
    assert done.returncode == 0
    checked = lifecycle("validate", log)
    assert (checked.exit_code, checked.stdout) == (0, "")
    replayed = json.loads(lifecycle("replay", path, log, "--json").stdout)
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    with LeadReader(path) as store:
        assert found(store) == {row["lead_id"]: row for row in rows}
    assert replayed["leads"] == len(rows) == leads
    assert replayed["refused"] == sum(row["refusals"] for row in rows) > 0
    assert replayed["duplicate"] > 0
    assert replayed["quarantined"] == replayed["conflict"] == replayed["ignored"] == 0


def test_the_truth_asks_nobody_whom_it_is_held_against():
    code = (
        "import sys\n"
        "from lifecycle.mocking import Plan, stories\n"
        "assert sum(1 for _ in stories(Plan(leads=5)))\n"
        "print(*sorted(one for one in sys.modules if one.startswith('lifecycle.')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    imported = done.stdout.split()
    assert "lifecycle.mocking.truth" in imported
    homes = {".".join(one.split(".")[:2]) for one in imported}
    assert homes == {"lifecycle.errors", "lifecycle.mocking"}


def test_stories_have_no_findings_but_those_that_were_meant(store):
    messages, _ = told(Plan(leads=300, seed=1, late=0, invalid=0, joined_midway=0))
    store.apply_many(messages)
    assert list(store.findings()) == []


def test_stories_end_in_every_state_and_say_everything_that_a_lead_message_can():
    messages, truths = told(Plan(leads=500, events_per_lead=4))
    states = {"sent", "received", "assigned", "accepted", "rejected", "retracted"}
    assert {truth.state for truth in truths.values()} == states
    topics = {one["topic"].removeprefix("realestate/") for one in messages}
    assert topics == set(TOPICS) - {"lead#change"}
    named = [one["data"]["object"] for one in messages if "retract" in one["topic"]]
    assert 0 < sum("identifier" not in one for one in named) < len(named)


def test_some_leads_are_refused_things_after_their_contact_was_deleted(store):
    messages, _ = told(Plan(leads=400, seed=3, invalid=0.3))
    store.apply_many(messages)
    codes = Counter(one.code for one in store.findings())
    assert codes["after_contact_deleted"] > 0
    assert codes["invalid_transition"] > codes["after_contact_deleted"]


# --- changes of fields ----------------------------------------------------------------------------


@pytest.mark.parametrize("plan", CHANGES[::2], ids=lambda plan: f"seed {plan.seed}")
def test_what_changes_tell_comes_true_in_any_order(plan, store):
    messages, truths = told(plan)
    random.Random(plan.seed).shuffle(messages)
    for start in range(0, len(messages), 200):
        store.apply_many(messages[start : start + 200])
    assert found(store) == {name: truth.as_dict() for name, truth in truths.items()}


def test_changes_tell_of_every_move_that_salesforce_can_mean(store):
    messages, truths = told(Plan(leads=600, seed=9, changes=1, events_per_lead=12))
    store.apply_many(messages)
    assert found(store) == {name: truth.as_dict() for name, truth in truths.items()}
    moves = Counter(
        (entry.trigger, entry.source, entry.target, entry.verdict)
        for name in truths
        for entry in store.history(name)
    )
    # A lead whose history was joined midway is assigned or accepted first of all.
    assert set(moves) == {
        ("send", "new", "sent", "stated"),
        ("send", "rejected", "sent", "stated"),
        ("send", "retracted", "sent", "stated"),
        ("assign", "new", "assigned", "stated"),
        ("assign", "sent", "assigned", "stated"),
        ("assign", "assigned", "assigned", "stated"),
        ("assign", "accepted", "assigned", "stated"),
        ("assign", "rejected", "assigned", "stated"),
        ("assign", "retracted", "assigned", "stated"),
        ("assign", "rejected", "assigned", "implied"),
        ("assign", "retracted", "assigned", "implied"),
        ("accept", "new", "accepted", "stated"),
        ("accept", "assigned", "accepted", "stated"),
        ("reject", "sent", "rejected", "stated"),
        ("reject", "assigned", "rejected", "stated"),
        ("retract", "assigned", "retracted", "stated"),
        ("retract", "accepted", "retracted", "stated"),
    }


def test_a_history_of_changes_has_no_findings_but_that_it_was_joined_midway(store):
    messages, _ = told(Plan(leads=300, seed=2, changes=1, duplicates=0.4, late=0.4))
    store.apply_many(messages)
    assert {one.code for one in store.findings()} == {"joined_midway"}


def fact(message):
    """Return what makes a change the one that it is."""
    data = message["data"]
    (lead,) = data["object"]["identifier"].values()
    return lead, data["field"], message["time"], data.get("new", "")


def test_a_copy_of_a_change_may_say_less_and_is_the_same_fact():
    messages, truths = told(Plan(leads=200, seed=4, changes=1, duplicates=0.5))
    first, missing = {}, Counter()
    for message in messages:
        one = first.setdefault(fact(message), message)
        if one is not message:
            assert message["id"] != one["id"]
            names = set(one["data"]) ^ set(message["data"])
            missing[" ".join(names)] += 1
            assert all(
                one["data"][name] == part
                for name, part in message["data"].items()
                if name not in names
            )
    assert missing.keys() == {"", "old", "agent"}
    assert len(first) == sum(truth.events for truth in truths.values())


def test_some_changes_are_of_one_save_and_no_others_share_a_second():
    messages, _ = told(Plan(leads=200, changes=1, duplicates=0, events_per_lead=12))
    saves = {}
    for message in messages:
        lead, field, time, _ = fact(message)
        assert time.endswith(".000Z")
        saves.setdefault((lead, time), []).append(field)
    sorts = Counter(tuple(sorted(fields)) for fields in saves.values())
    assert sorts.keys() == {
        ("Owner",),
        ("Status",),
        ("created",),
        ("Owner", "Status"),
        ("Owner", "created"),
    }


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_so_many_leads_are_told_by_changes(rate):
    messages, _ = told(Plan(leads=1000, changes=rate, events_per_lead=3))
    leads = {contact_of(one): "change" in one["topic"] for one in messages}
    assert sum(leads.values()) / 1000 == pytest.approx(rate, abs=0.05)
    assert len(leads) == 1000


@pytest.mark.parametrize("average", [1, 2, 12])
def test_a_lead_has_so_many_changes_on_average(average):
    _, truths = told(Plan(leads=1000, changes=1, events_per_lead=average))
    mean = sum(one.events for one in truths.values()) / len(truths)
    assert mean == pytest.approx(average, rel=0.06)


def test_without_changes_stories_and_samples_are_what_they_were_before_there_were_any():
    """Of each message what does not hang on the version of Faker."""
    lines = []
    for properties in ("all", "random", "required"):
        told_of_each = stories(Plan(leads=120, seed=3, properties=properties))
        lines += [(shown(message), truth) for message, truth in told_of_each]
        some = samples(TOPICS[:7], count=3, seed=3, properties=properties)
        lines += [shown(message) for message in some]
    digest = hashlib.sha256(json.dumps(lines).encode()).hexdigest()
    assert digest == "7b2f5df094da488c7c3d59d3cdd81abf99269933ccae5c6a0a4385c2db4e53ae"


def shown(message):
    names = [name for name, _ in parts(message)]
    return message["topic"], message["time"], message["id"], message.get("@id"), names


# --- chance ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OF_EACH_SORT, ids=lambda some: " ".join(some) or "all")
@pytest.mark.parametrize(
    "what", [["--leads", "40", "--changes", ".3", "--truth", "truth"], ["--count", "3"]]
)
def test_the_same_seed_gives_the_same_bytes_in_any_process(what, options, tmp_path):
    runs = []
    for number in ("0", "1"):
        done = run(*what, *options, cwd=tmp_path, env=os.environ | {"PYTHONHASHSEED": number})
        assert done.returncode == 0, done.stderr
        truth = tmp_path / "truth"
        runs.append((done.stdout, truth.read_bytes() if truth.exists() else b""))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("what", [["--leads", "2"], ["lead#add"]])
def test_another_seed_gives_other_bytes(what, lifecycle):
    outputs = {lifecycle("mock", *what, "--seed", seed).stdout for seed in range(5)}
    assert len(outputs) == 5


RATED = {"events_per_lead": 8, "invalid": 0, "duplicates": 0, "late": 0, "joined_midway": 0}


def shares(plan):
    """Return the share of each kind of misbehaviour in what is told."""
    messages, truths = told(plan)
    seen, late, distinct, last, first = set(), 0, 0, {}, {}
    for message in messages:
        if message["id"] in seen:
            continue
        seen.add(message["id"])
        distinct += 1
        # With one system every message of a lead has the same key, but where only the contact is.
        lead = contact_of(message)
        late += last.get(lead, "") > message["time"]
        last[lead] = max(last.get(lead, ""), message["time"])
        first[lead] = min(first.get(lead, ("9", "")), (message["time"], message["topic"]))
    begun = Counter(topic for _, topic in first.values())
    return {
        "invalid": sum(len(truth.refused) for truth in truths.values()) / distinct,
        "duplicates": (len(messages) - distinct) / distinct,
        "late": late / distinct,
        "joined_midway": 1 - begun["realestate/lead#add"] / plan.leads,
        "events_per_lead": distinct / plan.leads,
    }


def contact_of(message):
    thing = message["data"]["object"]
    return thing.get("object", thing)["identifier"]["redContact_Guid"]


@pytest.mark.parametrize("rate", [0.05, 0.3])
@pytest.mark.parametrize("name", ["invalid", "duplicates", "late", "joined_midway"])
def test_each_rate_is_met_and_touches_no_other(name, rate):
    plan = Plan(leads=1500, seed=5, **RATED | {name: rate})
    measured = shares(plan)
    among = plan.leads if name == "joined_midway" else plan.leads * 8
    assert measured.pop(name) == pytest.approx(rate, abs=3 * (rate * (1 - rate) / among) ** 0.5)
    assert measured.pop("events_per_lead") == pytest.approx(8, rel=0.05)
    assert set(measured.values()) == {0}


def test_no_lead_that_was_joined_midway_begins_as_if_it_were_new():
    plan = Plan(leads=400, **RATED | {"joined_midway": 1})
    assert shares(plan)["joined_midway"] == 1


def test_without_any_rate_nothing_misbehaves():
    measured = shares(Plan(leads=300, **RATED))
    assert measured.pop("events_per_lead") > 0
    assert set(measured.values()) == {0}


@pytest.mark.parametrize("average", [1, 2, 12])
def test_a_lead_has_so_many_events_on_average(average):
    _, truths = told(Plan(leads=1000, events_per_lead=average))
    mean = sum(one.events for one in truths.values()) / len(truths)
    assert mean == pytest.approx(average, rel=0.06)


@pytest.mark.parametrize("systems", range(1, len(SYSTEMS) + 1))
def test_every_system_has_its_own_names_and_they_hang_together(systems, store):
    messages, truths = told(Plan(leads=150, systems=systems, events_per_lead=9))
    schemes = Counter()
    for message in messages:
        schemes.update(message["data"]["object"].get("identifier", {}).keys())
    schemes.pop("redContact_Guid", None)
    assert set(schemes) == {one.scheme for one in SYSTEMS[:systems]}
    store.apply_many(messages)
    assert found(store).keys() == truths.keys()
    named = {message["instrument"] for message in messages}
    assert named == {one.uri for one in SYSTEMS[:systems]}


def test_a_copy_differs_in_its_name_alone():
    messages, _ = told(Plan(leads=100, duplicates=0.5))
    first = {}
    copies = 0
    for message in messages:
        original = first.setdefault(message["id"], message)
        if original is not message:
            copies += 1
            assert message["@id"] != original["@id"]
            assert message | {"@id": ""} == original | {"@id": ""}
    assert copies > 100


def test_the_messages_of_a_lead_have_times_of_their_own():
    messages, _ = told(Plan(leads=200, late=0, duplicates=0, systems=1, events_per_lead=20))
    times = {}
    for message in messages:
        times.setdefault(contact_of(message), []).append(message["time"])
    assert all(early < later for some in times.values() for early, later in pairwise(some))


PACES = [
    Plan(leads=leads, events_per_lead=average)
    for leads in (1, 10**4, 10**6, 10**9)
    for average in (1, 6, 50, 1000)
    if leads * average <= 6 * 10**9
]


@pytest.mark.parametrize("plan", PACES, ids=lambda plan: f"{plan.leads} x {plan.events_per_lead}")
def test_nothing_lies_ahead_of_today(plan):
    """No step takes longer than twelve times the average, a tenth of a second, and a second."""
    story = 2 * plan.events_per_lead * (12 * plan.between_steps + 1100)
    assert written(int(1.01 * plan.leads * plan.between_leads) + story) < TODAY


@pytest.mark.parametrize("plan", PACES, ids=lambda plan: f"{plan.leads} x {plan.events_per_lead}")
def test_as_many_messages_wait_whatever_the_plan(plan):
    stories_at_once = plan.events_per_lead * (plan.between_steps + 100) / plan.between_leads
    assert stories_at_once * plan.events_per_lead < 5000


@pytest.mark.usefixtures("uncovered")
def test_memory_does_not_grow_with_the_leads():
    plan = Plan(leads=6000, events_per_lead=3, properties="required")
    deliveries = stories(plan)
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(3):
            tracemalloc.reset_peak()
            for _ in range(5000):
                next(deliveries)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[2] < 1.15 * peaks[1]


# --- samples --------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("properties", ["all", "required", "random"])
def test_every_sample_is_decoded_without_a_note(topic, properties):
    for message in samples([topic], count=60, seed=2, properties=properties):
        assert validate(message) == ()
        (reading,) = read_message(message)
        assert isinstance(reading, Decoded)
        assert reading.event.trigger == TRIGGER_OF_TOPIC[topic]
        assert reading.event.notes == ()


def test_there_are_samples_of_whatever_is_decoded_and_travels_the_network():
    assert set(TOPICS) == set(TRIGGER_OF_TOPIC) - {"lead#send", "lead#receive"}


def test_samples_of_changes_are_of_owners_and_of_states():
    some = [one["data"] for one in samples(["lead#change"], count=50)]
    assert {one["field"] for one in some} == {"Owner", "Status"}
    assert all({"source", "old", "new", "agent"} <= set(one) for one in some)
    assert all("salesforceId" in one["object"]["identifier"] for one in some)


def test_without_topics_there_is_a_sample_of_each(lifecycle):
    rows = [json.loads(line) for line in lifecycle("mock").stdout.splitlines()]
    assert [row["topic"] for row in rows] == [f"realestate/{topic}" for topic in TOPICS]


def test_samples_are_as_many_as_are_asked_for(lifecycle):
    done = lifecycle("mock", "realestate/lead#assign", "lead#asssign", "lead#add", "--count", 3)
    rows = [json.loads(line)["topic"] for line in done.stdout.splitlines()]
    assert rows == ["realestate/lead#assign"] * 6 + ["realestate/lead#add"] * 3


def test_a_sample_of_what_is_no_topic_is_an_error():
    with pytest.raises(ValueError, match="expected one of lead#add"):
        samples(["lead#score"])


@pytest.mark.parametrize("topic", TOPICS)
def test_required_only_leaves_nothing_that_decoding_could_do_without(topic):
    """All but the id, and the new value of a change: without it the field was emptied."""
    of_changes = {"source", "field", "new"} if topic == "lead#change" else set()
    for message in samples([topic], count=10, properties="required"):
        assert set(message) == {"topic", "time", "id", "data"}
        assert set(message["data"]) == {"object", *of_changes}
        assert len(list(leaves(message["data"]["object"]))) == 1
        for name in of_changes - {"new"}:
            (reading,) = read_message(message | {"data": without(message["data"], name)})
            assert not isinstance(reading, Decoded)
        for name in ("time", "data"):
            (reading,) = read_message(without(message, name))
            assert not isinstance(reading, Decoded)


def without(some, name):
    return {key: part for key, part in some.items() if key != name}


def leaves(value):
    for part in value.values():
        yield from leaves(part) if isinstance(part, dict) else [part]


def test_random_optionals_are_there_or_not():
    some = list(samples(["lead#reject"], count=200, properties="random"))
    for name in ("agent", "instrument", "source", "originalRecipient", "@id"):
        assert 60 < sum(name in one for one in some) < 140
    for name in ("owner", "sender", "dateSent", "leadSource"):
        assert 60 < sum(name in one["data"]["object"] for one in some) < 140


@pytest.mark.parametrize("what", [["--leads", "5"], ["--count", "2"]])
def test_sorted_properties_say_the_same_in_the_order_of_their_names(what, lifecycle):
    plain = lifecycle("mock", *what).stdout.splitlines()
    ordered = lifecycle("mock", *what, "--sort-properties").stdout.splitlines()
    assert plain != ordered
    assert list(map(json.loads, plain)) == list(map(json.loads, ordered))
    for line in ordered:
        for _, value in parts(json.loads(line)):
            assert not isinstance(value, dict) or list(value) == sorted(value)


# --- nobody is real -------------------------------------------------------------------------------


def test_nobody_can_be_reached():
    messages, _ = told(Plan(leads=150, systems=8, events_per_lead=9, changes=0.3))
    text = json.dumps([*messages, *samples(count=20)])
    hosts = set(re.findall(r"https?://([^/\"#]+)", text)) | set(re.findall(r"@([\w.-]+)\"", text))
    hosts.discard("id")
    assert hosts
    assert all(re.fullmatch(r"([\w-]+\.)?example\.(com|org|net)", host) for host in hosts)
    numbers = re.findall(r'"telephone": "([^"]*)"', text)
    assert len(set(numbers)) > 100
    assert all(re.fullmatch(r"\+1[2-9]\d\d55501\d\d", number) for number in numbers)


def test_people_are_many():
    messages, _ = told(Plan(leads=500, events_per_lead=1))
    names = {one["data"]["object"]["object"]["name"] for one in messages}
    assert len(names) > 450


# --- the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lead#score"], "expected one of lead#add"),
        (["contact#add"], "expected one of lead#add"),
        (["--leads", "0"], "0 is not in the range"),
        (["--leads", "3", "--invalid", "1.5"], "expected a rate from 0 to 1"),
        (["--leads", "3", "--late", "nan"], "expected a rate from 0 to 1"),
        (["--leads", "3", "--duplicates", "many"], "expected a rate from 0 to 1"),
        (["--leads", "3", "--systems", "9"], "9 is not in the range"),
        (["--leads", "3", "--events-per-lead", "0"], "0 is not in the range"),
        (["--changes", "0.5"], "--changes is for stories: give --leads, too"),
        (["--leads", "3", "--changes", "2"], "expected a rate from 0 to 1"),
        (["--truth", "truth"], "--truth is for stories: give --leads, too"),
        (["lead#add", "--joined-midway", "0"], "--joined-midway is for stories"),
        (["lead#add", "--leads", "3"], "TOPIC is for samples, not for --leads"),
        (["--count", "1", "--leads", "3"], "--count is for samples"),
        (["--required-only", "--random-optionals"], "nothing to choose"),
        (["--leads", "3", "--truth", "-"], "--truth needs a file"),
    ],
)
def test_what_cannot_be_made_up_is_wrong_usage(arguments, said, lifecycle):
    done = lifecycle("mock", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    "wrong", [{"leads": -1}, {"late": 2}, {"changes": -1}, {"systems": 0}, {"properties": "few"}]
)
def test_a_plan_out_of_range_is_an_error(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Plan(**{"leads": 1} | wrong)


def test_a_truth_that_cannot_be_written_is_said_before_anything_is_printed(tmp_path, lifecycle):
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    for path in (tmp_path / "none" / "truth", tmp_path, theirs):
        done = lifecycle("mock", "--leads", 3, "--truth", path)
        assert (done.exit_code, done.stdout) == (3, "")
        assert done.stderr.startswith(f"lifecycle: {path}: cannot be written: ")
    assert theirs.read_text() == "precious"


def test_the_truth_does_not_go_where_the_messages_go(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as output:
        done = subprocess.run(
            [warm.command(), "mock", "--leads", "3", "--truth", str(log)],
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 3
    assert b"the messages go there" in done.stderr
    assert log.read_bytes() == b""


def test_a_truth_takes_the_place_of_an_older_one_when_it_is_whole(tmp_path, lifecycle):
    truth = tmp_path / "truth"
    assert lifecycle("mock", "--leads", 3, "--truth", truth).exit_code == 0
    older = truth.read_text()
    assert lifecycle("mock", "--leads", 3, "--seed", 1, "--truth", truth).exit_code == 0
    assert truth.read_text() != older
    assert [one.name for one in tmp_path.iterdir()] == ["truth"]


@pytest.mark.parametrize("truth", [[], ["--truth", "truth"]])
def test_when_nobody_reads_on_it_ends_in_silence_and_half_a_truth_is_none(truth, tmp_path):
    with subprocess.Popen(
        [warm.command(), "mock", "--leads", "100000", *truth],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        assert json.loads(process.stdout.readline())["topic"] == "realestate/lead#add"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--leads", "3"], ["--leads", "3", "--truth", "t"]])
def test_without_faker_it_says_what_to_install(arguments, monkeypatch, tmp_path, lifecycle):
    monkeypatch.setitem(sys.modules, "faker", None)
    monkeypatch.chdir(tmp_path)
    done = lifecycle("mock", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "lifecycle: made-up people need Faker: pip install 'lead-lifecycle[mock]'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_library_call_gives_what_the_command_prints(lifecycle):
    printed = [json.loads(line) for line in lifecycle("mock", "--leads", 5).stdout.splitlines()]
    assert printed == [one.message for one in stories(Plan(leads=5))]


def test_the_first_message_of_a_billion_leads_is_there_at_once():
    assert decode(next(stories(Plan(leads=10**9))).message).trigger == "send"
