"""Replay: accounting, cursors, interruption, and logs of every kind."""

import gzip
import json
import random
import signal
import subprocess
import sys
import time
import tracemalloc

import pytest
import warm
from letters import ADA, lead
from test_convergence import story
from worlds import NOW, store_says

from lifecycle import InputError, LeadStore
from lifecycle.messages import MAX_BYTES
from lifecycle.replay import Log, replay

KINDS = ("applied", "refused", "noted", "duplicate", "conflict", "ignored", "quarantined")


def run(path, *logs, **options):
    with LeadStore(path, clock=lambda: NOW, accept_clock=True) as store:
        summary = replay(store, logs, **options)
        said = store_says(store)
    assert summary.read == sum(getattr(summary, kind) for kind in KINDS)
    return summary.as_dict() | {"seconds": 0}, said


def counts(summary):
    return {name: count for name, count in summary.items() if count}


def mixed():
    """Something of everything: late ones, copies, conflicts, ignored and broken messages."""
    messages = story(1)
    random.Random(1).shuffle(messages)
    messages += messages[:20]
    messages += [lead("update", "10:00", id=f"urn:story:{number}") for number in (7, 8)]
    messages += ["{", '{"topic": "contact#add", "data": {}}', json.dumps(messages[:3]), "", "[]"]
    return messages


@pytest.mark.parametrize("batch", [1, 7, 100, 5000])
def test_every_message_is_accounted_for_in_any_batches(batch, path, write_log):
    summary, said = run(path, write_log(mixed()), batch=batch)
    assert (summary["read"], summary["duplicate"]) == (267, 23)
    assert (summary["conflict"], summary["ignored"], summary["quarantined"]) == (2, 1, 1)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(mixed())
        assert store_says(store) == said


def test_applied_and_refused_are_what_events_are_when_the_run_ends(path, write_log):
    log = write_log(
        [
            lead("add", "10:00"),
            lead("reject", "10:01"),
            lead("accept", "10:03"),
            lead("assign", "10:02"),
        ]
    )
    summary, _ = run(path, log, batch=1)
    assert counts(summary) == {"read": 4, "applied": 4, "leads": 1}


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_the_line_of_a_message_is_that_of_the_copy_that_counts(batch, path, write_log):
    copies = [lead("accept", f"10:0{n % 2}", agent=f"x:{n}", id=f"urn:{n // 5}") for n in range(20)]
    log = write_log(copies)
    run(path, log, batch=batch)
    with LeadStore(path) as store:
        stored = store.messages("crmleadid:1")
    assert [copies[one.line - 1] for one in stored] == [one.payload for one in stored]
    assert len(stored) == 4


def test_a_finished_log_is_not_read_again(path, write_log):
    log = write_log(mixed())
    first, said = run(path, log)
    second, still = run(path, log)
    assert (counts(second), still) == ({"leads": first["leads"], "resumed_from": 267}, said)


def test_a_log_can_be_read_from_its_beginning_and_does_no_harm(path, write_log):
    log = write_log(story(1))
    _, said = run(path, log)
    again, still = run(path, log, restart=True)
    assert (counts(again)["duplicate"], still) == (240, said)


def test_a_log_that_has_grown_is_read_on(path, write_log):
    log = write_log(story(1)[:100])
    run(path, log)
    with log.open("a") as more:
        more.writelines(json.dumps(message) + "\n" for message in story(1)[100:])
    summary, said = run(path, log)
    assert (summary["read"], summary["resumed_from"]) == (140, 100)
    assert said == run(path.with_name("other.db"), write_log(story(1), "other.jsonl"))[1]


@pytest.mark.parametrize("again", [story(2), story(1)[:50]], ids=["rotated", "truncated"])
def test_another_log_in_its_place_is_read_from_the_beginning(again, path, write_log):
    run(path, write_log(story(1)))
    summary, _ = run(path, write_log(again))
    assert (summary["read"], summary["resumed_from"]) == (len(again), 0)


def test_a_last_line_without_an_end_is_read_and_read_again(path, write_log):
    messages = story(1)[:3]
    whole = write_log(messages, end="").read_text()
    log = write_log([], end="")
    log.write_text(whole[:-10])
    summary, _ = run(path, log)
    assert (summary["read"], summary["quarantined"]) == (3, 1)
    log.write_text(whole + "\n")
    summary, _ = run(path, log)
    assert (summary["read"], summary["quarantined"], summary["resumed_from"]) == (1, 0, 2)
    with LeadStore(path) as store:
        assert list(store.quarantine()) == []


