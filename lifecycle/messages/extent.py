"""The end of a JSON object or array that arrives piece by piece.

It is found without building the value, and what cannot be JSON is seen at the first such sign.
Whether a value is within all limits is for the parser to say, once it has arrived as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lifecycle.messages.parse import MAX_DEPTH

# A string that its line or its piece cuts off has no mark at its end.
_TOKENS: Final = re.compile(rb'"(?:[^"\\\n]|\\[^\n])*+("?)|[\[\]{}:,]|[^\s"\[\]{}:,]++')
_STRING, _WORD = ord('"'), ord("0")
#: The kind of a token by its first byte: what is no mark is a number or a word.
_KINDS: Final = bytes(one if one in b'"[]{}:,' else _WORD for one in range(256))
_OPENING: Final = frozenset(b"{[")
_CLOSING: Final = frozenset(b"}]")

_END: Final = "end"
_VALUE: Final = {_STRING: _END, _WORD: _END, ord("{"): "first name", ord("["): "first value"}
#: By what is expected: the tokens that may come, and what is expected behind each.
_GRAMMAR: Final = {
    "value": _VALUE,
    "first value": _VALUE | {ord("]"): _END},
    "name": {_STRING: "colon"},
    "first name": {_STRING: "colon", ord("}"): _END},
    "colon": {ord(":"): "value"},
    "rest of object": {ord(","): "name", ord("}"): _END},
    "rest of array": {ord(","): "value", ord("]"): _END},
}
_REST: Final = {ord("{"): "rest of object", ord("["): "rest of array"}


def end_of(text: bytes, start: int) -> int | None:
    """Return the offset behind the object or array that starts here; None when it does not end."""
    extent = Extent()
    for kind, end in extent.tokens(text, start):
        extent.step(kind, end)
        if extent.is_broken or not extent.open:
            return None if extent.is_broken else end
    return None


class Extent:
    """A JSON object or array, followed from its first bracket to its last.

    Attributes:
        open: The offsets of the brackets that are open, from its start; those of one that is broken
            are the ones that were open then.
        depth: How many brackets are open.
        is_broken: Whether it cannot be JSON, whatever comes. From there on only brackets count.
        stops_in_string: Whether a line ended within a string of it, where none may end.
    """

    def __init__(self, *, is_broken: bool = False) -> None:
        self.open: list[int] = []
        self.depth = 0
        self.is_broken = is_broken
        self.stops_in_string = False
        self._brackets = bytearray()
        self._expected = "value"
        self._size = 0
        self._carry = b""

    def follow(self, piece: bytes, start: int = 0) -> int | None:
        """Return the offset behind its end in this piece of text, a line or a part; None if beyond.

        None where it goes on behind the piece, or is broken.
        """
        before = self._size - start
        self._size = before + len(piece)
        for kind, end in self.tokens(piece, start):
            self.step(kind, before + end)
            if not self.depth and not self.is_broken:
                return end
        return None

    def tokens(self, piece: bytes, start: int) -> Iterator[tuple[int, int]]:
        """Yield the tokens from here on: the kind of each, and the offset behind it."""
        carried = len(self._carry)
        if carried:
            piece, self._carry = self._carry + piece[start:], b""
        shift, begin = (start - carried, 0) if carried else (0, start)
        for match in _TOKENS.finditer(piece, begin):
            kind, end = _KINDS[piece[match.start()]], match.end()
            if kind == _STRING and not match[1]:
                self._stop_in_string(piece[end:])
                return
            if kind == _WORD and end == len(piece):
                self._carry = b"0"
                return
            yield kind, end + shift

    def step(self, kind: int, end: int) -> None:
        """Take in the next token; ``end`` is the offset behind it, from the start of the value."""
        self.depth += (kind in _OPENING) - (kind in _CLOSING)
        if self.is_broken:
            return
        expected = _GRAMMAR[self._expected].get(kind)
        if expected is None or self.depth > MAX_DEPTH:
            self.is_broken = True
            return
        if kind in _OPENING:
            self._brackets.append(kind)
            self.open.append(end - 1)
        elif kind in _CLOSING:
            self._brackets.pop()
            self.open.pop()
        is_inside = expected == _END and self.open
        self._expected = _REST[self._brackets[-1]] if is_inside else expected

    def _stop_in_string(self, rest: bytes) -> None:
        """Let a string go on in the next piece; what it has so far does not matter."""
        if rest.endswith(b"\n"):
            self.is_broken = self.stops_in_string = True
        else:
            self._carry = b'"' + rest
