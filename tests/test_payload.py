"""Messages in the store: compressed, and still readable by others."""

import hashlib
import sqlite3
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import lead

from lifecycle import LeadStore, plugin
from lifecycle.store.db import frames as payload
from lifecycle.store.db import functions
from lifecycle.store.db.blocks import ABOUT, CONTENT, NO_SALT, RULES, Entry, Stored, encoded

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FROM = (
    "FROM event JOIN block"
    " ON block.first = (SELECT max(first) FROM block WHERE first <= event.entry)"
)


@given(st.lists(st.binary() | st.text().map(str.encode)))
def test_what_was_compressed_is_what_it_was(messages):
    whole = b"".join(messages)
    assert payload.decompress(payload.compress(messages), len(whole)) == whole


def test_the_dictionary_never_changes():
    digest = hashlib.sha256(payload.dictionary()).hexdigest()
    assert digest == "7df2937a8b5ad666819dcea02dc778fdb4cacff547da66af5d6ffd085dcaf543"


def test_a_store_holds_all_that_is_needed_to_read_it(store, path):
    store.apply_many([lead("add", "10:00", id="urn:1"), lead("update", "10:01")])
    with sqlite3.connect(path) as plain:
        (words,) = plain.execute("SELECT content FROM dictionary").fetchone()
        (frame,) = plain.execute("SELECT bodies FROM block WHERE first = 2").fetchone()
    plain.close()
    assert b'"urn:1"' in zstd.decompress(frame, zstd.ZstdDict(words, is_raw=True))


@pytest.mark.parametrize("prepare", [functions.register, plugin.prepare_connection])
def test_sql_reads_messages_by_functions(prepare, store, path):
    ids = [f"urn:{number:03}" for number in range(100)]
    store.apply_many(lead("add", "10:00", id=one) for one in ids)
    with sqlite3.connect(path) as plain:
        prepare(plain)
        message = "lifecycle_payload(block.about, block.bodies, event.entry - block.first)"
        select = f"SELECT event.id, json_extract({message}, '$.id') {FROM} ORDER BY 1"
        assert plain.execute(select).fetchall() == [(one, one) for one in ids]
        content = "lifecycle_content(block.about, block.contents, event.entry - block.first)"
        select = f"SELECT DISTINCT json_extract({content}, '$[0][0][0][1]') {FROM}"
        assert plain.execute(select).fetchall() == [("1",)]
        assert plain.execute("SELECT lifecycle_payload(NULL, NULL, 0)").fetchone() == (None,)
    plain.close()


def block_of(*texts, kind=CONTENT, salt=bytes(15) + b"1"):
    """Return the columns of a block of these texts."""
    entries = [
        Stored(Entry(number, kind, 0, 0, 0, 0, 0, bytes(32), salt, bytes(32)), b"{}", text)
        for number, text in enumerate(texts, 1)
    ]
    _, _, _, about, contents, bodies = encoded(entries, bytes(32))
    return about, contents, bodies


def test_each_message_has_its_place_and_what_was_erased_is_nothing():
    about, contents, bodies = block_of(b"one", "zw\u00f6lf".encode())
    texts = [functions.payload(about, bodies, place) for place in range(2)]
    assert texts == ["one", "zw\u00f6lf"]
    assert functions.content(about, contents, 1) == "{}"
    for kind, salt in ((CONTENT, NO_SALT), (RULES, b"1" * 16)):
        about, _, bodies = block_of(b"", kind=kind, salt=salt)
        assert functions.payload(about, bodies, 0) is None


def test_a_scan_of_a_block_opens_it_once(monkeypatch):
    about, _, bodies = block_of(*[b"text %d" % number for number in range(64)])
    opened = []
    monkeypatch.setattr(functions, "opened", lambda *some, **_: opened.append(some) or bytes(1000))
    functions._opened.cache_clear()
    for place in range(64):
        functions.payload(bytes(about), bytes(bodies), place)
    functions._opened.cache_clear()
    assert len(opened) == 1


@pytest.mark.parametrize("place", [-1, 1])
def test_a_place_that_a_block_has_not_is_an_error(place):
    about, _, bodies = block_of(b"one")
    with pytest.raises(ValueError, match=f"a block of 1 entries has none at place {place}"):
        functions.payload(about, bodies, place)


def test_a_damaged_block_is_an_error():
    about, _, bodies = block_of(b"one", b"two")
    with pytest.raises(zstd.ZstdError):
        payload.decompress(b"damaged", 7)
    with pytest.raises(zstd.ZstdError, match="of another size"):
        functions.payload(block_of(b"one")[0], b"more", 0)
    with pytest.raises(zstd.ZstdError):
        functions.payload(about, b"damaged", 0)
    with pytest.raises(zstd.ZstdError):
        functions.payload(about, payload.compress([b"x" * 4]), 0)
    with pytest.raises(ValueError, match="damaged block: 3 bytes about its entries"):
        functions.payload(b"abc", bodies, 0)


def test_sql_cannot_make_a_small_frame_fill_the_memory():
    bomb = payload.compress([b"x" * 2**26])
    assert len(bomb) < 10_000
    about, *_ = block_of(b"one", b"two")
    with pytest.raises(zstd.ZstdError, match="of another size"):
        functions.payload(about, bomb, 0)
    row = (CONTENT, 0, 0, 0, 0, 0, 0, 2**27 + 1, bytes(32), b"1" * 16, bytes(32))
    with pytest.raises(ValueError, match=r"texts of 134,217,729 bytes, more than 134,217,728"):
        functions.payload(ABOUT.pack(*row), bomb, 0)


def test_a_bulk_of_messages_takes_less_room_than_their_text(path):
    messages = [lead("update", "10:00", id=f"urn:{number}") for number in range(500)]
    with LeadStore(path) as store:
        store.apply_many(messages)
        (size,) = store._connection.execute("SELECT sum(length(bodies)) FROM block").fetchone()
    assert size < sum(len(str(message)) for message in messages) / 4
