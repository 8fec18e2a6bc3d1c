"""Messages in the store: compressed, and still readable by others."""

import hashlib
import sqlite3
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import lead

from lifecycle import LeadStore, plugin
from lifecycle.store.db import compression as payload

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@given(st.binary() | st.text().map(str.encode))
def test_what_was_compressed_is_what_it_was(message):
    assert payload.decompress(payload.compress(message)) == message


def test_the_dictionary_never_changes():
    digest = hashlib.sha256(payload.dictionary()).hexdigest()
    assert digest == "7df2937a8b5ad666819dcea02dc778fdb4cacff547da66af5d6ffd085dcaf543"


def test_a_store_holds_all_that_is_needed_to_read_it(store, path):
    store.apply(lead("add", "10:00", id="urn:1"))
    with sqlite3.connect(path) as plain:
        (words,) = plain.execute("SELECT content FROM dictionary").fetchone()
        (frame,) = plain.execute("SELECT body FROM event").fetchone()
    plain.close()
    assert b'"urn:1"' in zstd.decompress(frame, zstd.ZstdDict(words, is_raw=True))


@pytest.mark.parametrize("prepare", [payload.register, plugin.prepare_connection])
def test_sql_reads_messages_by_a_function(prepare, store, path):
    store.apply(lead("add", "10:00", id="urn:1"))
    with sqlite3.connect(path) as plain:
        prepare(plain)
        select = "SELECT json_extract(lifecycle_payload(body), '$.id') FROM event"
        assert plain.execute(select).fetchall() == [("urn:1",)]
        assert plain.execute("SELECT lifecycle_payload(NULL)").fetchone() == (None,)
    plain.close()


def test_a_damaged_message_is_an_error():
    with pytest.raises(zstd.ZstdError):
        payload.decompress(b"damaged")


def test_a_bulk_of_messages_takes_less_room_than_their_text(path):
    messages = [lead("update", "10:00", id=f"urn:{number}") for number in range(500)]
    with LeadStore(path) as store:
        store.apply_many(messages)
        (size,) = store._connection.execute("SELECT sum(length(body)) FROM event").fetchone()
    assert size < sum(len(str(message)) for message in messages) / 2


def test_sql_cannot_make_a_small_frame_fill_the_memory():
    largest = b"x" * 2**21
    assert payload.payload_text(payload.compress(largest)) == largest.decode()
    bomb = payload.compress(b"x" * 2**26)
    assert len(bomb) < 4096
    with pytest.raises(zstd.ZstdError, match="more than two mebibytes"):
        payload.payload_text(bomb)
