"""The worked examples come out as written, whatever the order, the batches and the way in."""

import json
import random
from itertools import islice

import pytest
from conftest import CASES
from worlds import NOW

from lifecycle import LeadStore, Rules, decode, fold


def case(path):
    return json.loads(path.read_text())


def orders(messages):
    """As given, reversed, and shuffled in several ways."""
    yield messages
    yield messages[::-1]
    for seed in range(4):
        yield random.Random(seed).sample(messages, len(messages))


def lead_says(lead, rows):
    keys = [list(key) for key in lead.keys if key.kind == "lead"]
    return {
        "keys": keys or [list(key) for key in lead.keys],
        "state": lead.state,
        "holder": str(lead.holder) if lead.holder else None,
        "history": [[row.trigger, row.source, row.target, row.verdict] for row in rows],
    }


def store_says(store):
    return [lead_says(lead, store.history(str(lead.keys[0]))) for lead in store.leads()]


@pytest.fixture(params=CASES, ids=lambda path: path.stem)
def example(request):
    return case(request.param)


def test_there_are_seventeen_cases():
    assert len(CASES) == 17


def test_the_fold_says_what_the_case_says(example):
    for messages in orders(example["messages"]):
        history = fold(Rules.default(), map(decode, messages))
        assert [lead_says(one.lead, one.rows) for one in history.leads] == example["leads"]


def test_a_store_says_it_one_by_one(example, tmp_path):
    for number, messages in enumerate(orders(example["messages"])):
        with LeadStore(tmp_path / f"{number}.db", clock=lambda: NOW) as store:
            for message in messages:
                store.apply(message)
            assert store_says(store) == example["leads"]


def test_a_store_says_it_in_one_batch(example, tmp_path):
    for number, messages in enumerate(orders(example["messages"])):
        with LeadStore(tmp_path / f"{number}.db", clock=lambda: NOW) as store:
            store.apply_many(messages)
            assert store_says(store) == example["leads"]


@pytest.mark.parametrize("way", [("replay", "--batch", 1), ("replay",), ("apply",)])
@pytest.mark.parametrize(
    "some",
    [
        # Stores are asked in every order above: here is what lies between them and a person.
        pytest.param((None, 3), id="three orders"),
        pytest.param((3, None), id="other orders", marks=pytest.mark.long),
    ],
)
def test_the_command_line_says_it(example, way, some, lifecycle, tmp_path, write_log):
    command, *more = way
    for number, messages in enumerate(islice(orders(example["messages"]), *some)):
        log, database = write_log(messages), tmp_path / f"{number}.db"
        result = lifecycle(command, database, log, *more)
        assert result.exit_code == 0, result.output
        leads = json.loads(lifecycle("leads", database, "--format", "json").output)
        said = []
        for lead in leads:
            name = lead["keys"][0]
            rows = json.loads(lifecycle("history", database, name, "--format", "json").output)
            said.append(
                {
                    "keys": [key.split(":", 2) for key in lead["keys"] if key.startswith("lead:")],
                    "state": lead["state"],
                    "holder": lead["holder"],
                    "history": [[r["trigger"], r["from"], r["to"], r["verdict"]] for r in rows],
                }
            )
        assert said == example["leads"]
