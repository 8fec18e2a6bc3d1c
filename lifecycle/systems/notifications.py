"""Notifications of other systems, as ``lifecycle import`` reads them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from attrs import frozen

from lifecycle.domain import Problem, Rules
from lifecycle.errors import InputError
from lifecycle.messages import MAX_BYTES, Undecodable, read_message
from lifecycle.store import IngestItem, to_stored
from lifecycle.systems.reading import read_files

_NAME: Final = "notification"


@frozen
class Notified:
    """The field changes of a notification, and what was left out of it, by reason."""

    items: list[IngestItem]
    left_out: dict[str, int]


def facts_of(body: bytes, source: str, rules: Rules, received_at: int | None) -> Notified:
    """Return the field changes that a notification tells of.

    One that cannot be read is kept as it came: its sender would only send it again.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _NAME
        path.write_bytes(body)
        try:
            with read_files(
                source,
                [path],
                names_field=rules.meanings.names_field,
                received_at=received_at,
            ) as reading:
                texts = [fact.text for fact in reading.facts()]
                left_out = dict(sorted(reading.tally.left_out.items()))
        except InputError as error:
            sentence = str(error).replace(f"{path}: ", "")
            return Notified([_unreadable(body, sentence)], {})
    items = [
        to_stored(one, rules.identity)
        for text in texts
        for one in read_message(text, identity=None)
    ]
    return Notified(items, left_out)


def _unreadable(body: bytes, sentence: str) -> Undecodable:
    whole = Undecodable.whole(body, [Problem("", sentence, "no_notification")])
    return Undecodable(body[:MAX_BYTES], whole.problems, whole.size, whole.digest)
