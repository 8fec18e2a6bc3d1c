"""The terminal: tables fit, no id is broken, nothing is padded where nobody watches."""

import io
import json
import os
import re
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete
from letters import BOB, ORG, deletion, lead

from lifecycle import LeadStore
from lifecycle.auditing.report import LISTS
from lifecycle.cli import cli, grid
from lifecycle.cli.main import ASCII, COMMANDS

NOW = 1_900_000_000_000_000
LONG = "0031U00002XW1QWQA1-a-long-name-of-a-lead-in-some-system"
ADA = "https://agents.example.com/people/ada-augusta-king-of-lovelace/profile/card#me"


@pytest.fixture
def told(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        contact = {"type": "Contact", "name": "Joe Smith", "email": "joe.smith@example.com"}
        snapshot = {"owner": ORG, "recipient": ADA, "object": contact, "leadSource": "Portal"}
        for key in ("1", LONG):
            store.apply(lead("add", "10:00", keys={"SalesforceId": key}, snapshot=snapshot))
            store.apply(lead("assign", "10:02", keys={"SalesforceId": key}, recipient=ADA))
            why = {"reason": "too far out", "comment": "not my side of town, and no time either"}
            store.apply(lead("reject", "10:03", keys={"SalesforceId": key}, agent=ADA, **why))
            store.apply(lead("accept", "10:04", keys={"SalesforceId": key}, agent=BOB))
        store.apply(lead("update", "10:05", contact={"guid": "8a7b-guid-of-a-contact"}))
        store.apply(deletion("10:06", {"guid": "8a7b-guid-of-a-contact"}))
        store.apply('{"topic": "lead#add", "data": {}}')
    return path


LEAD = f"salesforceid:{LONG}"
#: Lists that need another option.
NEEDING = ("figures", "overdue", "were_overdue", "differences")
#: Every command that prints of a store, and how it ends.
VIEWS = [
    ["leads"],
    ["leads", "--sort", "-since"],
    ["show", LEAD],
    ["history", LEAD],
    ["history", LEAD, "--all"],
    ["changes"],
    ["diff", "--from", "2020-01-01T00:00:00Z"],
    ["find", "smith"],
    ["find", LONG],
    ["explain", LEAD],
    ["audit"],
    ["audit", "--overdue", "rejected>1h", "--now", "2026-03-05T00:00:00Z"],
    ["audit", "--by", "holder", "--by", "source", "--by", "week"],
    *(["audit", "--list", name] for name in LISTS if name not in NEEDING),
    ["audit", "--list", "figures", "--by", "holder"],
    ["audit", "--list", "overdue", "--overdue", "rejected>1h", "--now", "2026-03-05T00:00:00Z"],
    ["quarantine"],
    ["quarantine", "list"],
    ["verify"],
    ["doctor"],
    ["rules"],
    ["erase", LEAD, "--dry-run", "--accept-clock"],
]
#: Commands that print sentences, which are for people wherever they go.
TOLD = [["show", LEAD], ["explain", LEAD], ["audit"], ["erase", LEAD]]
#: What must never be broken: names of leads, of events, of parties.
IDS = (LEAD, "salesforceid:1", ADA, ADA.removeprefix("https://").removesuffix("/profile/card#me"))


def shown(lifecycle, told, monkeypatch, columns, view):
    monkeypatch.setenv("COLUMNS", str(columns))
    result = printed(lifecycle, told, view)
    assert result.exit_code == (1 if view[0] == "audit" and "--by" not in view else 0), (
        result.output
    )
    return result.stdout


def printed(lifecycle, told, view):
    words = [view[0], *view[1:2]] if view[1:2] == ["list"] else view[:1]
    return lifecycle(*words, told, *view[len(words) :])


@pytest.mark.parametrize("columns", [50, 80, 120])
@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_no_id_is_broken_and_lines_fit(lifecycle, told, monkeypatch, columns, view):
    text = shown(lifecycle, told, monkeypatch, columns, view)
    for line in text.splitlines():
        # A word that is longer than the terminal stands alone, behind the name of its column.
        longest = max(map(len, line.split()), default=0)
        assert len(line) <= max(columns, longest + 20), line
        assert line == line.rstrip()
    pieces = set(re.split(r"[\s,();]+", text))
    for one in IDS:
        # Whole wherever it begins: no line ends in the midst of it.
        beginnings = [piece for piece in pieces if piece.startswith(one[:16]) and one != piece]
        assert not [piece for piece in beginnings if one.startswith(piece)], (one, beginnings)


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_what_nobody_watches_is_not_padded(lifecycle, told, monkeypatch, view):
    monkeypatch.delenv("COLUMNS", raising=False)
    text = printed(lifecycle, told, view).stdout
    if not any(view[: len(one)] == one for one in TOLD) or "--list" in view:
        assert not re.search(r" {2}| $", text, re.MULTILINE)


def test_a_table_loses_seconds_then_columns_then_is_stacked(capsys, monkeypatch):
    names, row = ("lead_id", "since", "holder", "n"), ["a:1", "2026-03-01 10:00:00.5", "ada", "7"]
    heads = {}
    for columns in (80, 36, 30):
        monkeypatch.setenv("COLUMNS", str(columns))
        gone = grid.print_grid(names, [row], [False, False, False, True])
        heads[columns] = (gone, capsys.readouterr().out.splitlines())
    assert "2026-03-01 10:00:00  ada" in heads[80][1][2]
    assert "2026-03-01 10:00  ada" in heads[36][1][2]
    assert heads[30] == (
        [],
        ["lead id  a:1", "since    2026-03-01 10:00", "holder   ada", "n        7"],
    )
    monkeypatch.setenv("COLUMNS", "60")
    wide = ["a:1", "b" * 30, "c" * 30, "7"]
    assert grid.print_grid(names, [wide], [False] * 4) == ["holder"]


def test_text_is_broken_between_words(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "62")
    words = "not my side of town, and no time either, and far too late for that"
    assert grid.print_grid(("id", "why"), [["lead:1", words]], [False, False]) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("lead:1  not my side of town")
    assert " ".join(" ".join(lines[2:]).split()) == f"lead:1 {words}"


def test_signs_are_ascii_where_the_terminal_has_no_utf_8():
    text = io.TextIOWrapper(io.BytesIO(), "ascii", errors=ASCII)
    text.write("● assign → assigned ✗ Zoë…")
    text.flush()
    assert text.buffer.getvalue() == b"* assign -> assigned x Zo\\xeb..."
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", errors=ASCII)


def test_output_in_another_encoding_is_readable_and_valid_json(told):
    contact = {"type": "Contact", "name": "Zoë 山田"}
    with LeadStore(told, clock=lambda: NOW) as store:
        store.apply(lead("add", "11:00", keys="Zoe", snapshot={"object": contact}))
    for encoding, name in (("ascii", r"Zo\xeb \u5c71\u7530"), ("utf-8", "Zoë 山田")):
        environment = os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "80"}

        def run(*words, environment=environment, encoding=encoding):
            command = [sys.executable, "-m", "lifecycle", words[0], told, *words[1:]]
            ran = subprocess.run(command, capture_output=True, env=environment, check=True)
            return ran.stdout.decode(encoding)

        assert name in run("show", "crmleadid:Zoe")
        history = run("history", "crmleadid:Zoe").splitlines()
        assert {"─", "-"} & set(history[1])
        found = json.loads(run("export", "leads", "--format", "json"))
        assert [row["contact_name"] for row in found if "Zoe" in row["lead_id"]] == ["Zoë 山田"]


