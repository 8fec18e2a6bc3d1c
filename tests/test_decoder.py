"""Decoding in a second process: the same chunks, whatever becomes of it."""

import gzip
import os
import subprocess
import sys
import threading

import pytest
from attrs import evolve
from letters import lead
from test_convergence import story
from test_replay import mixed, run
from worlds import NOW, store_says

from lifecycle import BusyStoreError, Identity, InputError, LeadStore
from lifecycle.replay import DamagedLogError, Log, decoder, replay
from lifecycle.replay.chunks import chunks
from lifecycle.store import Packed
from lifecycle.store.db import transaction as unit


@pytest.fixture
def elsewhere(monkeypatch):
    """Let every log be decoded in a second process."""
    monkeypatch.setattr(decoder, "WORTH_IT", 0)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


ANYBODY = Identity()


def said(found):
    """Return what chunks say; the salts of their drafts are never the same."""
    return [evolve(one, messages=[_said(*message) for message in one.messages]) for one in found]


def _said(item, line, is_whole):
    if isinstance(item, Packed):
        return (*item.columns, item.keys, item.body, item.place, line, is_whole)
    return (item, line, is_whole)


def both(log, size=10):
    with Log.open(log) as here, Log.open(log) as there:
        elsewhere = decoder.decoded_elsewhere(there, 0, 0, ANYBODY, size)
        return said(chunks(here, 0, 0, ANYBODY, size)), said(elsewhere)


def test_it_sends_the_same_chunks(write_log):
    here, there = both(write_log(mixed()))
    assert len(here) > 20
    assert here == there


def test_it_sends_the_same_of_a_log_that_ends_without_a_line_end(write_log):
    log = write_log(mixed(), end="")
    here, there = both(log)
    assert here == there
    assert here[-1].line == log.read_bytes().count(b"\n")


@pytest.mark.usefixtures("elsewhere")
def test_a_replay_finds_the_same(write_log, path):
    log = write_log(mixed())
    summary, said = run(path, log, batch=30)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(mixed())
        assert store_says(store) == said
    again, _ = run(path, log)
    lines = log.read_bytes().count(b"\n")
    assert (again["read"], again["resumed_from"], summary["read"]) == (0, lines, 267)


@pytest.mark.parametrize("after", [0, 1, 5])
def test_should_it_die_this_process_goes_on(after, write_log, monkeypatch):
    log = write_log(mixed())
    whole, _ = both(log)
    frames = decoder._frames

    def cut_short(pipe):
        for number, frame in enumerate(frames(pipe)):
            if number == after:
                return
            yield frame

    monkeypatch.setattr(decoder, "_frames", cut_short)
    with Log.open(log) as again:
        assert said(decoder.decoded_elsewhere(again, 0, 0, ANYBODY, 10)) == whole


def test_a_frame_that_is_cut_is_not_taken(tmp_path):
    pipe = tmp_path / "pipe"
    pipe.write_bytes((100).to_bytes(8) + b"half of it")
    with pipe.open("rb") as cut:
        assert list(decoder._frames(cut.fileno())) == []


def test_should_it_hang_this_process_goes_on(write_log, monkeypatch):
    log = write_log(mixed())
    whole, _ = both(log)
    popen = subprocess.Popen
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(subprocess, "Popen", lambda _, **named: popen(sleeper, **named))
    monkeypatch.setattr(decoder, "_PATIENCE", 50)
    with Log.open(log) as again:
        assert said(decoder.decoded_elsewhere(again, 0, 0, ANYBODY, 10)) == whole


