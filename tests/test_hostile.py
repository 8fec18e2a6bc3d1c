"""Hostile messages: their size, their characters, and where their texts may not get to."""

import csv
import gzip
import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from letters import ADA, BOB, deletion, lead

from lifecycle import LeadStore
from lifecycle.text import UNSAFE

GIGABYTE = 1_000_000_000
#: A quarter is as much more than the limit; the whole takes four times as long to read.
SIZES = pytest.mark.parametrize(
    "size", [GIGABYTE // 4, pytest.param(GIGABYTE, marks=pytest.mark.long)]
)
#: What lines may cost beyond what a command needs anyway, in bytes.
ROOM = 24_000_000

# --- size -----------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from lifecycle.cli.main import main
try:
    main()
finally:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    print(sum(resource.getrusage(one).ru_maxrss for one in both) * 1024, file=sys.stderr)
"""
ENDS = {
    "replay": "quarantined",
    "apply": "larger than",
    "validate": "larger than",
    "audit": "sent 1",
}


def peak_of(folder, log, command):
    """Return what a command printed for a log, and the most memory that it had, in bytes."""
    folder.mkdir()
    store = [folder / "leads.db"] if command in ("replay", "apply") else []
    run = subprocess.run(
        [sys.executable, "-c", PEAK, command, *store, log],
        capture_output=True,
        text=True,
        check=False,
    )
    *said, peak = run.stderr.splitlines()
    return run.stdout + "\n".join(said), int(peak)


def line_of(path, size):
    """Return a log of three lines, whose second has so many bytes and takes no room on the disk."""
    first, last = (json.dumps(lead(*one)).encode() for one in (("add", "10:00"), ("add", "10:01")))
    with path.open("wb") as log:
        log.write(first + b"\n")
        log.seek(size, io.SEEK_CUR)
        log.write(b"\n" + last + b"\n")
    return path


@SIZES
@pytest.mark.parametrize("command", ENDS)
@pytest.mark.usefixtures("uncovered")
def test_a_line_of_a_gigabyte_costs_no_more_memory_than_the_limit(command, size, tmp_path):
    peaks = []
    for name, length in (("long", GIGABYTE // 40), ("longer", size)):
        log = line_of(tmp_path / f"{name}.jsonl", length)
        said, peak = peak_of(tmp_path / name, log, command)
        peaks.append(peak)
        log.unlink()
    assert ENDS[command] in said
    assert peaks[1] - peaks[0] < ROOM


@SIZES
@pytest.mark.usefixtures("uncovered")
def test_a_small_file_that_unpacks_to_a_gigabyte_costs_no_more_memory(size, tmp_path):
    log = tmp_path / "bomb.jsonl.gz"
    first, last = (json.dumps(lead(*one)).encode() for one in (("add", "10:00"), ("add", "10:01")))
    block = gzip.compress(bytes(size // 100))
    log.write_bytes(gzip.compress(first + b"\n") + block * 100 + gzip.compress(b"\n" + last))
    assert log.stat().st_size < size / 900
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(first + b"\n{}\n" + last)
    _, usual = peak_of(tmp_path / "usual", plain, "replay")
    said, peak = peak_of(tmp_path / "bomb", log, "replay")
    assert "quarantined" in said
    assert peak - usual < ROOM
    with LeadStore(tmp_path / "bomb" / "leads.db") as store:
        (one,) = store.quarantine()
        assert (one.line, one.size) == (2, size)
        assert store.lead("crmleadid:1").events == 2


# --- characters -----------------------------------------------------------------------------------

#: One of every category that a terminal obeys, and the marks of HTML, Markdown, Rich and TOML.
CHARACTERS = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;https://evil.example\x1b\\link \x00\x08\x7f\x9b2J"
    " \u202etxt.exe\u202c\u2066\u2069\u200f\u061c\u200b\u00ad\ufeff\U000e0001\u2028\u2029\ue000"
    " [bold]b[/bold] <script>alert(1)</script> | `x` \t\r\n"
)
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "=cmd|' /c calc'!A1")
SEPARATORS = {"csv": ",", "tsv": "\t"}


def fill(store, text):
    """Put a text in every place of messages that may hold one; the name of a lead with it."""
    party = {"id": f"https://{text}.example/#me", "name": text}
    contact = {
        "type": "Contact",
        "identifier": {"cid": text, text: "1"},
        "name": text,
        "telephone": text,
        "email": text,
    }
    snapshot = {"object": contact, "owner": party, "sender": {"name": text}, "recipient": text}
    keys = {"x": text}
    store.apply_many(
        [
            lead("add", "10:00", keys=keys, snapshot=snapshot, id=text, agent=text),
            lead("add", "10:00", keys=keys, snapshot=snapshot, id=text, agent=party),
            lead("reject", "10:01", keys=keys, agent=party, reason=text, comment=text),
            lead("accept", "10:02", keys=keys, agent=BOB, participant=party),
            lead("change", "10:03", keys=keys, source=text, field=text, old="x", new=text),
            lead("change", "10:04", keys=keys, source=text, field=text, old=text, new=ADA),
            lead("change", "10:04", keys=keys, source="salesforce", field="Status", new=text),
            lead("change", "10:05", keys=keys, source="hubspot", field=text, new=text),
            deletion("10:05", {"cid": text}),
            lead("accept", "10:06", keys=keys, agent=text, recipient=party),
            text,
            {"topic": text, "data": 5},
            {"topic": f"{text}#add", "data": {"type": text}},
            lead("add", text, keys=keys, id="broken"),
        ]
    )
    with store.snapshot():
        return next(one.lead_id for one in store.leads())


@pytest.fixture
def hostile(path):
    """Return a store that is filled with a text; its file, and a lead in it."""

    def made(text):
        with LeadStore(path) as store:
            return path, fill(store, text)

    return made


TABLES = ("leads", "show", "history", "changes", "audit", "quarantine")
COMMANDS = [
    *([command, style] for command in TABLES for style in ("table", "json", "jsonl", "csv", "tsv")),
    *([command, style] for command in ("explain", "verify") for style in ("table", "json")),
    *(["export", style, what] for style in ("csv", "jsonl") for what in ("leads", "history")),
    *(["export", style, "events"] for style in ("csv", "jsonl")),
]


def words_of(command, path, lead_id):
    """Return a command on a store, as it is typed."""
    name, style, *what = command
    about = [lead_id] if name in ("show", "history", "explain") else []
    return [name, path, *about, "--format", style, *(("--what", *what) if what else ())]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_character_of_a_message_reaches_a_terminal_that_would_obey_it(
    command, hostile, lifecycle, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    result = lifecycle(*words_of(command, *hostile(CHARACTERS)))
    assert result.exit_code in (0, 1), result.output
    plain = result.output.replace("\n", "").replace("\t" if command[1] == "tsv" else "\n", "")
    found = {char for char in plain if unicodedata.category(char) in UNSAFE}
    assert found <= {"\r"} if command[1] == "csv" else not found
    assert "\r" not in plain.replace("\r\n", "")


@pytest.mark.parametrize("name", ["leads", "changes", "quarantine"])
def test_no_character_of_a_message_parts_the_cells_of_a_table_in_a_pipe(name, hostile, lifecycle):
    result = lifecycle(*words_of([name, "table"], *hostile(CHARACTERS)))
    head, *rows = result.stdout.splitlines()
    assert rows
    assert all(row.count("\t") <= head.count("\t") for row in rows)
    plain = result.stdout.replace("\n", "").replace("\t", "")
    assert not {char for char in plain if unicodedata.category(char) in UNSAFE}


@pytest.mark.parametrize("formula", FORMULAS, ids=repr)
@pytest.mark.parametrize("command", [one for one in COMMANDS if one[1] in SEPARATORS], ids=" ".join)
def test_no_cell_of_a_message_is_run_by_a_spread_sheet(command, formula, hostile, lifecycle):
    result = lifecycle(*words_of(command, *hostile(formula)))
    rows = csv.reader(io.StringIO(result.stdout), delimiter=SEPARATORS[command[1]])
    cells = [cell for row in rows for cell in row]
    assert len(cells) > 5
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


# --- where their texts may not get to -------------------------------------------------------------

MARK = "zqxj"
#: What breaks out of SQL, out of a directory, and of what formats texts.
TEXTS = (
    f"{MARK}'); DROP TABLE lead; --",
    f'{MARK}"; DELETE FROM event; --',
    f"../../../{MARK}/../etc/passwd",
    f"{MARK}%s%n%(x)s{{0.__class__}}{{x!r:>9}}$x${{x}}\\N{{BULLET}}",
)
WATCHED = """
import json, sqlite3, sys
sys.path.insert(0, sys.argv[1])
seen = []

class Cursor(sqlite3.Cursor):
    def execute(self, sql, *rest):
        seen.append(sql)
        return super().execute(sql, *rest)

    def executemany(self, sql, *rest):
        seen.append(sql)
        return super().executemany(sql, *rest)

class Connection(sqlite3.Connection):
    def cursor(self, *_):
        return super().cursor(Cursor)

    def execute(self, sql, *rest):
        return self.cursor().execute(sql, *rest)

    def executemany(self, sql, *rest):
        return self.cursor().executemany(sql, *rest)

connect = sqlite3.connect
sqlite3.connect = lambda *a, **named: connect(*a, **{"factory": Connection} | named)
from click.testing import CliRunner
from pathlib import Path
from lifecycle import LeadStore
from lifecycle.cli.main import cli
from test_hostile import COMMANDS, MARK, fill, words_of

places = []
WATCHED = {"open", "os.listdir", "os.mkdir", "os.rename", "os.remove", "sqlite3.connect", "exec",
           "subprocess.Popen", "os.system", "import", "compile"}

def watch(event, found):
    if event in WATCHED:
        places.append((event, repr(found)))

sys.addaudithook(watch)
path, text = Path(sys.argv[2]), sys.argv[3]
with LeadStore(path) as store:
    lead_id = fill(store, text)
    before = store.digest()
shown = 0
for command in [*COMMANDS, ["audit", "table", "--html"]]:
    words = words_of(command[:2], path, lead_id) if "--html" in command else words_of(
        command, path, lead_id)
    words += ["--html", path.with_name("page.html")] if "--html" in command else []
    result = CliRunner().invoke(cli, list(map(str, words)))
    assert result.exit_code in (0, 1), (command, result.output)
    shown += MARK in result.output
with LeadStore(path) as store:
    assert (store.digest(), store.verify().defects) == (before, ())
    store.rebuild()
    store.erase(lead_id)
    assert store.verify().defects == ()
print(json.dumps({
    "shown": shown,
    "statements": len(seen),
    "sql": [one for one in seen if MARK in one],
    "places": [one for one in places if MARK in one[1]],
}))
"""


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_of_a_message_is_part_of_a_statement_a_path_or_a_format(text, tmp_path):
    """All statements are recorded, and all that opens, lists, imports, compiles or runs."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, Path(__file__).parent, tmp_path / "leads.db", text],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["sql"], found["places"]) == ([], [])
    assert found["statements"] > 200
    assert found["shown"] > len(COMMANDS) / 2
