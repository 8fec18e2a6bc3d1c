"""Streams that are read into a store: how far each partition was read, and what was still to come.

Their cursors stand in the table of logs: ``byte_offset`` is the next offset, ``line`` counts
messages, ``head_size`` is where the partition ended when the cursor moved, and the tail is the
message before the offset.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from attrs import frozen

_MARK: Final = "kafka:"
_SELECT: Final = (
    "SELECT name, byte_offset, line, head_size FROM log WHERE name >= ? AND name < ? ORDER BY name"
)


@frozen
class Stream:
    """A partition of a topic, as of the transaction that last moved its cursor.

    Attributes:
        cluster: The id of the cluster.
        topic: The topic.
        partition: The number of the partition.
        offset: The next offset to read.
        messages: How many messages of it were taken in.
        end: The offset behind its last message.
    """

    cluster: str
    topic: str
    partition: int
    offset: int
    messages: int
    end: int

    @property
    def lag(self) -> int:
        """The number of messages that were still to come."""
        return max(0, self.end - self.offset)


def stream_name(cluster: str, topic: str, partition: int) -> str:
    """Return the name under which a partition stands among the logs."""
    return f"{_MARK}{cluster}/{topic}/{partition}"


def read_streams(connection: sqlite3.Connection) -> list[Stream]:
    """Return the partitions that were ever read into a store."""
    rows = connection.execute(_SELECT, (_MARK, _MARK[:-1] + ";"))  # ";" comes after ":"
    return [_stream(name, *numbers) for name, *numbers in rows]


def _stream(name: str, offset: int, messages: int, end: int) -> Stream:
    rest, _, partition = name.removeprefix(_MARK).rpartition("/")
    cluster, _, topic = rest.rpartition("/")
    return Stream(cluster, topic, int(partition), offset, messages, end)
