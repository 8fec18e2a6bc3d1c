"""The store that a command takes messages into, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.cli.grid import print_pairs
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import Rules, State
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


def print_counts(rows: Sequence[tuple[str, int, str]]) -> None:
    """Print what was counted, how often, and what that means."""
    from rich.text import Text  # noqa: PLC0415 - only where it is printed for people

    cells = [(name, f"{count:,}", Text(meaning, style="dim")) for name, count, meaning in rows]
    print_pairs(cells, [False, True, False])


def print_states(leads: int, states: Mapping[State, int]) -> None:
    """Print how many leads there are, and how many in each state."""
    listed = ", ".join(f"{state} {count:,}" for state, count in states.items())
    click.echo()
    print_words(f"{counted(leads, 'lead')}: {listed or 'none'}")
