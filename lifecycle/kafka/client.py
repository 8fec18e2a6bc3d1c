"""The client: partitions assigned as a whole, records in batches, and where partitions end.

The only importer of ``confluent_kafka`` but for the dead letters' producer. No group decides what
is read: which records come next is in the store.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from lifecycle.errors import InputError
from lifecycle.kafka.records import Partition, Record
from lifecycle.kafka.settings import client_settings

_LOG: Final = logging.getLogger("lifecycle.kafka")
#: So many records, or so many bytes of them, are read together.
_RECORDS: Final = 2000
_BYTES: Final = 32 * 1024 * 1024
#: So many of them at a time, so that the bytes are looked at.
_PIECE: Final = 200
#: How long brokers are waited for, in seconds.
_SECONDS: Final = 15.0
_SETTINGS: Final = {
    "auto.offset.reset": "error",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    # What is read ahead of each partition; the default of 64 MiB would be held for every one.
    "queued.max.messages.kbytes": "8192",
    "fetch.error.backoff.ms": "100",
    # Each attempt writes a line: by default twenty a second while a broker is away.
    "reconnect.backoff.ms": "1000",
}
#: What may pass: librdkafka tries again by itself.
_PASSING: Final = (
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - so they are called
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
)
_GROUP: Final = "lifecycle"
_MICROS: Final = 1000


class Client:
    """A consumer of some topics; every partition of them is its own."""

    def __init__(
        self, bootstrap: str, topics: Sequence[str], settings: Mapping[str, str], group: str | None
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._group = group
        self._at_end: set[Partition] = set()
        self._assigned: list[TopicPartition] = []
        # The file may lower how much is read ahead, but not what keeps records from being lost.
        common = client_settings(bootstrap, {**_SETTINGS, **settings})
        try:
            self._consumer = Consumer({**common, "group.id": group or _GROUP}, logger=_LOG)
        except KafkaException as error:
            raise InputError(f"Kafka's client cannot use the settings: {_text(error)}") from None

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def partitions(self) -> tuple[str, list[Partition]]:
        """Return the id of the cluster, and all partitions of the topics.

        Raises:
            InputError: No broker answers, or a topic is not there.
        """
        partitions: list[Partition] = []
        cluster = ""
        for topic in self._topics:
            with self._telling(topic):
                found = self._consumer.list_topics(topic, timeout=_SECONDS)
            one = found.topics[topic]
            if one.error is not None or not one.partitions:
                why = one.error.str() if one.error else "it has no partitions"
                raise InputError(f"{self._bootstrap}: the topic {topic} cannot be read: {why}")
            cluster = found.cluster_id or cluster
            partitions += [Partition(topic, number) for number in sorted(one.partitions)]
        return cluster, partitions

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the offsets of a partition's first message, and behind its last one."""
        with self._telling(partition):
            low, high = self._consumer.get_watermark_offsets(_place(partition), timeout=_SECONDS)
        return int(low), int(high)

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        """Read these partitions, too, each from an offset on."""
        places = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        self._consumer.incremental_assign(places)
        self._assigned += places

    def read(self, seconds: float) -> list[Record]:
        """Return the next records; none where none comes within so many seconds.

        Raises:
            InputError: A partition cannot be read any more.
        """
        records: list[Record] = []
        size, wait, most = 0, seconds, 1
        while len(records) < _RECORDS and size < _BYTES:
            messages = self._consumer.consume(most, wait)
            if not messages:
                break
            for message in messages:
                if record := self._record(message):
                    records.append(record)
                    size += len(record.value or b"")
            wait, most = 0.0, _PIECE
        return records

    def end(self, partition: Partition) -> int:
        """Return the offset behind a partition's last message, as far as it was told last."""
        with suppress(KafkaException):
            _, high = self._consumer.get_watermark_offsets(_place(partition), cached=True)
            return int(high)
        return 0

    def is_at_end(self) -> bool:
        """Return whether all that is there was read."""
        return len(self._at_end) == len(self._assigned)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no more records come meanwhile."""
        self._consumer.pause(self._assigned)
        try:
            yield
        finally:
            self._consumer.resume(self._assigned)

    def tell_group(self, offsets: Mapping[Partition, int]) -> None:
        """Tell the group that was named how far it is, for those who watch groups."""
        if self._group is not None:
            places = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
            try:
                self._consumer.commit(offsets=places, asynchronous=True)
            except KafkaException as error:
                _LOG.warning("the group %s was not told: %s", self._group, _text(error))

    def _record(self, message: Any) -> Record | None:
        """Return a record; None for what else there is to say of a partition."""
        error = message.error()
        partition = Partition(message.topic() or "", message.partition() or 0)
        if error is None:
            self._at_end.discard(partition)
            kind, millis = message.timestamp()
            created_at = None if kind == TIMESTAMP_NOT_AVAILABLE else millis * _MICROS
            headers = message.headers() or ()
            return Record(
                partition, message.offset(), message.key(), message.value(), headers, created_at
            )
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - so it is called
            self._at_end.add(partition)
        elif error.retriable() or error.code() in _PASSING:
            _LOG.warning("%s: %s; trying again", partition, error.str())
        else:
            raise InputError(f"{partition}: cannot be read: {error.str()}")
        return None

    @contextmanager
    def _telling(self, what: object) -> Iterator[None]:
        try:
            yield
        except KafkaException as error:
            raise InputError(
                f"{self._bootstrap}: {what}: no answer from the brokers: {_text(error)}"
            ) from None


@contextmanager
def open_client(
    bootstrap: str,
    topics: Sequence[str],
    *,
    settings: Mapping[str, str] | None = None,
    group: str | None = None,
) -> Iterator[Client]:
    """Open a client.

    Args:
        bootstrap: Brokers to ask first: ``host:port``, several with commas.
        topics: The topics to read, each with all of its partitions.
        settings: Settings of librdkafka, such as those of security.
        group: The group that is told how far it is; nothing is read of it.

    Raises:
        InputError: A setting cannot be used.
    """
    client = Client(bootstrap, topics, settings or {}, group)
    try:
        yield client
    finally:
        client.close()


def _place(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _text(error: KafkaException) -> str:
    """Return what a failure says, in a line."""
    cause = error.args[0] if error.args else error
    return str(cause.str() if isinstance(cause, KafkaError) else cause)
