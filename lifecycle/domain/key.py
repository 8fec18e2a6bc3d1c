"""Keys: the names of leads and contacts, and what hangs together by them (design.md section 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")

KeyKind: TypeAlias = Literal["contact", "lead"]

Node = TypeVar("Node", bound="Hashable")


class Key(NamedTuple):
    """One name of a lead or a contact.

    ``scheme`` is in lower case, for schemes compare without case; ``value`` is compared as it is.
    """

    kind: KeyKind
    scheme: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.scheme}:{self.value}"

    def order(self) -> tuple[bool, Key]:
        """Sorts the keys of leads before those of contacts."""
        return (self.kind != "lead", self)

    @property
    def lead_id(self) -> str:
        """The id shown to people for a lead that is named by this key."""
        return f"{self.scheme}:{self.value}" if self.kind == "lead" else str(self)


def make_key(kind: KeyKind, scheme: str, value: str) -> Key | None:
    """The key, or None for a mask, which names nobody."""
    return None if is_mask(value) else Key(kind, scheme.lower(), value)


def is_mask(value: str) -> bool:
    """Whether a value has no letter or digit (``***``): it stands for one that is not shown."""
    return _LETTER_OR_DIGIT.search(value) is None


class Components(Generic[Node]):
    """Connected components: what was ever linked has one representative.

    A union-find with path halving and union by size.
    """

    def __init__(self) -> None:
        self._parent: dict[Node, Node] = {}
        self._size: dict[Node, int] = {}

    def __iter__(self) -> Iterator[Node]:
        """All nodes that were ever named."""
        return iter(tuple(self._parent))

    def find(self, node: Node) -> Node:
        """The representative of this node's component; an unknown node is one of its own."""
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
