"""The command line: what it prints, where, and with which exit status."""

import csv
import io
import json
import os
import pty
import subprocess
import sys

import click
import pytest
import warm
from letters import ADA, ORG, lead, moment

from lifecycle import LeadReader, LeadStore
from lifecycle.cli import cli
from lifecycle.cli.main import COMMANDS

HOSTILE = "\x1b[31mred\x1b[0m \u202etxt.exe\u202c \x00 \x9b2J [bold]not markup[/bold]"


@pytest.fixture
def replayed(path, write_log, lifecycle):
    """Return a store with a story: a late correction, an implied step, a refusal by a guard."""
    contact = {"type": "Contact", "name": "Joe Smith", "email": "joe@example.com"}
    log = write_log(
        [
            lead("add", "10:00", snapshot={"owner": ORG, "object": contact}),
            lead("reject", "10:01", agent=ADA, reason="no time", comment="sorry"),
            lead("accept", "10:03", agent=ADA),
            lead("update", "10:04", keys="2", snapshot={"dateSent": moment("09:00")}),
        ]
    )
    assert lifecycle("replay", path, log).exit_code == 0
    assert (
        lifecycle("replay", path, write_log([lead("assign", "10:02", agent=ORG)], "late")).exit_code
        == 0
    )
    stranger = lead("assign", "10:05", agent="https://eve.example.com")
    assert lifecycle("apply", path, write_log([stranger], "stranger")).exit_code == 0
    return path


def printed(result, status=0):
    assert result.exit_code == status, result.output
    return " ".join(result.stdout.split())


def loaded(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_first_screen_says_where_to_begin(lifecycle):
    result = lifecycle()
    assert "Begin with `lifecycle replay leads.db LOG`" in result.output


def test_replay_sums_up(path, write_log, lifecycle):
    log = write_log([lead("add", "10:00"), "{", {"topic": "contact#add", "data": {}}])
    text = printed(lifecycle("replay", path, log))
    assert "read 3 messages in" in text
    assert "ignored 1 contact#add 1" in text
    assert "quarantined 1 undecodable" in text
    assert "1 lead: sent 1" in text
    assert "3 lines of the log read before, and not again" in printed(
        lifecycle("replay", path, log)
    )


def test_replay_reads_standard_input(path, lifecycle):
    result = lifecycle("replay", path, "-", "--json", stdin=json.dumps(lead("add", "10:00")))
    assert loaded(result)["applied"] == 1


def test_apply_prints_an_outcome_for_each_message(path, lifecycle):
    page = json.dumps([lead("add", "10:00", id="urn:a"), lead("add", "10:01", id="urn:b")])
    late = json.dumps(lead("accept", "10:02") | {"time": None})
    result = lifecycle("apply", path, "--received-at", moment("10:09"), stdin=f"{page}\n\n{late}\n")
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["outcome"] for one in outcomes] == ["applied", "refused", "applied"]
    assert outcomes[1]["reason"].startswith("only receive, assign")


def test_a_refusal_names_the_state_it_was_refused_in(path, lifecycle):
    first = json.dumps([lead("add", "10:00"), lead("accept", "10:05")])
    lifecycle("apply", path, stdin=first)
    late = loaded(lifecycle("apply", path, stdin=json.dumps(lead("add", "10:01"))))
    assert (late["state"], late["refused_in"]) == ("accepted", "sent")


def test_a_log_of_which_everything_was_ignored_says_so_on_standard_error(
    path, write_log, lifecycle
):
    log = write_log([{"topic": "contact#add", "data": {}}] * 2)
    result = lifecycle("replay", path, log)
    assert result.exit_code == 0
    assert "every message was ignored (contact#add 2), and none is about a lead" in result.stderr
    mixed = write_log([lead("add", "10:00"), {"topic": "contact#add", "data": {}}], name="mixed")
    assert "every message was ignored" not in lifecycle("replay", path, mixed).stderr


def test_a_wrong_clock_is_said_in_one_line_and_can_be_accepted(path, write_log, lifecycle):
    with LeadStore(path, clock=lambda: 2_500_000_000_000_000) as store:
        store.apply(lead("add", "10:00"))
    log = write_log([lead("accept", "10:05")])
    result = lifecycle("replay", path, log)
    assert result.exit_code == 3
    assert "the last transaction was at 2049-" in result.stderr
    assert loaded(lifecycle("replay", path, log, "--accept-clock", "--json"))["applied"] == 1


