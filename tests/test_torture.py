"""The tortures: the quick form of each finds nothing, and each can fail."""

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import warm
from letters import lead

from lifecycle import LeadReader, LeadStore

# What coverage adds would be measured, and killed.
pytestmark = pytest.mark.usefixtures("uncovered")
ROOT = Path(__file__).parents[1]
TORTURES = ROOT / "scripts" / "tortures"
PAGE = ROOT / "docs" / "reliability.md"
ROWS = (
    "kills",
    "writers",
    "power",
    "readers",
    "complexity",
    "threads",
    "clocks",
    "killed",
    "disk",
    "statements",
    "damage",
    "edits",
    "fuzz",
    "order",
    "growth",
    "golden",
    "versions",
    "service",
    "kafka",
    "spark",
)

# What is done to lifecycle before a row is run, in a process of its own: the row must see it.
SABOTAGE = {
    # The cursor goes back to the beginning after every batch.
    "disk": """
from lifecycle.replay.replay import _Run
take = _Run._take
def forgetful(self, chunk, source, log, cursor):
    cursor = take(self, chunk, source, log, cursor)
    self._store._connection.execute("UPDATE log SET line = 0, byte_offset = 0")
    return cursor
_Run._take = forgetful
""",
    # Rows of history are lost between two transactions of one batch.
    "kills": """
from lifecycle.store.session import ReplaySession
move = ReplaySession.move
def early(self, cursor):
    connection = self._writer.connection
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM history WHERE id % 7 = 0")
    move(self, cursor)
ReplaySession.move = early
""",
    # The first message of every batch is lost.
    "writers": """
from lifecycle.store.store import LeadStore
take = LeadStore._apply
LeadStore._apply = lambda self, messages: take(self, messages[1:])
""",
    # A disk that forgets what it was told to keep.
    "power": """
import images
images._File.sync = lambda self: None
""",
    # Readers believe that nobody writes.
    "readers": """
from lifecycle.store.db import file
file._URI_MODE["read"] = "ro&immutable=1"
""",
    # Whoever lists all leads reads them all again for each.
    "complexity": """
import complexity
from lifecycle import LeadReader
complexity._AGAIN = 0
complexity.QUICK = complexity.QUICK._replace(size=100)
leads = LeadReader.leads
def slow(self, **options):
    for one in leads(self, **options):
        if not (options.get("as_of") or options.get("as_known_at")):
            list(leads(self))
        yield one
LeadReader.leads = slow
""",
    # No thread waits for another.
    "threads": """
import sys
from contextlib import contextmanager
from lifecycle.store.db.transaction import Gate
sys.setswitchinterval(1e-6)
@contextmanager
def open_to_all(self):
    yield
Gate.held = open_to_all
""",
    # A clock is believed whatever it says.
    "clocks": """
from lifecycle.store.writer import Writer
Writer.now = lambda self: self._clock()
""",
    # Counts of leads grow by themselves.
    "killed": """
from lifecycle.store.store import LeadStore
take = LeadStore._take
def forgetful(self, messages):
    found = take(self, messages)
    self._connection.execute("UPDATE lead SET events = events + 1 WHERE id % 9 = 0")
    return found
LeadStore._take = forgetful
""",
    # What failed stays as far as it came: nothing is rolled back.
    "statements": """
from contextlib import contextmanager
from lifecycle.store import writer
from lifecycle.store.db.transaction import translated
@contextmanager
def careless(connection, path, undo):
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except Exception as error:
        raise translated(error, path) from error
    finally:
        connection = getattr(connection, "_connection", connection)
        if connection.in_transaction:
            connection.execute("COMMIT")
writer.unit_of_work = careless
""",
    # Verifying that always finds nothing.
    "damage": """
from lifecycle.store.verify.result import Verification
Verification.sound = True
""",
    # The same.
    "edits": """
from lifecycle.store.verify.result import Verification
Verification.sound = True
""",
    # An error that is no problem of the message.
    "fuzz": """
import fuzz
to_stored = fuzz.to_stored
def brittle(message, identity):
    if not hasattr(message, "problems") or len(message.problems) > 1:
        raise RuntimeError("unforeseen")
    return to_stored(message, identity)
fuzz.to_stored = brittle
""",
    # Of a batch only the first three messages are taken.
    "order": """
from lifecycle import LeadStore
apply_many = LeadStore.apply_many
def hasty(self, messages, **options):
    return apply_many(self, messages[:3], **options)
LeadStore.apply_many = hasty
""",
    # Every batch reads all that is there.
    "growth": """
from lifecycle.store.store import LeadStore
take = LeadStore._take
def slow(self, messages):
    for _ in range(150):
        self._connection.execute("SELECT sum(length(hex(id || id || id))) FROM event").fetchone()
    return take(self, messages)
LeadStore._take = slow
""",
    # What a store of before says is read otherwise.
    "golden": """
from lifecycle.store.db import rows
rows.STATES = rows.STATES[::-1]
""",
    # What depends on how texts are hashed.
    "versions": """
import stores
import versions
versions._SCRIPT = "import os; print(hash('text'))"
""",
    # The last message of a commit is acknowledged, and not taken.
    "service": '''
import service
service.SABOTAGE = """
from lifecycle.store.store import LeadStore
take = LeadStore._take
def hasty(self, messages):
    found = take(self, messages[:-1])
    return [*found, *found[:1]] if len(messages) > 1 else take(self, messages)
LeadStore._take = hasty
"""
''',
    # Of what comes together the last record is not taken, and the offset is behind it.
    "kafka": '''
import kafka
kafka.SABOTAGE = """
from lifecycle.kafka.client import Client
read = Client.read
def hasty(self, seconds):
    found = read(self, seconds)
    return found[:-2] + found[-1:] if len(found) > 2 else found
Client.read = hasty
"""
''',
    # Stages that are whole are not read again: a job that goes on has fewer messages.
    "spark": '''
import spark
spark.SABOTAGE = """
from lifecycle.spark import job
choose = job._Job._chosen
def hasty(self, messages):
    return choose(self, messages.limit(100))
job._Job._chosen = hasty
"""
''',
}
FOUND = "import sys; sys.path.insert(0, {!r})\n"
MAIN = "import main; sys.exit(main.main())"
FORM = """
{sabotage}
from rows import row
one = row({name!r})
found = one.run(0, {amount}).failures
assert found, "nothing was found"
assert all(line.startswith("seed ") for line in found), found
"""


