"""Dead letters: records that were quarantined, sent to a topic besides, with what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from lifecycle.errors import InputError
from lifecycle.kafka.records import Record
from lifecycle.kafka.settings import client_settings
from lifecycle.reasons import Problem

_LOG: Final = logging.getLogger("lifecycle.kafka")
_SECONDS: Final = 30.0
_LONGEST: Final = 1000


class DeadLetters:
    """A topic that gets what is quarantined.

    It is sent before the transaction that quarantines it is committed: after a crash it may come
    twice, but never not at all.
    """

    def __init__(self, bootstrap: str, topic: str, settings: Mapping[str, str]) -> None:
        own = {"enable.idempotence": "true", **settings}
        try:
            self._producer = Producer(client_settings(bootstrap, own), logger=_LOG)
        except KafkaException as error:
            raise InputError(f"Kafka's client cannot use the settings: {error}") from None
        self._topic = topic
        self._failed: list[str] = []

    def send(self, letters: Sequence[tuple[Record, Sequence[Problem]]]) -> None:
        """Send records with their problems, and wait until the brokers have them.

        Raises:
            InputError: They do not have all of them.
        """
        self._failed.clear()
        for record, problems in letters:
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                headers=[*record.headers, *_headers(record, problems)],
                on_delivery=self._note,
            )
            self._producer.poll(0)
        left = self._producer.flush(_SECONDS)
        if left or self._failed:
            self._producer.purge()
            why = self._failed[0] if self._failed else "no answer from the brokers"
            raise InputError(f"{self._topic}: dead letters cannot be sent: {why}")

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())


def _headers(record: Record, problems: Sequence[Problem]) -> list[tuple[str, bytes]]:
    """Return where a record stands, and what is wrong with it."""
    told = "; ".join(str(problem) for problem in problems)[:_LONGEST]
    texts = {
        "lifecycle_topic": record.partition.topic,
        "lifecycle_partition": str(record.partition.number),
        "lifecycle_offset": str(record.offset),
        "lifecycle_problems": told,
    }
    return [(name, text.encode("utf-8", "backslashreplace")) for name, text in texts.items()]
