"""Erasing a person: what is selected, what is redacted. Few who open a store ask for it."""

from typing import TYPE_CHECKING

from lifecycle.lazy import lazily

if TYPE_CHECKING:
    from lifecycle.store.erasure.erase import Erasing, Erasure
    from lifecycle.store.erasure.purge import is_unpurged, remove_traces
    from lifecycle.store.erasure.select import deleted_clusters, single_persons

__all__ = [
    "Erasing",
    "Erasure",
    "deleted_clusters",
    "is_unpurged",
    "remove_traces",
    "single_persons",
]

__getattr__ = lazily(
    __name__,
    {
        "erase": ("Erasing", "Erasure"),
        "purge": ("is_unpurged", "remove_traces"),
        "select": ("deleted_clusters", "single_persons"),
    },
)
