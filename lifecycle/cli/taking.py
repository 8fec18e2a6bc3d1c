"""The store that a command takes messages into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.domain import Rules
from lifecycle.store import LeadStore, OnContactDelete
from lifecycle.text import clean, counted


@contextmanager
def taking_in(
    database: Path,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    *,
    create: bool = True,
) -> Iterator[LeadStore]:
    """Open a store to write; in the end remove traces of the erased, and name the spared."""
    rules = None if rules_path is None else Rules.from_toml(rules_path)
    with LeadStore(
        database,
        rules=rules,
        create=create,
        on_contact_delete=on_contact_delete,
        accept_clock=options.is_clock_accepted(),
    ) as store:
        yield store
        if store.erased:
            click.echo(
                f"erased {counted(store.erased, 'message')}: contacts were deleted", err=True
            )
        for reason in store.spared:
            click.echo(
                f"not erased, though a contact was deleted: {clean(reason)}: it may be many people."
                " Look, and then `lifecycle erase DB WHO --all-of-them`",
                err=True,
            )
        if on_contact_delete == "erase":
            store.purge()
