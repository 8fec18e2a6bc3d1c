"""Two real logs come out as a separate program computed from design.md.

They are not ours to pass on: they lie beside the project where it is developed, and nowhere else.
"""

import json
from collections import Counter

import pytest
from conftest import LOGS

BASE = ("--rules", LOGS / "base.toml")
EXPECTED = {
    ("olist_leads", "default"): {
        "read": 9684,
        "leads": 8000,
        "clean": 7999,
        "kinds": {"send from accepted": 1},
        "states": {"accepted": 842, "sent": 7158},
    },
    ("olist_leads", "base"): {
        "read": 9684,
        "leads": 8000,
        "clean": 7999,
        "kinds": {"assign from new": 1, "accept from new": 1},
        "states": {"accepted": 841, "sent": 7159},
    },
    ("helpdesk", "default"): {
        "read": 21348,
        "leads": 4580,
        "clean": 3957,
        "kinds": {"accept from accepted": 773, "reject from accepted": 3},
        "states": {"accepted": 4285, "assigned": 288, "sent": 7},
    },
    ("helpdesk", "base"): {
        "read": 21348,
        "leads": 4580,
        "clean": 100,
        "kinds": {
            "accept from new": 4921,
            "assign from new": 4801,
            "accept from accepted": 26,
            "reject from new": 3,
            "assign from accepted": 2,
        },
        "states": {"accepted": 113, "assigned": 1, "new": 4462, "sent": 4},
    },
}


@pytest.mark.skipif(not LOGS.exists(), reason="the real logs are not here")
@pytest.mark.parametrize(("log", "rules"), EXPECTED)
@pytest.mark.usefixtures("uncovered")
def test_a_real_log_comes_out_as_computed(log, rules, path, lifecycle):
    file = LOGS / f"{log}.jsonl.gz"
    more = BASE if rules == "base" else ()
    summary = json.loads(lifecycle("replay", path, file, *more, "--json").output)
    leads = json.loads(lifecycle("leads", path, "--format", "json").output)
    rows = lifecycle("audit", path, "--format", "jsonl").stdout.splitlines()
    refused = [json.loads(row) for row in rows]
    assert EXPECTED[log, rules] == {
        "read": summary["read"],
        "leads": summary["leads"],
        "clean": sum(lead["refusals"] == 0 for lead in leads),
        "kinds": Counter(f"{one['trigger']} from {one['state']}" for one in refused),
        "states": Counter(lead["state"] for lead in leads),
    }
    assert summary["refused"] == len(refused)
    again = json.loads(lifecycle("replay", path, file, *more, "--json").output)
    assert (again["read"], again["resumed_from"]) == (0, summary["read"])
    restarted = json.loads(lifecycle("replay", path, file, *more, "--json", "--restart").output)
    assert restarted["duplicate"] == restarted["read"] == summary["read"]
    assert json.loads(lifecycle("leads", path, "--format", "json").output) == leads
