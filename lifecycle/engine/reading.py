"""Lines of logs as rows: events in columns, what is quarantined, what is ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from lifecycle.domain import Identity
from lifecycle.messages import MAX_BYTES, Ignored, Undecodable
from lifecycle.replay.texts import Line, Splitter, Text, text_of
from lifecycle.store import Packed, ignored_digest, problems_text, to_stored, unfit

MessageKind: TypeAlias = Literal["event", "quarantined", "ignored"]


class MessageRow(NamedTuple):
    """A row of the table MESSAGES, in its columns; what does not concern its kind is None.

    The digest of a quarantined message is that of its bytes; that of an ignored one tells it from
    others of its line.
    """

    kind: MessageKind
    id: str | None = None
    digest: bytes = b""
    trigger: int | None = None
    time: int | None = None
    content: bytes | None = None
    body: bytes | None = None
    keys: list[str] | None = None
    size: int | None = None
    problems: str | None = None
    due_at: int | None = None
    topic: str | None = None
    log: str | None = None


def message_rows(
    line: bytes, identity: Identity, now: int, log: str | None = None
) -> Iterator[MessageRow]:
    """Yield a row for each message of a line.

    A message whose time is more than a day after ``now`` is quarantined, as a store does.
    """
    for text in _texts(line):
        for place, reading in enumerate(text.readings()):
            item = to_stored(reading, identity)
            if isinstance(item, Ignored):
                digest = ignored_digest(text.raw, place)
                yield MessageRow("ignored", digest=digest, topic=item.topic, log=log)
            else:
                yield _row(item, identity, now, log)


def _texts(line: bytes) -> Iterator[Text]:
    """Yield the JSON texts of a line: one, as a rule."""
    text = text_of(line) if len(line) <= MAX_BYTES else None
    if text is not None:
        yield Text(text, 1, is_line=True)
        return
    splitter = Splitter()
    yield from splitter.split(Line(line + b"\n", 1, len(line) + 1))
    yield from splitter.finish()


def _row(item: Packed | Undecodable, identity: Identity, now: int, log: str | None) -> MessageRow:
    if isinstance(item, Undecodable):
        return _quarantined(item, log)
    is_named = any(item.keys)
    aside = unfit(item.body, item.time, is_named=is_named, now=now, identity=identity)
    if aside is not None:
        message, due_at = aside
        return _quarantined(message, log, due_at)
    names = [str(key) for keys in item.keys for key in keys]
    return MessageRow("event", *item.columns, item.body, names, log=log)


def _quarantined(message: Undecodable, log: str | None, due_at: int | None = None) -> MessageRow:
    return MessageRow(
        "quarantined",
        digest=message.digest,
        body=message.raw[:MAX_BYTES],
        size=message.size,
        problems=problems_text(message.problems),
        due_at=due_at,
        log=log,
    )
