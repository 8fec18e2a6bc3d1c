"""Another tool agrees: pm4py, where it is installed (dependency group ``bench``).

VENV=.venv-bench scripts/venv bench test && .venv-bench/bin/pytest tests/test_peers.py
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LOGS
from letters import ADA, BOB, lead
from test_repair import BASE, DEFAULT, repaired

from lifecycle import audit
from lifecycle.domain import RULED_TRIGGERS

PEER = Path(__file__).parents[1] / "scripts" / "benchmarks" / "peer_pm4py.py"


@pytest.fixture
def alignment_costs(tmp_path):
    """Return what pm4py says that sequences of triggers cost."""

    def costs(rules, sequences):
        file = tmp_path / "rules.toml"
        file.write_text(rules.to_toml())
        done = subprocess.run(
            [sys.executable, PEER, "align", file],
            input=json.dumps([list(one) for one in sequences]),
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    return costs


@pytest.mark.parametrize("rules", [BASE, DEFAULT], ids=lambda rules: rules.name)
def test_a_repair_costs_what_an_alignment_does(rules, alignment_costs):
    chance = random.Random(4)
    sequences = [chance.choices(RULED_TRIGGERS, k=chance.randint(1, 12)) for _ in range(1500)]
    ours = [len(repaired(rules, triggers)) for triggers in sequences]
    assert ours == alignment_costs(rules, sequences)


@pytest.mark.skipif(not LOGS.exists(), reason="the real logs are not here")
@pytest.mark.parametrize(("rules", "cost"), [(BASE, 5237), (DEFAULT, 776)], ids=["base", "default"])
def test_the_help_desk_costs_what_its_alignments_do(rules, cost, alignment_costs):
    found = audit(LOGS / "helpdesk.jsonl.gz", rules=rules)
    theirs = alignment_costs(rules, [one.triggers for one in found.variants])
    leads = [one.leads for one in found.variants]
    assert sum(map(int.__mul__, theirs, leads)) == found.repair_cost == cost


def test_pm4py_reads_the_export(tmp_path, write_log, lifecycle):
    messages = [lead("add", "10:00"), lead("assign", "10:01", recipient=ADA)]
    messages += [lead("accept", "10:02", agent=ADA), lead("accept", "10:03", agent=BOB)]
    file = tmp_path / "log.sqlite"
    log = write_log(messages)
    assert lifecycle("audit", log, "--ocel", file, "--fail-on", "nothing").exit_code == 0
    program = (
        "import json, sys, pm4py\n"
        "from pm4py.objects.ocel.validation import ocel20_rel_validation\n"
        "log = pm4py.read_ocel2_sqlite(sys.argv[1])\n"
        "satisfied, unsatisfied = ocel20_rel_validation.apply(sys.argv[1])\n"
        "verdicts = sorted(set(log.events['verdict']))\n"
        "said = [len(log.events), len(log.objects), verdicts, unsatisfied]\n"
        "print(json.dumps(said, default=str))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, file], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [4, 3, ["applied", "refused"], []]