def torture(program, *arguments):
    """Run a program that finds the parts of the tortures, in a process of its own."""
    return subprocess.run(
        [warm.command("warm-python"), FOUND.format(str(TORTURES)) + program, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


DIE_WITHIN = """
import os, signal, sys
from lifecycle import LeadStore
store = LeadStore(sys.argv[1])
store._connection.execute("PRAGMA cache_size = 5")
with store._writer.transaction():
    store._connection.execute("DELETE FROM lead")
    for number in range(2000):
        store._connection.execute("INSERT INTO party (uri, name) VALUES (?, ?)", ("x" * 99, number))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_of_a_writer_that_was_killed_without_a_write_ahead_log_readers_see_nothing(path):
    """It has written over the file; what was there is in its journal, and must be put back."""
    with LeadStore(path) as store:
        store._connection.execute("PRAGMA journal_mode = DELETE")
        store.apply(lead("add", "10:00"))
    assert torture(DIE_WITHIN, path).returncode == -signal.SIGKILL
    assert path.with_name("leads.db-journal").stat().st_size > 0
    with LeadReader(path) as reader:
        assert (reader.lead_count(), reader.verify().defects) == (1, ())


@pytest.fixture
def part(monkeypatch):
    """Return a module of the tortures, by its name."""
    monkeypatch.syspath_prepend(TORTURES)
    for name in ("page", "result", "rows", "main"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module
    for name in ("page", "result", "rows", "main"):
        sys.modules.pop(name, None)


def _groups(names, long=()):
    """Those on Spark share a worker with its other tests, and are left out where it is not."""
    lacks = not find_spec("pyspark") or not shutil.which("java")
    on_spark = [
        pytest.mark.xdist_group("spark"),
        pytest.mark.skipif(lacks, reason="needs the extra spark and a Java runtime"),
    ]
    return [
        pytest.param(name, marks=on_spark * (name == "spark") + [pytest.mark.long] * (name in long))
        for name in names
    ]


@pytest.mark.parametrize("name", _groups(ROWS))
def test_the_quick_form_of_a_row_finds_nothing(name):
    done = torture(MAIN, "--quick", "--only", name)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.search(r" 0 failures, [\d.]+ s$", done.stdout.strip())


#: So many runs of a row show its sabotage already; of the others it takes the quick form.
ENOUGH = {"kills": 1, "writers": 1, "readers": 1, "killed": 1, "disk": 1, "edits": 1, "fuzz": 100}
#: The quick forms of these take the longest, and those of the others show that sabotage is seen.
LONGEST = ("complexity", "growth", "spark")


def sees(name, amount):
    """Check that a row fails on what was sabotaged, and says with which seed."""
    done = torture(FORM.format(sabotage=SABOTAGE[name], name=name, amount=amount))
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout


@pytest.mark.parametrize("name", _groups(ROWS, long=LONGEST))
def test_a_row_sees_what_was_sabotaged(name):
    sees(name, f"one.QUICK._replace(runs={ENOUGH[name]})" if name in ENOUGH else "one.QUICK")


@pytest.mark.long
@pytest.mark.parametrize("name", ENOUGH)
def test_the_quick_form_of_a_row_sees_what_was_sabotaged(name):
    sees(name, "one.QUICK")


def test_every_row_is_there_and_says_what_it_does(part):
    rows = part("rows")
    assert rows.NAMES == ROWS


def test_the_same_seed_gives_the_same_messages():
    script = (
        "from stories import messages;"
        " assert messages(3, 500) == messages(3, 500) != messages(4, 500)"
    )
    assert torture(script).returncode == 0


def test_what_a_full_run_found_is_kept_and_told_with_its_failures(part, monkeypatch, tmp_path):
    result, page = part("result"), part("page")
    monkeypatch.setattr(result, "_FILE", tmp_path / "result.json")
    assert "**quick form only**" in page.table()
    found = result.Result(1000, ["seed 7: lost"], ["a note"])
    result.keep("kills", result.Amount(1000, 20_000), 0, 120, found)
    result.keep("disk", result.Amount(200, 2000), 0, 60, result.Result(203))
    assert list(result.kept()) == ["disk", "kills"]
    lines = {line.split("|")[1].strip(): line for line in page.table().splitlines() if "|" in line}
    assert "1,000 runs, **1 failures**; 2.0 minutes, seed 0" in lines["kills"]
    assert "203 runs, no failure; 1.0 minutes, seed 0" in lines["disk"]
    assert "a note" in page.table()


def test_the_page_is_what_was_found(part):
    assert part("page").table() in PAGE.read_text("utf-8"), "scripts/torture --page writes it again"


def test_a_failure_is_printed_with_its_seed_and_ends_with_one():
    done = torture(SABOTAGE["edits"] + MAIN, "--quick", "--only", "edits", "--seed", "40")
    assert done.returncode == 1
    assert "FAILED seed 40: " in done.stdout