def test_line_ends_blank_lines_and_a_byte_order_mark_do_not_matter(path, write_log):
    _, said = run(path, write_log(story(1)))
    log = write_log([], "other.jsonl")
    lines = [json.dumps(message).encode() for message in story(1)]
    log.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines) + b"\n  \n")
    summary, same = run(path.with_name("other.db"), log)
    assert (summary["read"], same) == (240, said)


def test_packed_logs_are_recognised_by_their_content(path, write_log, tmp_path):
    _, said = run(path, write_log(story(1)))
    packed = tmp_path / "log.anything"
    packed.write_bytes(gzip.compress(write_log(story(1)).read_bytes()))
    summary, same = run(tmp_path / "packed.db", packed)
    assert (summary["read"], same) == (240, said)
    assert run(tmp_path / "packed.db", packed)[0]["resumed_from"] == 240


def test_a_packed_log_that_is_cut_short_is_an_error_and_its_beginning_is_kept(path, tmp_path):
    lines = b"".join(json.dumps(message).encode() + b"\n" for message in story(1))
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(lines)[:-100])
    with LeadStore(path) as store, pytest.raises(InputError, match=r"gzip file is cut short"):
        replay(store, [packed])
    packed.write_bytes(gzip.compress(lines))
    summary, _ = run(path, packed)
    assert summary["resumed_from"] > 0
    assert summary["read"] + summary["resumed_from"] == 240


def test_a_packed_log_that_is_damaged_is_an_error(path, tmp_path):
    packed = bytearray(gzip.compress(b"{}\n" * 10_000))
    packed[20:30] = b"\xff" * 10
    (tmp_path / "log.gz").write_bytes(packed)
    with LeadStore(path) as store, pytest.raises(InputError, match=r"gzip file is damaged"):
        replay(store, [tmp_path / "log.gz"])


def test_a_packed_log_that_was_damaged_and_is_mended_is_read_from_the_start(path, tmp_path):
    lines = b"".join(json.dumps(message).encode() + b"\n" for message in story(1))
    good = gzip.compress(lines, compresslevel=0)
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    packed = tmp_path / "log.gz"
    packed.write_bytes(bad)
    with LeadStore(path) as store, pytest.raises(InputError, match=r"gzip file is damaged"):
        replay(store, [packed], batch=50)
    packed.write_bytes(good)
    summary, _ = run(path, packed)
    assert (summary["resumed_from"], summary["read"]) == (0, 240)


def test_a_rotated_log_that_begins_as_before_is_read_from_the_beginning(path, write_log):
    first, *rest = story(1)
    log = write_log([first])
    run(path, log)
    with log.open("a") as more:
        more.writelines(json.dumps(message) + "\n" for message in rest[:5])
    run(path, log)
    summary, _ = run(path, write_log([first, *story(2)[:50]]))
    assert (summary["resumed_from"], summary["read"]) == (0, 51)


def test_a_pipe_is_read_as_a_stream(path, write_log):
    log = write_log(story(1))
    command = f"gzip -c {log} | {warm.command()} replay {path} /dev/stdin --json"
    done = subprocess.run(command, shell=True, check=True, capture_output=True)  # noqa: S602
    assert json.loads(done.stdout)["read"] == 240


@pytest.mark.parametrize("name", ["none.jsonl", "."])
def test_a_log_that_cannot_be_read_is_an_error(name, store, tmp_path):
    with pytest.raises(InputError, match=r"No such file|is a directory"):
        replay(store, [tmp_path / name])


def test_standard_input_has_no_cursor(path, write_log):
    for duplicates in (0, 240):
        with LeadStore(path) as store, write_log(story(1)).open("rb") as file:
            summary = replay(store, [Log("-", file, stream=True)])
        assert (summary.read, summary.duplicate, summary.resumed_from) == (240, duplicates, 0)


def test_a_line_beyond_the_limit_is_kept_in_part_and_costs_no_more_memory(path, write_log):
    huge = '{"topic": "' + "x" * (30 * MAX_BYTES) + '"}'
    log = write_log([lead("add", "10:00"), huge, huge + " ", lead("accept", "10:01")])
    del huge
    with LeadStore(path) as store:
        tracemalloc.start()
        summary = replay(store, [log])
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        first, second = store.quarantine()
    assert counts(summary.as_dict() | {"seconds": 0}) == {
        "read": 4,
        "applied": 2,
        "quarantined": 2,
        "leads": 1,
    }
    assert peak < 12 * MAX_BYTES
    assert (len(first.raw), first.line, second.size - first.size) == (MAX_BYTES, 2, 1)
    assert str(first.problems[0]) == f"larger than 1,048,576 bytes: {first.size:,}"


