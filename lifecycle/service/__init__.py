"""The service over HTTP: an inbox, webhooks, an API, a feed and pages over one store.

>>> from lifecycle.service import app
>>> application = app("leads.db")  # doctest: +SKIP
"""

from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.service.extra import missing
from lifecycle.service.settings import Hook, Settings, SettingsError, Subscription

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Hook", "Settings", "SettingsError", "Subscription", "app", "missing"]


def app(path: str | Path, settings: Settings | None = None) -> "Starlette":
    """Return the service of a store as an ASGI application, which opens it when it starts.

    Raises:
        MissingExtraError: The extra ``serve`` is not installed.
    """
    try:
        from lifecycle.service.application import application  # noqa: PLC0415 - of the extra
    except ImportError as error:
        raise missing(error) from None
    return application(Path(path), settings or Settings())
