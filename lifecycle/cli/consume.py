"""``lifecycle consume``: topics of Kafka, read into a store."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any, Final

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json
from lifecycle.cli.taking import taking_in
from lifecycle.errors import MissingExtraError
from lifecycle.service import logs
from lifecycle.store import OnContactDelete
from lifecycle.text import clean, counted

_SOURCES: Final = ("network", "hubspot", "salesforce", "genesys")


@click.command()
@options.database
@click.option(
    "--topic", "topics", metavar="TOPIC", multiple=True, required=True, help="May be repeated."
)
@click.option(
    "--bootstrap", metavar="HOST:PORT", required=True, help="Brokers to ask first, with commas."
)
@options.file("--config", meaning="Settings of the client: name=value, a line each.")
@click.option(
    "--source",
    type=click.Choice(_SOURCES),
    default="network",
    show_default=True,
    help="Whose records these are: messages of the network, or what another system tells.",
)
@click.option("--dead-letter", metavar="TOPIC", help="A topic that gets what is quarantined, too.")
@click.option(
    "--group", metavar="NAME", help="A consumer group to tell how far it is, for those who watch."
)
@click.option("--restart", is_flag=True, help="Read from the first record that is there.")
@click.option("--until-end", is_flag=True, help="End when all that is there was read.")
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@options.as_json
def consume(
    *,
    database: Path,
    topics: tuple[str, ...],
    bootstrap: str,
    config: Path | None,
    source: str,
    dead_letter: str | None,
    group: str | None,
    restart: bool,
    until_end: bool,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    as_json: bool,
) -> None:
    """Read topics of Kafka into a store.

    All partitions are read, and the store keeps their offsets: each record is in it once. Goes on
    until SIGTERM or SIGINT, behind the batch at hand; logs JSON lines on standard error.
    """
    try:
        from lifecycle import kafka  # noqa: PLC0415 - what only the extra brings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "confluent_kafka":
            raise
        raise MissingExtraError("Streams from Kafka", "confluent-kafka", "kafka") from None
    if dead_letter in topics:
        raise click.UsageError(f"--dead-letter {dead_letter}: expected a topic that is not read")
    settings = {} if config is None else kafka.read_settings(config)
    letters = None if dead_letter is None else kafka.DeadLetters(bootstrap, dead_letter, settings)
    logs.configure(access=False)
    with (
        taking_in(database, rules_path, on_contact_delete) as store,
        kafka.open_client(bootstrap, topics, settings=settings, group=group) as client,
    ):
        consumed = kafka.consume(
            store,
            client,
            stopping=_stopped_by_signals(),
            source=source,
            dead_letters=letters,
            restart=restart,
            until_end=until_end,
        ).as_dict()
    _print(consumed, as_json=as_json)


def _stopped_by_signals() -> threading.Event:
    """Return what is set when a signal says that it is enough."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _print(consumed: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(to_json(consumed))
        return
    outcomes = {name: count for name, count in consumed.items() if name not in _TOTALS}
    kinds = ", ".join(f"{name} {count:,}" for name, count in outcomes.items())
    told = [counted(consumed["records"], "record"), *([kinds] if kinds else [])]
    click.echo(clean(": ".join(told)))


_TOTALS: Final = ("records", "messages", "lag")
