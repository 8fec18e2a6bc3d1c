"""Keys: the names of leads and contacts, and what hangs together by them (design.md section 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

_QUOTED: Final = re.compile(r'"((?:[^"]|"")*+)":(.*)', re.DOTALL)

#: What a key's text, or the name of a lead that was erased, begins with.
_RESERVED: Final = ("lead", "contact", "erased")

KeyKind: TypeAlias = Literal["contact", "lead"]

Node = TypeVar("Node", bound="Hashable")


class Key(NamedTuple):
    """One name of a lead or a contact, in normal form (design.md section 6)."""

    kind: KeyKind
    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"

    @property
    def text(self) -> str:
        """The key without its kind; a scheme that could be read otherwise is quoted."""
        return f"{shown_scheme(self.scheme)}:{self.value}"

    def order(self) -> tuple[bool, Key]:
        """Sort the keys of leads before those of contacts."""
        return (self.kind != "lead", self)

    @property
    def lead_id(self) -> str:
        """The id shown to people for a lead that is named by this key."""
        return self.text if self.kind == "lead" else str(self)


def shown_scheme(scheme: str) -> str:
    """Return a scheme as it stands before a value: quoted where no two keys may share a text."""
    if ":" in scheme or scheme.startswith('"') or scheme in _RESERVED:
        doubled = scheme.replace('"', '""')
        return f'"{doubled}"'
    return scheme


def splits(text: str) -> Iterator[tuple[str, str]]:
    """Yield every scheme and value that a key's text may mean; that of a quoted scheme is one.

    Schemes and values may hold colons, so that other texts may be split at each of them.
    """
    if quoted := _QUOTED.fullmatch(text):
        yield quoted[1].replace('""', '"'), quoted[2]
        return
    place = text.find(":")
    while place >= 0:
        yield text[:place], text[place + 1 :]
        place = text.find(":", place + 1)


class Components(Generic[Node]):
    """Connected components: what was ever linked has one representative.

    A union-find with path halving and union by size.
    """

    def __init__(self) -> None:
        self._parent: dict[Node, Node] = {}
        self._size: dict[Node, int] = {}

    def __iter__(self) -> Iterator[Node]:
        """Yield all nodes that were ever named."""
        return iter(tuple(self._parent))

    def find(self, node: Node) -> Node:
        """Return the representative of this node's component; an unknown node is one of its own."""
        parent = self._parent
        if node not in parent:
            parent[node] = node
            self._size[node] = 1
            return node
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def link(self, nodes: Iterable[Node]) -> Node | None:
        """Join the components of these nodes; their representative, None without nodes."""
        joined: Node | None = None
        for node in nodes:
            root = self.find(node)
            if joined is None or root == joined:
                joined = root
                continue
            small, large = sorted((joined, root), key=self._size.__getitem__)
            self._parent[small] = large
            self._size[large] += self._size[small]
            joined = large
        return joined
