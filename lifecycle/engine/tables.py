"""The tables that engines exchange and write: their columns, kinds and meanings."""

from __future__ import annotations

from typing import Final

from lifecycle.exporting import TABLES, Column, Table

#: What a job's folder has beside its tables: what it was asked for, and what came of it.
JOB: Final = "job.json"
SUMMARY: Final = "summary.json"

_EVENT: Final = (
    Column("id", "text", "the event's id"),
    Column("digest", "bytes", "SHA-256 of its content: topic, time and data"),
    Column("trigger", "integer", "the number of its trigger, which is its rank"),
    Column("time", "integer", "its time, in microseconds since 1970 in UTC"),
    Column("content", "bytes", "what was decoded of it, as JSON"),
    Column("body", "bytes", "the message itself"),
    Column("keys", "texts", "the event's keys, those of the lead first"),
)
#: What lines of logs hold, a row for each message.
MESSAGES: Final = Table(
    "messages",
    (
        Column("kind", "text", "`event`, `quarantined` or `ignored`"),
        *_EVENT,
        Column("size", "integer", "of a quarantined message: how many bytes it had"),
        Column("problems", "text", "of a quarantined message: its problems, as JSON"),
        Column("due_at", "integer", "when a message from the future is due, in microseconds"),
        Column("topic", "text", "the topic of an ignored message"),
        Column("log", "text", "the file that it stood in"),
    ),
)
#: The contents of each id, before their clusters are known.
CHOSEN: Final = Table(
    "contents",
    (
        *_EVENT,
        Column("is_canonical", "boolean", "whether it is the content that counts of its id"),
        Column("merged", "bytes", "what all copies of a change make, where they differ"),
        Column("conflicts", "digests", "the digests of the id's other contents"),
    ),
)
#: The contents as a job gives them: by cluster, and in fold order.
CONTENTS: Final = Table(
    "contents",
    (*CHOSEN.columns, Column("cluster", "text", "the name of its cluster: its smallest key")),
)
LEADS: Final = TABLES["leads"]
#: What no engine knows of a step, and what stands behind its number.
_LATER: Final = ("recorded_at", "superseded_at", "holder")
HISTORY: Final = Table(
    "history",
    (
        *(column for column in TABLES["history"].columns if column.name not in _LATER),
        Column("step", "integer", "which step of its event it is"),
        Column("holder", "text", "who had the lead afterwards"),
    ),
)
FINDINGS: Final = Table(
    "findings",
    (
        Column("severity", "text", "`error`, `warning` or `info`"),
        Column("code", "text", "what was found"),
        Column("lead_id", "text", "the lead; none where it concerns no single one"),
        Column("event_id", "text", "the event that shows it"),
        Column("detail", "text", "what there is to say of it"),
    ),
)
QUARANTINE: Final = Table(
    "quarantine",
    (
        Column("digest", "bytes", "SHA-256 of the message"),
        Column("size", "integer", "how many bytes it had"),
        Column("raw", "bytes", "its bytes; of one beyond the limit the beginning"),
        Column("problems", "text", "its problems, as JSON: path, message, code"),
        Column("due_at", "integer", "when a message from the future is due, in microseconds"),
        Column("log", "text", "a file that it stood in"),
        Column("messages", "integer", "how often it came"),
    ),
)
IGNORED: Final = Table(
    "ignored",
    (
        Column("topic", "text", "the topic"),
        Column("messages", "integer", "how many messages there were"),
        Column("contents", "integer", "how many of them were different"),
    ),
)
