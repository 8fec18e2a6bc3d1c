"""The making of pages out of templates, in which texts from messages are inert."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lifecycle import text


def inert_environment(package: str, folder: str) -> Environment:
    """Return what makes pages of the templates in a folder: all that is printed is escaped."""
    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        finalize=_inert,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _inert(value: Any) -> Any:
    """Return what is printed: texts without characters that change how others are read."""
    if value is None:
        return ""
    return text.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