@pytest.mark.usefixtures("uncovered")
def test_memory_does_not_depend_on_the_length_of_the_log(tmp_path, write_log):
    peaks = []
    for rounds in (25, 75):
        messages = [
            lead("update", "10:00", keys=f"{number}-{i}", id=f"urn:{number}-{i}", agent=ADA)
            for number in range(rounds)
            for i in range(100)
        ]
        log = write_log(messages)
        with LeadStore(tmp_path / f"{rounds}.db") as store:
            tracemalloc.start()
            replay(store, [log], batch=100)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


def test_progress_is_told_after_each_batch(path, write_log):
    told = []
    log = write_log(story(1))
    with LeadStore(path) as store:
        replay(store, [log], batch=100, tell=told.append)
    assert [now.read for now in told] == [100, 200, 240]
    assert (told[-1].done, told[-1].size) == (log.stat().st_size, log.stat().st_size)


# --- interruption ---------------------------------------------------------------------------------

REPLAY_AND_DIE = """
import os, signal, sys
from pathlib import Path
from lifecycle import LeadStore
from lifecycle.replay import replay

path, log, nth = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
store = LeadStore(path, clock=lambda: 1_900_000_000_000_000)
store.session().relax()
left = nth

def die(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

store._connection.set_trace_callback(die)
replay(store, [log], batch=16)
print(nth - left)
"""


def replay_and_die(path, log, nth):
    return subprocess.run(
        [warm.command("warm-python"), REPLAY_AND_DIE, path, log, str(nth)],
        check=False,
        capture_output=True,
        text=True,
    )


KILLS = 20


@pytest.mark.usefixtures("uncovered")
def test_a_replay_killed_at_random_points_ends_in_the_same_store(tmp_path, write_log):
    log = write_log(mixed())
    whole = replay_and_die(tmp_path / "whole.db", log, 0)
    assert whole.stderr == ""
    statements = int(whole.stdout)
    assert statements > 2000
    _, said = run(tmp_path / "whole.db", log)
    chance = random.Random(50)
    killed = resumed = 0
    for number in range(KILLS):
        path = tmp_path / f"{number}.db"
        result = replay_and_die(path, log, chance.randint(1, statements))
        killed += result.returncode == -signal.SIGKILL
        with LeadStore(path, clock=lambda: NOW) as store:
            check = store._connection.execute("PRAGMA integrity_check").fetchone()
            assert check == ("ok",)
            assert store.verify().sound
        summary, same = run(path, log)
        resumed += summary["resumed_from"] > 0
        assert same == said
    assert killed == KILLS
    assert resumed > KILLS // 2


# A shell lets what it starts in the background ignore interrupts, tests that it starts included.
INTERRUPTIBLE = """
import signal
from lifecycle.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


@pytest.mark.usefixtures("uncovered")
def test_an_interrupted_replay_says_so_and_goes_on(path, write_log):
    log = write_log(
        [lead("update", "10:00", keys=f"n{n % 50}", id=f"urn:{n:05}") for n in range(40_000)]
    )
    command = [sys.executable, "-c", INTERRUPTIBLE]
    command += ["replay", path, log, "--batch", "50", "--json"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wal = path.with_name("leads.db-wal")
    while not (wal.exists() and wal.stat().st_size > 1_000_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in errors) == (130, False)
    assert errors == "lifecycle: interrupted; what was committed is whole, run it again to go on\n"
    done = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert 0 < done["resumed_from"] < 40_000
    assert done["read"] + done["resumed_from"] == 40_000
    assert done["leads"] == 50


def test_what_is_quarantined_stays_when_its_log_is_cut_and_grows_again(path, write_log):
    log = write_log(["{", "{{", lead("add", "10:00")])
    run(path, log)
    log.write_text(json.dumps(lead("update", "11:00")) + "\n", "utf-8")
    run(path, log)
    with log.open("a", encoding="utf-8") as file:
        file.write("[[\n")
    run(path, log)
    with LeadStore(path) as store:
        assert len(list(store.quarantine())) == 3
