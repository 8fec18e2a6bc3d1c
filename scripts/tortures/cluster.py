"""A Kafka cluster of librdkafka's own, in this process: real brokers' protocol over loopback.

It is made by the functions of ``rdkafka_mock.h``, which confluent-kafka ships and does not show.
Its partitions keep 5 MB each, so what is produced should be compressed.
"""

from __future__ import annotations

import ctypes
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import confluent_kafka

_TEXT: Final = 512
_PRODUCER: Final = 0


class Cluster:
    """Some brokers and topics, as long as this process lives or until it is closed."""

    def __init__(self, brokers: int = 1, **topics: int) -> None:
        self._library = _library()
        text = ctypes.create_string_buffer(_TEXT)
        conf = self._made("rd_kafka_conf_new")
        # It would warn that it knows no brokers but its own.
        self._library.rd_kafka_conf_set(conf, b"log_level", b"3", text, ctypes.c_size_t(_TEXT))
        self._client = self._made("rd_kafka_new", _PRODUCER, conf, text, ctypes.c_size_t(_TEXT))
        if not self._client:
            raise RuntimeError(text.value.decode())
        self._cluster = self._made("rd_kafka_mock_cluster_new", self._client, brokers)
        for topic, partitions in topics.items():
            self.create(topic, partitions)
        self._library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic."""
        self._done("rd_kafka_mock_topic_create", topic.encode(), partitions, 1)

    def delete(self, topic: str) -> None:
        """Delete a topic and all that is in it."""
        self._done("rd_kafka_mock_topic_delete", topic.encode())

    def remove_before(self, topic: str, partition: int, offset: int) -> None:
        """Remove a partition's records before an offset, as retention does."""
        offset64 = ctypes.c_int64(offset)
        self._done("rd_kafka_mock_partition_delete_records", topic.encode(), partition, offset64)

    def stop_broker(self, number: int = 1) -> None:
        """Let a broker answer no more."""
        self._done("rd_kafka_mock_broker_set_down", number)

    def start_broker(self, number: int = 1) -> None:
        """Let a broker answer again."""
        self._done("rd_kafka_mock_broker_set_up", number)

    def produce(self, topic: str, values: Iterable[bytes | None], partitions: int) -> None:
        """Produce records, one partition after the other in turns."""
        producer = confluent_kafka.Producer(
            {"bootstrap.servers": self.bootstrap, "compression.type": "zstd", "linger.ms": 50}
        )
        for value, partition in zip(values, itertools.cycle(range(partitions))):
            while True:
                try:
                    producer.produce(topic, value, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        if producer.flush(60):
            raise RuntimeError("the cluster did not take all records")

    def close(self) -> None:
        """Stop the brokers."""
        self._library.rd_kafka_mock_cluster_destroy.restype = None
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy.restype = None
        self._library.rd_kafka_destroy(self._client)

    def _made(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        function = getattr(self._library, name)
        function.restype = ctypes.c_void_p
        return ctypes.c_void_p(function(*arguments))

    def _done(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        if error := function(self._cluster, *arguments):
            raise RuntimeError(f"{name}: error {error}")


def _library() -> ctypes.CDLL:
    """Return the library that confluent-kafka has loaded."""
    maps = Path("/proc/self/maps").read_text("utf-8")
    found = re.search(r"\S*/librdkafka\S*", maps)
    if found is None:
        raise RuntimeError("expected confluent-kafka with a librdkafka of its own")
    return ctypes.CDLL(found[0])