def test_leads_are_listed(replayed, lifecycle):
    text = printed(lifecycle("leads", replayed))
    assert "crmleadid:1 accepted 2026-03-01 10:03:00 ada.example.com 5 1" in text
    only = loaded(lifecycle("leads", replayed, "--state", "sent", "--format", "json"))
    assert [one["lead_id"] for one in only] == ["crmleadid:2"]
    assert lifecycle("leads", replayed, "--state", "retracted").stderr == "no leads\n"


def test_show_tells_the_story_of_a_lead(replayed, lifecycle):
    text = printed(lifecycle("show", replayed, "crmleadid:1"))
    assert text.startswith("crmleadid:1 is accepted since 2026-03-01 10:03:00")
    assert f"owner {ORG} contact Joe Smith, joe@example.com known as lead:crmleadid:1" in text
    assert "events 5, 1 of them refused ! invalid transition (error): assign from accepted" in text
    assert "● reject → rejected ada.example.com → org.example.com no time: sorry" in text
    assert "● assign → assigned org.example.com arrived late" in text
    assert (
        "✗ assign stays accepted eve.example.com only who holds the lead, or its owner, may" in text
    )
    assert "○ send → sent implied by a date" in printed(lifecycle("show", replayed, "crmleadid:2"))


def test_all_shows_what_was_known_before(replayed, lifecycle):
    text = printed(lifecycle("history", replayed, "crmleadid:1", "--all"))
    assert text.count("until 20") == 1
    assert "✗ accept stays rejected ada.example.com a lead that is rejected cannot be" in text
    rows = loaded(lifecycle("history", replayed, "crmleadid:1", "--all", "--format", "json"))
    superseded = [row for row in rows if row["superseded_at"]]
    assert [row["verdict"] for row in superseded] == ["no_edge"]
    then = superseded[0]["recorded_at"]
    shown = lifecycle("show", replayed, "crmleadid:1", "--as-known-at", then, "--format", "json")
    assert loaded(shown)["state"] == "rejected"
    assert "✗ accept" in printed(lifecycle("show", replayed, "crmleadid:1", "--as-known-at", then))


def test_the_json_of_a_lead_and_of_a_row(replayed, lifecycle):
    shown = loaded(lifecycle("show", replayed, "crmleadid:1", "--format", "json"))
    assert list(shown) == [
        "lead_id",
        "state",
        "since",
        "holder",
        "owner",
        "sender",
        "keys",
        "events",
        "refusals",
        "contact_deleted_at",
        "source",
        "systems",
        "fields",
        "sent_at",
        "received_at",
        "assigned_at",
        "accepted_at",
        "rejected_at",
        "retracted_at",
        "reason",
    ]
    row = loaded(lifecycle("history", replayed, "crmleadid:1", "--format", "json"))[-1]
    assert list(row) == [
        "seq",
        "trigger",
        "from",
        "to",
        "verdict",
        "at",
        "event_id",
        "by",
        "reason",
        "recorded_at",
        "superseded_at",
    ]
    assert row["reason"]["kind"] == "guard"


def test_state_at_a_moment(replayed, lifecycle):
    shown = lifecycle(
        "show", replayed, "crmleadid:1", "--as-of", moment("10:01"), "--format", "jsonl"
    )
    assert loaded(shown)["state"] == "rejected"
    leads = loaded(lifecycle("leads", replayed, "--as-of", moment("09:30"), "--format", "json"))
    assert [(one["lead_id"], one["state"]) for one in leads] == [("crmleadid:2", "sent")]


def test_changes_are_a_feed(replayed, lifecycle):
    every = lifecycle("changes", replayed, "--format", "jsonl").stdout.splitlines()
    numbers = [json.loads(line)["change"] for line in every]
    assert numbers == sorted(set(numbers))
    rest = loaded(lifecycle("changes", replayed, "--after", numbers[2], "--format", "json"))
    assert [one["change"] for one in rest] == numbers[3:]
    some = loaded(lifecycle("changes", replayed, "--limit", 2, "--format", "json"))
    assert [one["kind"] for one in some] == ["recorded", "recorded"]
    assert lifecycle("changes", replayed, "--after", 999).stderr == "no changes\n"


