"""``lifecycle serve``: a store over HTTP, and the keys of those who may use it."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click_default_group import DefaultGroup

from lifecycle.cli import options
from lifecycle.service import Settings, missing
from lifecycle.service.keys import SCOPES, KeyFile, Scope
from lifecycle.text import clean

_KEYS = click.argument("file", metavar="FILE", type=options.PATH)


@click.group(cls=DefaultGroup, default="store", default_if_no_args=False)
def serve() -> None:
    """Serve a store over HTTP: inbox, webhooks, API, feed and pages.

    `lifecycle serve DB` starts the service.
    """


@serve.command("store")  # type: ignore[untyped-decorator] # its stub takes no name
@options.database
@click.option("--host", metavar="ADDRESS", help="Where to listen.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=options.Number(0, 65_535),
    metavar="N",
    help="The port; 0 takes a free one.  [default: 8470]",
)
@options.file("--config", meaning="Settings in TOML.")
@click.option("--check", "only_check", is_flag=True, help="Check all this, and start nothing.")
@click.option("--quiet", is_flag=True, help="Log no requests.")
def store(
    *,
    database: Path,
    host: str | None,
    port: int | None,
    config: Path | None,
    only_check: bool,
    quiet: bool,
) -> None:
    """Start the service; the store is made where there is none.

    It logs JSON lines on standard error, and stops at SIGTERM or SIGINT when all that it accepted
    is answered. Each setting of FILE may be given as LIFECYCLE_SERVE_NAME, too.
    """
    settings = Settings.load(config, os.environ, host=host, port=port)
    try:
        from lifecycle.service import logs, server  # noqa: PLC0415 - what only the extra brings
    except ImportError as error:
        raise missing(error) from None
    if only_check:
        server.check(database, settings)
        click.echo("the settings, the keys and the store can be used", err=True)
        return
    logs.configure(access=not quiet)
    server.serve(
        database, settings, lambda url: click.echo(f"serving {clean(str(database))} at {url}")
    )


@serve.group()
def keys() -> None:
    """Make and revoke keys, which are kept as hashes in FILE."""


@keys.command()
@_KEYS
@click.argument("name", metavar="NAME")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="What it allows; may be repeated.",
)
def add(file: Path, name: str, scopes: tuple[Scope, ...]) -> None:
    """Make a key, and print it: this once, for FILE holds no more than its hash."""
    click.echo(KeyFile(file).add(name, scopes))


@keys.command()
@_KEYS
@click.argument("name", metavar="NAME")
def revoke(file: Path, name: str) -> None:
    """Take a key out of FILE; a service that runs takes it no more."""
    KeyFile(file).revoke(name)


@keys.command("list")
@_KEYS
@options.output
def list_(file: Path, style: str) -> None:
    """List the keys of FILE by name, with what each allows."""
    from lifecycle.cli.output import emit  # noqa: PLC0415

    rows = ({"name": one.name, "scopes": ", ".join(one.scopes)} for one in KeyFile(file).read())
    emit(rows, ("name", "scopes"), style, nothing="no keys")