def test_a_wide_letter_takes_two_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    grid.print_grid(
        ("id", "name", "n"), [["a:1", "山田", "7"], ["a:22", "Zoe\u0308", "8"]], [False] * 3
    )
    assert capsys.readouterr().out.splitlines()[2:] == ["a:1   山田  7", "a:22  Zoe\u0308   8"]


def test_columns_go_in_the_order_that_is_said_and_come_back_where_they_fit(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    names, row = ("id", "at", "who", "n", "empty"), ["a:1", "b", "c" * 45, "7" * 9, ""]
    numeric = [False] * 5
    assert grid.print_grid(names, [row], numeric, going=("n",)) == ["n"]
    assert grid.print_grid(names, [[*row[:2], "c" * 80, *row[3:]]], numeric, going=("n",)) == [
        "who"
    ]
    assert "empty" not in capsys.readouterr().out


def test_the_version_has_a_short_option(lifecycle):
    assert lifecycle("-V").stdout == lifecycle("--version").stdout != ""


def test_every_command_that_prints_a_result_takes_format_json(told, lifecycle, write_log):
    log = write_log([lead("add", "11:00", keys="9")])
    for command in (
        ["replay", told, log, "--accept-clock"],
        ["verify", told],
        ["doctor", told],
        ["leads", told],
        ["find", told, "joe"],
        ["quarantine", "list", told],
        ["rebuild", told, "--accept-clock"],
        ["backup", told, told.with_suffix(".copy")],
    ):
        assert json.loads(lifecycle(*command, "--format", "json").stdout), command
    assert (
        json.loads(lifecycle("replay", told, log, "--json", "--accept-clock").stdout)["read"] == 0
    )


def test_a_shell_completes_the_names_of_leads(told, path):
    complete = BashComplete(cli, {}, "lifecycle", "_LIFECYCLE_COMPLETE")

    def offered(*words):
        return [one.value for one in complete.get_completions(list(words[:-1]), words[-1])]

    assert offered("show", str(told), "salesforceid:0") == [LEAD]
    assert offered("explain", str(told), "sales") == [LEAD, "salesforceid:1"]
    assert offered("erase", str(told), "sales") == [LEAD, "salesforceid:1"]
    assert offered("show", str(told) + ".none", "sales") == []
    path.with_suffix(".txt").write_text("no store")
    assert offered("show", str(path.with_suffix(".txt")), "sales") == []
    assert "find" in offered("fi")


def test_help_fits_eighty_columns(lifecycle, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    groups = [("quarantine", name) for name in ("list", "show", "retry", "dismiss", "restore")]
    groups += [("import", name) for name in ("csv", "genesys", "hubspot", "salesforce")]
    groups += [("rules", "show"), ("rules", "check"), ("rules", "diagram")]
    groups += [("spark", "fold"), ("spark", "audit")]
    for names in [*((name,) for name in COMMANDS), *groups]:
        for line in lifecycle(*names, "--help").stdout.splitlines():
            assert len(line) <= 80, (names, line)
            # No summary of a command is cut off.
            assert not line.endswith("...") or line.startswith("Usage: "), (names, line)


@pytest.mark.parametrize("columns", [80, 93, 96, 99, 100, 101, 110, 131])
def test_a_history_loses_no_word_at_any_width(lifecycle, path, monkeypatch, columns):
    who = [f"https://{'x' * n}.example.com/profile/card#me" for n in (3, 9, 14)]
    with LeadStore(path, clock=lambda: NOW) as store:
        for number, agent in enumerate(who):
            reason = " ".join(f"w{number}{n}" * (1 + n % 3) for n in range(12))
            store.apply(lead("assign", f"10:0{number}", recipient=agent))
            store.apply(lead("reject", f"10:0{number}", agent=agent, reason=reason))
    words = set()
    for width in (str(columns), ""):
        monkeypatch.setenv("COLUMNS", width)
        text = lifecycle("history", path, "crmleadid:1").stdout
        found = {word for word in text.split() if re.match(r"w\d", word)}
        words = words or found
        assert found == words
