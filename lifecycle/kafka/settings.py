"""Settings of the client: a file of ``name=value`` lines, as Kafka's own tools have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lifecycle.errors import InputError

#: What decides that nothing is lost or doubled is not for a file to say.
_OURS: Final = frozenset(
    (
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.id",
    )
)


def read_settings(path: Path) -> dict[str, str]:
    """Return the settings in a file; empty lines and those that begin with ``#`` are left out.

    Raises:
        InputError: It cannot be read, a line is no setting, or sets what ``consume`` sets itself.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    settings: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        if not equals:
            raise InputError(f"{path}: line {number}: expected name=value")
        if name in _OURS:
            raise InputError(f"{path}: line {number}: {name} is set by `lifecycle consume` itself")
        settings[name] = value
    return settings


def client_settings(bootstrap: str, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that a consumer and a producer share."""
    return {"client.id": "lifecycle", **settings, "bootstrap.servers": bootstrap}