@pytest.mark.usefixtures("elsewhere")
def test_it_goes_on_where_an_earlier_run_ended(write_log, path):
    log = write_log(story(2))
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:100]))
    run(path, log)
    log.write_bytes(whole)
    summary, said = run(path, log)
    assert (summary["resumed_from"], summary["read"]) == (100, len(lines) - 100)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(story(2))
        assert store_says(store) == said


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("harm", "error", "left"),
    [
        (lambda packed: packed[:-200], InputError, True),
        (lambda packed: packed[:-8] + bytes(4) + packed[-4:], DamagedLogError, False),
    ],
    ids=["cut short", "damaged"],
)
def test_what_is_wrong_with_a_log_is_told(harm, error, left, write_log, tmp_path, path):
    packed = tmp_path / "log.jsonl.gz"
    packed.write_bytes(harm(gzip.compress(write_log(story(3)).read_bytes())))
    with LeadStore(path, clock=lambda: NOW) as store:
        with pytest.raises(error):
            replay(store, [packed])
        assert bool(store.session().cursor(str(packed)).byte_offset) is left


def test_it_ends_when_nobody_waits_for_it_any_more(write_log):
    with Log.open(write_log(mixed())) as log:
        source = decoder.decoded_elsewhere(log, 0, 0, ANYBODY, 10)
        next(source)
        source.close()


def test_one_that_fails_ends():
    command = [sys.executable, "-m", decoder.__name__, "a log", "999", "1", "0", "0", "9"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (1, b"")


def test_where_none_can_be_started_this_process_decodes(write_log, monkeypatch):
    log = write_log(mixed())
    whole, _ = both(log)

    def refuse(*_, **__):
        raise OSError("too many processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with Log.open(log) as again:
        assert said(decoder.decoded_elsewhere(again, 0, 0, ANYBODY, 10)) == whole


def test_it_reads_the_file_that_was_opened_whatever_its_name_means(write_log):
    log = write_log(mixed())
    whole, _ = both(log)
    with log.open("rb") as file, Log("a name of my own", file) as opened:
        log.rename(log.with_name("rotated"))
        assert said(decoder.decoded_elsewhere(opened, 0, 0, ANYBODY, 10)) == whole


def test_it_imports_nothing_from_where_it_is_started(write_log, tmp_path, monkeypatch):
    log = write_log(mixed())
    (tmp_path / "queue.py").write_text("open('imported', 'w').close()", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    here, there = both(log)
    assert here == there
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("bytes_together", [1, 10_000])
def test_large_messages_are_taken_a_few_at_a_time(bytes_together, write_log, path, monkeypatch):
    module = sys.modules["lifecycle.replay.replay"]
    monkeypatch.setattr(module, "_TOGETHER_BYTES", bytes_together)
    monkeypatch.setattr(module, "_BATCH_BYTES", 3 * bytes_together)
    summary, said = run(path, write_log(mixed()), batch=20)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(mixed())
        assert store_says(store) == said
    assert summary["read"] == 267


def test_a_line_of_very_many_messages_makes_several_chunks(write_log):
    log = write_log([[{}] * 1000, lead("add", "10:00")])
    with Log.open(log) as opened:
        found = list(chunks(opened, 0, 0, ANYBODY, 100))
    assert max(len(chunk.messages) for chunk in found) == 101
    assert sum(len(chunk.messages) for chunk in found) == 1001
    assert [chunk.end for chunk in found[:9]] == [None] * 9
    assert found[-1].line == 2


def test_a_small_log_is_not_worth_it(write_log):
    with Log.open(write_log(mixed())) as log:
        assert not decoder.is_worth_it(log)


def test_nobody_waits_for_a_writer_who_waits_for_input(path, monkeypatch):
    monkeypatch.setattr(unit, "BUSY_SECONDS", 0.1)
    reading, writing = os.pipe()
    failures = []

    def read():
        try:
            with LeadStore(path, clock=lambda: NOW) as store, os.fdopen(reading, "rb") as pipe:
                replay(store, [Log("-", pipe, stream=True)])
        except BusyStoreError as error:
            failures.append(error)

    with LeadStore(path, clock=lambda: NOW) as store:
        thread = threading.Thread(target=read)
        thread.start()
        with os.fdopen(writing, "w") as pipe:
            for number in range(2100):
                pipe.write('{"topic": "contact#add", "data": {}}\n')
                if number > 2050:
                    pipe.flush()
                    assert store.apply(lead("update", "10:00", id=f"urn:{number}")).kind
        thread.join()
    assert not failures
