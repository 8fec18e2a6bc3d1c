"""``lifecycle schema``: what messages must be."""

from __future__ import annotations

import click

from lifecycle.cli.output import to_json
from lifecycle.errors import ArgumentError
from lifecycle.messages import message_schema
from lifecycle.messages.asyncapi import asyncapi


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
    try:
        found = message_schema(topic)
    except ArgumentError as error:
        raise click.BadParameter(str(error), param_hint="TOPIC") from None
    click.echo(to_json(found, indent=2))
