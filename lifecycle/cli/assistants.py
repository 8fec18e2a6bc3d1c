"""``lifecycle mcp``: a store's tools for assistants."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.errors import MissingExtraError
from lifecycle.store import LeadReader

#: What the extra brings, by the names that are imported.
_EXTRA = ("mcp", "mcp_types", "pydantic")


@click.command()
@options.database
@click.option(
    "--personal-data",
    is_flag=True,
    help="Tell names, e-mails, telephones and what people wrote, too.",
)
def mcp(database: Path, *, personal_data: bool) -> None:
    """Answer assistants over MCP, on standard input and output.

    The tools find, lead, history, explain and audit only read. An assistant's program starts this
    command; what is personal is left out unless --personal-data is given here.
    """
    with LeadReader(database):
        pass  # What cannot be read is said before an assistant waits for it.
    try:
        from lifecycle.assistants import server  # noqa: PLC0415 - only the extra brings it
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise MissingExtraError("Assistants", "mcp", "mcp") from None
    server(database, personal_data=personal_data).run()