def test_audit_lists_refusals_and_says_so_with_its_status(replayed, path, lifecycle):
    result = lifecycle("audit", replayed, "--format", "jsonl")
    assert result.exit_code == 1
    (refusal,) = map(json.loads, result.stdout.splitlines())
    assert (refusal["state"], refusal["trigger"], refusal["reason"]["kind"]) == (
        "accepted",
        "assign",
        "guard",
    )
    listed = printed(lifecycle("audit", replayed, "--list", "deviations"), 1)
    assert "only who holds the lead, or its owner, may do it: by eve.example" in listed
    LeadStore(path.with_name("other.db")).close()
    clean = lifecycle("audit", path.with_name("other.db"), "--list", "deviations")
    assert (clean.exit_code, clean.stderr) == (0, "no deviations\n")


def test_the_quarantine_is_listed_shown_and_emptied(path, write_log, lifecycle):
    broken = lead("accept", "10:00") | {"time": "soon"}
    log = write_log([broken, lead("update", "10:00") | {"data": 5}])
    lifecycle("replay", path, log)
    assert "time: expected a time such as" in printed(lifecycle("quarantine", path))
    listed = loaded(lifecycle("quarantine", "list", path, "--format", "json"))
    assert [one["line"] for one in listed] == [1, 2]
    shown = printed(lifecycle("quarantine", "show", path, 1))
    assert f"from {log}, line 1 ! time: expected" in shown
    assert loaded(lifecycle("quarantine", "show", path, 2, "--format", "json"))["problems"] == [
        {"path": "data", "message": "expected an object, got a number", "code": "invalid"}
    ]
    corrected = write_log([broken | {"time": moment("10:00")}], "corrected.json")
    assert loaded(lifecycle("quarantine", "retry", path, 1, "--with", corrected))["outcome"] == (
        "applied"
    )
    again = lifecycle("quarantine", "retry", path)
    assert (again.exit_code, json.loads(again.output)["outcome"]) == (1, "quarantined")
    assert lifecycle("quarantine", "retry", path, "--with", corrected).exit_code == 2
    for command in ("show", "retry"):
        result = lifecycle("quarantine", command, path, 1)
        assert (result.exit_code, result.stderr) == (
            1,
            "lifecycle: no quarantined message has the number 1\n",
        )


