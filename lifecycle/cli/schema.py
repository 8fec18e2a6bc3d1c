"""``lifecycle schema``: what messages must be."""

from __future__ import annotations

import click

from lifecycle.cli.output import to_json
from lifecycle.messages import TRIGGER_OF_TOPIC, message_schema
from lifecycle.messages.asyncapi import asyncapi
from lifecycle.messages.topics import plain_topic
from lifecycle.text import excerpt


@click.command()
@click.argument("topic", metavar="[TOPIC]", required=False)
def schema(topic: str | None) -> None:
    """Print the schema of a message, or the AsyncAPI document.

    The JSON Schema (2020-12) of a TOPIC such as `lead#accept` says what is decoded, and by
    `format` what `lifecycle validate` asks for beyond. Without a topic the AsyncAPI 3 document is
    printed, with the schemas of all messages.
    """
    if topic is None:
        click.echo(to_json(asyncapi(), indent=2))
        return
    plain = plain_topic(topic)
    if plain not in TRIGGER_OF_TOPIC:
        known = ", ".join(TRIGGER_OF_TOPIC)
        raise click.BadParameter(f"{excerpt(topic)!r} is none of {known}", param_hint="TOPIC")
    click.echo(to_json(message_schema(plain), indent=2))
