"""``lifecycle pull``: an inbox of the network, read into a store."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json
from lifecycle.cli.taking import taking_in
from lifecycle.service import missing
from lifecycle.store import OnContactDelete
from lifecycle.text import clean, counted

_KEY: Final = "LIFECYCLE_PULL_KEY"


@click.command()
@options.database
@click.argument("url", metavar="URL")
@click.option("--links", is_flag=True, help="Ask for links, and fetch each message by itself.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Go on, and ask again after so many seconds.",
)
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@options.as_json
def pull(
    *,
    database: Path,
    url: str,
    links: bool,
    every: float | None,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    as_json: bool,
) -> None:
    """Read an inbox of the network into a store.

    Reads page after page until an empty one, and notes in the store how far it came. Where the
    inbox is busy it asks again, later and later. The variable LIFECYCLE_PULL_KEY has the key.
    """
    try:
        from lifecycle.service.pull import opened  # noqa: PLC0415 - what only the extra brings
        from lifecycle.service.pull import pull as pages_of  # noqa: PLC0415
    except ImportError as error:
        raise missing(error) from None
    headers = {"x-api-key": os.environ[_KEY]} if os.environ.get(_KEY) else {}
    with (
        taking_in(database, rules_path, on_contact_delete) as store,
        opened(url, headers=headers, links=links) as inbox,
    ):
        while True:
            told = {"pages": 0, "messages": 0}
            for pulled in pages_of(store, inbox):
                told = pulled.as_dict()
            if as_json:
                click.echo(to_json(told))
            else:
                kinds = [f"{name} {count:,}" for name, count in list(told.items())[2:]]
                read = f"{counted(told['messages'], 'message')} on {counted(told['pages'], 'page')}"
                click.echo(clean(": ".join([read, *([", ".join(kinds)] if kinds else [])])))
            if every is None:
                return
            time.sleep(every)
