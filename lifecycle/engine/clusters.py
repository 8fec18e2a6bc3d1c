"""Clusters: connected components over keys, each named by its smallest key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lifecycle.domain import Components


def name_clusters(edges: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield every key of the edges with the name of its cluster, in memory for all keys."""
    components: Components[str] = Components()
    for edge in edges:
        components.link(edge)
    names: dict[str, str] = {}
    for key in components:
        root = components.find(key)
        names[root] = min(key, names.get(root, key))
    for key in components:
        yield key, names[components.find(key)]
