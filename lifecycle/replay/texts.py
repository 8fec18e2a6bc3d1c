"""The JSON texts of a log: one a line, several a line, an array over many lines, one over several.

All commands that read messages find the same texts. Between them stands what belongs to none:
white space, commas, and the brackets of an array around them. A run can go on from the end of a
line where no text is open; nothing before such a place matters behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, frozen

from lifecycle.messages import MAX_BYTES, Reading, Undecodable, is_json, read_message, too_large
from lifecycle.messages.extent import Extent, end_of

if TYPE_CHECKING:
    from hashlib import _Hash

#: So many bytes of a line are read at once: a line with a message of the greatest size is whole.
PART: Final = MAX_BYTES + len(b"\r\n")
# Where nothing is left of a line.
_BEHIND: Final = PART + 1
_AROUND: Final = b" \t\r\n\v\f,"
_BETWEEN: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\s,]*+(?:\][\s,]*+)?")
_SPACE: Final = re.compile(rb"\s*+")
# What a text may begin a line with, perhaps behind the comma of an array.
_BEGINNING: Final = re.compile(rb"^([ \t]*+)(?:,[ \t]*+)?[\[{]", re.MULTILINE)


@frozen
class Line:
    """A line of a log as it is read, with its line end, or a part of a longer one.

    ``end`` is the offset behind it, in bytes (of a gzip file: unpacked).
    """

    raw: bytes
    number: int
    end: int
    is_first: bool = True

    @property
    def start(self) -> int:
        """The offset before it."""
        return self.end - len(self.raw)

    @property
    def is_ended(self) -> bool:
        """Tell whether the line ends with it."""
        return self.raw.endswith(b"\n")


@define
class LineEnd:
    """The end of a line where no text is open: a run can go on from there.

    ``tail`` has the last bytes before it, by which the place is recognised.
    """

    line: int
    offset: int
    tail: bytes


@define
class Text:
    """A JSON text of a log, or what stands in the place of one.

    Attributes:
        raw: Its bytes; of one beyond the limit the first MAX_BYTES; none where a line has no text.
        line: The number of the line that it begins on.
        end: The end of the line, where nothing else stands behind it.
        is_whole: Whether it has ended; the last one of a log may still be written to.
        size: How many bytes it has, where these are beyond the limit.
        digest: SHA-256 of one beyond the limit, None for all others.
        is_line: Whether it is a line of which only the brackets were counted.
    """

    raw: bytes
    line: int
    end: LineEnd | None = None
    is_whole: bool = True
    size: int = 0
    digest: bytes | None = None
    is_line: bool = False

    def readings(self, received_at: int | None = None) -> Iterator[Reading]:
        """Yield what it says: nothing when it is blank, several messages when it is a page.

        Whether a message names somebody is for the rules to say.
        """
        if self.digest is not None:
            yield Undecodable(self.raw, (too_large(self.size),), self.size, self.digest)
        elif self.raw:
            for reading in read_message(self.raw, received_at=received_at, identity=None):
                if isinstance(reading, Undecodable) and self.is_line and not is_json(self.raw):
                    for text in self.parts():
                        yield from text.readings(received_at)
                else:
                    yield reading

    def parts(self) -> Iterator[Text]:
        """Yield its texts, should the line be several; otherwise itself."""
        if not self.is_line or is_json(self.raw):
            yield self
            return
        splitter = Splitter()
        yield from splitter.split(Line(self.raw + b"\n", self.line, 0))
        yield from splitter.finish()


def text_of(line: bytes) -> bytes | None:
    """Return the text of a line that seems to be one and no more, as almost all are."""
    text = line.strip(_AROUND)
    if not text:
        return text
    if text.startswith(b"{") and text.endswith(b"}"):
        return text if text.count(b"{") == text.count(b"}") else None
    if text.startswith(b"[") and text.endswith(b"]"):
        return text if is_json(text) else None
    return None


class Splitter:
    """Splits the lines of a log into texts.

    What is no JSON is a text, too. It goes to the end of its line or, where it leaves brackets
    open, of the line that closes them; but not beyond a line that begins another text and is not
    indented further.
    """

    def __init__(self) -> None:
        self._begun: _Begun | None = None
        # Where texts begin that are known not to end as JSON does.
        self._broken: frozenset[int] = frozenset()

    @property
    def is_idle(self) -> bool:
        """Tell whether no text is open."""
        return self._begun is None

    def split(self, line: Line) -> Generator[Text]:
        """Yield the texts that end in this line, or before it."""
        position = 0
        if self._begun is not None:
            position = yield from self._go_on(self._begun, line)
        while self._begun is None and position < len(line.raw):
            position = yield from self._begin(line, position)
        if self._begun is None and position == len(line.raw) and line.is_ended:
            yield Text(b"", line.number, LineEnd(line.number, line.end, line.raw))

    def finish(self) -> Iterator[Text]:
        """Yield the texts of what is open when the log ends; a later run reads it again."""
        while self._begun is not None:
            for text in self._divide(self._begun, self._begun.beginning()):
                yield evolve(text, end=None, is_whole=False)

    def _begin(self, line: Line, start: int) -> Generator[Text, None, int]:
        """Begin the next text of a line; return the offset behind it, or behind the line."""
        begin = _begin(line.raw, start)
        if begin == len(line.raw):
            return begin
        extent = None
        if line.raw[begin] in b"{[":
            extent = Extent(is_broken=line.start + begin in self._broken)
        self._begun = begun = _Begun(line, start, begin - start, extent)
        return (yield from self._take(begun, line, start, begun.follow(line.raw, begin)))

    def _go_on(self, begun: _Begun, line: Line) -> Generator[Text, None, int]:
        """Go on with a text that an earlier line began; return the offset behind what was read."""
        was_broken = begun.is_broken
        end = None if was_broken else begun.follow(line.raw)
        if begun.is_broken:
            at = None if was_broken else begun.beginning()
            if at is not None:
                yield from self._divide(begun, at)
                yield from self.split(line)
                return _BEHIND
            if begun.is_ended_by(line):
                yield self._end(begun.text())
                return 0
        if was_broken:
            begun.follow(line.raw)
        return (yield from self._take(begun, line, 0, end))

    def _take(
        self, begun: _Begun, line: Line, start: int, end: int | None
    ) -> Generator[Text, None, int]:
        """Take the bytes that a text has in a line; return the offset behind them."""
        begun.add(line.raw[start:end])
        if end is not None:
            if begun.is_large:  # with the line end, as a line that is no JSON
                start, end = end, _end_of(_SPACE, line.raw, end)
                begun.add(line.raw[start:end])
            yield self._end(begun.value())
            return end
        if begun.is_ended_with(line):
            yield self._end(begun.text())
        return len(line.raw)

    def _divide(self, begun: _Begun, at: int | None) -> Iterator[Text]:
        """End a text before one of its lines, and read again from there.

        Nothing is read more than twice: what is open where the text broke breaks there, too.
        """
        self._broken = begun.open()
        yield self._end(begun.text(at))
        if at is not None:
            for line in begun.lines(at):
                yield from self.split(line)

    def _end(self, text: Text) -> Text:
        self._begun = None
        return text


class _Begun:
    """A text that has begun and not ended yet: its bytes as far as they are known."""

    def __init__(self, line: Line, start: int, skip: int, extent: Extent | None) -> None:
        self._line = line.number
        self._offset = line.start + start
        self._indent = len(line.raw) - len(line.raw.lstrip(b" \t"))
        self._extent = extent
        # What stands before it on its line; with that it is told where it is no JSON.
        self._skip = skip
        self._raw = bytearray()
        self._size = self._line_end = 0
        self._digest: _Hash | None = None

    @property
    def is_broken(self) -> bool:
        """Tell whether it is no JSON."""
        return self._extent is None or self._extent.is_broken

    @property
    def is_large(self) -> bool:
        """Tell whether it is beyond the limit."""
        return self._digest is not None

    def open(self) -> frozenset[int]:
        """Return where the brackets stand in the log that are open."""
        begin = self._offset + self._skip
        return frozenset(begin + one for one in self._extent.open) if self._extent else frozenset()

    def follow(self, piece: bytes, start: int = 0) -> int | None:
        """Return the offset behind its end in this piece; None where it has none."""
        return self._extent.follow(piece, start) if self._extent else None

    def add(self, piece: bytes) -> None:
        """Add bytes, of which no more are kept than are needed."""
        self._size += len(piece)
        self._line_end = len(piece) - len(piece.rstrip(b"\r\n"))
        if self._digest is not None:
            self._digest.update(piece)
            return
        self._raw += piece
        if self._size - self._skip - self._line_end > MAX_BYTES:
            del self._raw[: self._skip]
            self._size -= self._skip
            self._digest = hashlib.sha256(self._raw)
            del self._raw[MAX_BYTES:]

    def value(self) -> Text:
        """Return the text, when it has ended as JSON does."""
        return self._text(bytes(self._raw[0 if self._digest else self._skip :]))

    def text(self, end: int | None = None) -> Text:
        """Return the text, when it is no JSON, as far as here."""
        raw = bytes(self._raw[:end])
        return self._text(raw if self._digest else raw.strip())

    def _text(self, raw: bytes) -> Text:
        if self._digest is not None:
            size = self._size - self._line_end
            return Text(raw, self._line, size=size, digest=self._digest.digest())
        if len(raw) > MAX_BYTES:  # with what stands before it
            digest = hashlib.sha256(raw).digest()
            return Text(raw[:MAX_BYTES], self._line, size=len(raw), digest=digest)
        return Text(raw, self._line)

    def is_ended_with(self, line: Line) -> bool:
        """Return whether it ends with this line, being no JSON."""
        if not line.is_ended or self._extent is None:
            return line.is_ended
        is_cut = self._extent.stops_in_string and line.number == self._line
        return self.is_broken and (is_cut or self._extent.depth <= 0)

    def is_ended_by(self, line: Line) -> bool:
        """Return whether this line, which comes next, begins another text instead."""
        beginning = _BEGINNING.match(line.raw) if line.is_first else None
        return beginning is not None and len(beginning[1]) <= self._indent

    def beginning(self) -> int | None:
        """Return where the first of its later lines stands that may begin another text instead."""
        if self._digest is None:
            for match in _BEGINNING.finditer(bytes(self._raw)):
                if match.start() > 0 and len(match[1]) <= self._indent:
                    return match.start()
        return None

    def lines(self, start: int) -> Iterator[Line]:
        """Yield its lines from here on."""
        first = self._line + self._raw.count(b"\n", 0, start)
        offset = self._offset + start
        for number, raw in enumerate(BytesIO(self._raw[start:]), first):
            offset += len(raw)
            yield Line(raw, number, offset)


def _begin(raw: bytes, start: int) -> int:
    """Return the offset where the next text of a line begins, behind what belongs to none.

    The bracket of an array belongs to none when the array ends in another line, or not at all.
    """
    begin = _end_of(_BETWEEN, raw, start)
    if raw.startswith(b"[", begin) and end_of(raw, begin) is None:
        begin = _end_of(_BETWEEN, raw, begin + 1)
    return begin


def _end_of(pattern: re.Pattern[bytes], raw: bytes, start: int) -> int:
    match = pattern.match(raw, start)
    return match.end() if match else start