def test_rules_are_shown_checked_and_drawn(tmp_path, lifecycle):
    assert "assign accepted assigned by_holder_or_owner" in printed(lifecycle("rules"))
    file = tmp_path / "rules.toml"
    file.write_text(lifecycle("rules", "show", "--toml").stdout)
    assert "rules 'default', 9 edges" in printed(lifecycle("rules", "check", file))
    assert loaded(lifecycle("rules", "check", file, "--json"))["valid"] is True
    assert lifecycle("rules", "diagram", file).stdout.startswith("stateDiagram-v2\n")
    assert len(loaded(lifecycle("rules", "show", file, "--format", "json"))) == 9
    file.write_text("[[edge]]\n")
    result = lifecycle("rules", "check", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{file}: edge 1, trigger: expected one of")
    problem = json.loads(lifecycle("rules", "check", file, "--json").stdout)
    assert problem["valid"] is False


def test_rebuild_folds_again_with_other_rules(replayed, tmp_path, lifecycle):
    file = tmp_path / "rules.toml"
    file.write_text('name = "short"\n[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n')
    log = tmp_path / "log.jsonl"
    refused = lifecycle("replay", replayed, log, "--rules", file)
    assert refused.exit_code == 2
    assert f"`lifecycle rebuild {replayed} --rules FILE` folds everything again" in refused.stderr
    text = printed(lifecycle("rebuild", replayed, "--rules", file))
    assert text.startswith("folded 2 leads with the rules 'short';")
    states = [one["state"] for one in loaded(lifecycle("leads", replayed, "--format", "json"))]
    assert states == ["sent", "new"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_stream_that_is_closed_is_no_reason_to_fail(closed, replayed):
    command = [sys.executable, "-m", "lifecycle", "audit", replayed, "--fail-on", "nothing"]
    words = " ".join(f"'{word}'" for word in command)
    done = subprocess.run(["/bin/sh", "-c", f"{words} {closed}"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"Smallest repair" in done.stdout) == (closed != ">&-")


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["show", "DB", "x:1"], 1, "no lead is known as 'x:1'"),
        (["show", "DB", "x"], 1, "no lead is known as 'x'; a name has its scheme before it"),
        (["show", "DB", "x:1", "--as-of", "soon"], 2, "expected a time such as 2026-03-01T10:00"),
        (["leads", "DB", "--state", "lost"], 2, "'lost' is not one of 'new', 'sent'"),
        (["leads", "NONE"], 3, "no such file; `lifecycle replay"),
        (["leads", "FOLDER"], 3, "is a directory"),
        (["leads", "LOG"], 3, "not a SQLite database"),
        (["replay", "DB", "NONE"], 3, "cannot be read: No such file"),
        (["replay", "DB", "FOLDER"], 3, "is a directory, expected a log"),
        (["replay", "LOG", "DB"], 3, "is a SQLite database, expected a file of text"),
        (["replay", "DB", "LOG", "--rules", "NONE"], 3, "cannot be read: No such file"),
        (["replay", "DB", "LOG", "--rules", "LOG"], 2, "not valid TOML"),
        (["replay", "DB"], 2, "Missing argument 'LOG...'"),
        (["apply", "DB", "NONE"], 3, "cannot be read: No such file"),
        (["rebuild", "NONE"], 3, "no such file"),
        (["quarantine", "retry", "NONE"], 3, "no such file"),
        (["quarantine", "retry", "DB", "abc"], 2, "expected a number, got 'abc'"),
        (["quarantine", "show", "DB", "1.5"], 2, "expected a number, got '1.5'"),
        (["quarantine", "show", "DB", "0"], 2, "0 is not in the range"),
        (["changes", "DB", "--after", "9" * 9000], 2, "expected a number, got '999"),
        (["leads", "DB", "--limit", ""], 2, "expected a number, got ''"),
        (["nonsense"], 2, "No such command 'nonsense'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_error_is_one_sentence_and_an_exit_status(
    arguments, status, message, replayed, tmp_path, lifecycle
):
    log = tmp_path / "text.jsonl"
    log.write_text(
        '{"topic": "this is no database, and not a table of rules, but long enough"}\n' * 9
    )
    places = {"DB": replayed, "NONE": tmp_path / "none", "FOLDER": tmp_path, "LOG": log}
    result = lifecycle(*(places.get(one, one) for one in arguments))
    assert (result.exit_code, message in result.stderr) == (status, True), result.output
    assert "Traceback" not in result.output
    assert len(result.stderr.splitlines()) == 1 or result.stderr.startswith("Usage: ")
    assert not (tmp_path / "none").exists()


# --- hostile text ---------------------------------------------------------------------------------


@pytest.fixture
def hostile(path):
    """Return a store whose every text wants to take over the terminal."""
    contact = {"type": "Contact", "name": HOSTILE}
    snapshot = {"object": contact, "owner": HOSTILE, "sender": {"name": HOSTILE}}
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00", keys={"x": HOSTILE}, snapshot=snapshot))
        store.apply(lead("reject", "10:01", keys={"x": HOSTILE}, agent=HOSTILE, reason=HOSTILE))
        store.apply(lead("accept", "10:02", keys={"x": HOSTILE}, agent=HOSTILE))
        store.apply(HOSTILE)
        store.apply({"topic": HOSTILE, "data": 5})
    return path


@pytest.mark.parametrize(
    "command",
    [
        ["leads"],
        ["show", "LEAD"],
        ["history", "LEAD"],
        ["changes"],
        ["audit"],
        ["quarantine"],
        ["quarantine", "show", "1"],
    ],
    ids=" ".join,
)
def test_text_from_messages_is_inert_on_a_terminal(command, hostile, lifecycle):
    words = ["x:" + HOSTILE if word == "LEAD" else word for word in command]
    place = 2 if words[:2] == ["quarantine", "show"] else 1
    result = lifecycle(*words[:place], hostile, *words[place:])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert not {"\x1b", "\x00", "\x9b", "\u202e", "\u202c"} & set(result.output)
    if command[0] not in ("changes", "quarantine"):
        assert "[bold]not" in result.output


def test_cells_that_a_spread_sheet_would_run_are_defused(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00", keys={"x": "1"}, recipient="=HYPERLINK(1)"))
    rows = csv.DictReader(io.StringIO(lifecycle("leads", path, "--format", "csv").stdout))
    (row,) = rows
    assert (row["holder"], row["keys"]) == ("'=HYPERLINK(1)", "lead:x:1")


@pytest.mark.parametrize("style", ["json", "jsonl", "csv"])
def test_nothing_is_left_out_of_formats_for_programs(style, path, lifecycle):
    with LeadStore(path) as store:
        store.apply_many(lead("add", "10:00", keys=str(number)) for number in range(1, 301))
    printed_lines = lifecycle("leads", path, "--format", style).stdout.splitlines()
    assert len(printed_lines) == {"json": 302, "jsonl": 300, "csv": 301}[style]
    table = lifecycle("leads", path)
    assert table.stderr == "... and 100 more; --format csv, json or jsonl prints all\n"


@pytest.mark.parametrize("style", ["json", "jsonl", "csv"])
def test_nothing_is_printed_as_nothing(style, path, lifecycle):
    LeadStore(path).close()
    expected = {"json": "[]\n", "jsonl": ""}
    result = lifecycle("changes", path, "--format", style)
    assert result.stdout.startswith(expected.get(style, "change,kind,lead_id"))


def test_output_that_nobody_reads_is_no_error(path):
    with LeadStore(path) as store:
        store.apply_many(lead("add", "10:00", keys=str(number)) for number in range(1, 3001))
    leads = f"{warm.command()} leads {path} --format jsonl"
    result = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {leads} | head -1"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert (len(result.stdout.splitlines()), result.stderr) == (1, "")


def seen_on_a_terminal(*words):
    """Return what a person sees while a command works, and what it prints."""
    watched, terminal = pty.openpty()
    command = [warm.command(), *words]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        command, stderr=terminal, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        printed_text = process.stdout.read()
    os.close(terminal)
    seen = os.read(watched, 100_000).decode()
    os.close(watched)
    return seen, printed_text


def test_a_person_who_watches_sees_how_far_a_replay_is(path, write_log):
    log = write_log([lead("update", "10:00", keys=str(number)) for number in range(1, 301)])
    seen, summary = seen_on_a_terminal("replay", path, log, "--batch", "50", "--json")
    assert json.loads(summary)["read"] == 300
    assert "log.jsonl" in seen
    assert "/s, 0 refused" in seen


def test_a_person_who_waits_sees_what_is_being_done(replayed):
    seen, report = seen_on_a_terminal("verify", replayed)
    assert "sound: nothing is wrong" in report
    assert "verify" in seen
    seen, said = seen_on_a_terminal("rebuild", replayed)
    assert ("folded" in said, "rebuild" in seen) == (True, True)


def test_a_message_that_was_printed_over_several_lines_is_one(path, tmp_path, lifecycle):
    file = tmp_path / "message.json"
    file.write_text(json.dumps(lead("add", "10:00"), indent=2))
    assert loaded(lifecycle("apply", path, file))["outcome"] == "applied"


def test_a_store_is_neither_standard_input_nor_a_log(replayed, path, lifecycle):
    result = lifecycle("replay", "-", "-")
    assert (result.exit_code, "expected the file of a store" in result.stderr) == (2, True)
    for database in (replayed, path.with_name("new.db")):
        result = lifecycle("replay", database, replayed)
        assert (result.exit_code, result.stderr) == (
            3,
            f"lifecycle: {replayed}: is a SQLite database, expected a file of text\n",
        )
    assert not path.with_name("new.db").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command", [["--help"], ["leads", "DB"], ["verify", "DB"], ["rules", "show"]]
)
def test_a_full_disk_is_told_once(command, unbuffered, replayed):
    # Python reads when it starts that it is not to buffer.
    ours = [sys.executable, "-m", "lifecycle"] if unbuffered else [warm.command()]
    words = [replayed if one == "DB" else one for one in command]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [*ours, *words],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    expected = b"lifecycle: the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (3, expected)


def test_names_of_files_and_keys_that_are_no_utf_8_are_names_too(tmp_path, write_log):
    other = os.fsencode(tmp_path) + b"/lo\xffg.jsonl"
    write_log([lead("add", "10:00")]).rename(os.fsdecode(other))
    store = os.fsencode(tmp_path) + b"/st\xffore.db"
    for command in (["replay", store, other], ["replay", store, other], ["verify", store]):
        done = run_command(*command)
        assert (done.returncode, done.stderr) == (0, b"")
    assert b"lo\\xffg.jsonl line 1" in run_command("explain", store, "crmleadid:1").stdout
    done = run_command("erase", store, b"joe\xff", "--yes")
    assert (done.returncode, done.stderr) == (1, b"lifecycle: no lead is known as 'joe\\udcff'\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("find",),
        ("show",),
        ("erase", "--yes"),
        ("show", "x:1", "--as-of"),
        ("leads", "--since"),
        ("leads", "--limit"),
        ("leads", "--sort"),
        ("quarantine", "show"),
    ],
    ids=" ".join,
)
def test_a_long_argument_is_not_repeated_in_full(arguments, replayed, lifecycle):
    command, *more = arguments
    inner = [more.pop(0)] if command == "quarantine" else []
    result = lifecycle(command, *inner, replayed, *more, "x" * 100_000)
    assert result.exit_code in (1, 2)
    assert "x" * 30 in result.stderr
    assert len(result.output) < 1000


def test_a_misspelt_command_is_told_what_it_may_be(lifecycle):
    assert "No such command 'repaly'. Did you mean replay?" in lifecycle("repaly").stderr
    assert "No such command 'xyz'.\n" in lifecycle("xyz").stderr


def test_standard_input_is_read_only_once(path, lifecycle):
    result = lifecycle("replay", path, "-", "-")
    assert (result.exit_code, "read only once" in result.stderr) == (2, True)


def run_command(*arguments, **environment):
    # What Python reads when it starts is not read by one that has started.
    command = [sys.executable, "-m", "lifecycle"] if environment else [warm.command()]
    return subprocess.run(
        [*command, *arguments],
        check=False,
        capture_output=True,
        env=os.environ | environment,
    )


LIMITED = """
import resource
from lifecycle.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
main()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.usefixtures("uncovered")
def test_output_that_does_not_fit_on_the_disk_is_an_error(tmp_path, unbuffered):
    """Python itself drops what does not fit where it is told not to buffer."""
    with (tmp_path / "out").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, "schema", "lead#add"],
            check=False,
            stdout=file,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )
    assert (tmp_path / "out").stat().st_size == 1000
    assert (done.returncode, done.stderr) == (3, b"lifecycle: the output: File too large\n")


def test_what_a_terminal_cannot_show_is_shown_in_ascii_or_as_an_escape(replayed):
    result = run_command("show", replayed, "crmleadid:1", PYTHONIOENCODING="latin-1")
    assert (result.returncode, b"* reject -> rejected" in result.stdout) == (0, True)
    unknown = run_command("show", replayed, b"x:\xff")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        b"lifecycle: no lead is known as 'x:\\udcff'\n",
    )


def test_an_error_that_nobody_foresaw_is_one_sentence_too(replayed, lifecycle, monkeypatch):
    monkeypatch.setattr(LeadReader, "leads", lambda *_, **__: 1 / 0)
    result = lifecycle("leads", replayed)
    assert result.exit_code == 3
    assert result.stderr.startswith("lifecycle: failed (ZeroDivisionError: division by zero); ")
    monkeypatch.setenv("LIFECYCLE_TRACEBACK", "1")
    assert isinstance(lifecycle("leads", replayed).exception, ZeroDivisionError)


@pytest.mark.parametrize("style", ["json", "jsonl", "csv"])
@pytest.mark.parametrize("command", ["leads", "changes", "audit", "quarantine"])
def test_text_from_messages_is_inert_in_every_format(command, style, hostile, lifecycle):
    result = lifecycle(command, hostile, "--format", style)
    assert not {"\x1b", "\x00", "\x9b", "\u202e", "\u202c"} & set(result.output)
    if style == "json":
        assert json.loads(result.stdout)


def test_reading_changes_nothing(replayed, lifecycle):
    before = replayed.read_bytes()
    for command in ("leads", "changes", "audit", "quarantine"):
        lifecycle(command, replayed)
    lifecycle("show", replayed, "crmleadid:1", "--all")
    assert replayed.read_bytes() == before
    with LeadReader(replayed) as reader:
        assert reader.lead_count() == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_the_first_screen_says_of_a_command_what_its_own_help_says(name):
    command = cli.get_command(click.Context(cli), name)
    assert COMMANDS[name][1] == command.get_short_help_str(limit=100)


def test_an_unknown_command_is_wrong_usage(lifecycle):
    result = lifecycle("nonsense")
    assert result.exit_code == 2
    assert "No such command 'nonsense'" in result.stderr


@pytest.mark.parametrize(
    ("library", "command", "sentence"),
    [
        (
            "jinja2",
            "audit",
            "Reports for a browser need jinja2: pip install 'lead-lifecycle[report]'",
        ),
        ("svg", "audit", "Reports for a browser need svg: pip install 'lead-lifecycle[report]'"),
        (
            "jsonschema_rs",
            "validate",
            "Checks by a schema need jsonschema-rs: pip install 'lead-lifecycle[validate]'",
        ),
    ],
)
def test_a_command_whose_extra_is_missing_says_so_before_it_writes_anything(
    path, write_log, library, command, sentence
):
    log, page = write_log([lead("add", "10:00")]), path.with_name("audit.html")
    arguments = {"audit": [log, "--html", page], "validate": [log]}[command]
    program = f"import sys; sys.modules[{library!r}] = None; from lifecycle.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, command, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"lifecycle: {sentence}"
    assert not page.exists()
