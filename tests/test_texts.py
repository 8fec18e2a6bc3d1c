"""The texts of a log: the same for every command, in whatever shape the log is written."""

import io
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from worlds import messages

from lifecycle.messages import Decoded, Ignored, checked, read_message
from lifecycle.messages.parse import canonical
from lifecycle.replay import Log, log, texts

# --- logs in any shape ----------------------------------------------------------------------------

STRINGS = st.text('{}[]",:\\ \n\u00e4', max_size=6)


@st.composite
def remarks(draw):
    """Return a message with strings in it that look like JSON."""
    message = draw(messages())
    message["data"] |= draw(st.fixed_dictionaries({}, optional=dict.fromkeys("xy", STRINGS)))
    return message


BREAKS = st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\r\n"])
INDENTS = st.sampled_from([None, None, 0, 1, 4])


def dumped(value, indent, line_break):
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text.replace("\n", line_break)


def lines(some, indent, line_break):
    return line_break.join(dumped(one, indent, line_break) for one in some)


def in_a_row(some, indent, line_break):
    return "".join(dumped(one, indent, line_break) for one in some)


def spaced(some, indent, line_break):
    return "  ".join(dumped(one, indent, line_break) for one in some)


def element_a_line(some, indent, line_break):
    parts = (dumped(one, indent, line_break) for one in some)
    return f"[{line_break}{f',{line_break}'.join(parts)}{line_break}]"


def brackets_beside(some, indent, line_break):
    return f"[{f' ,{line_break}'.join(dumped(one, indent, line_break) for one in some)} ]"


def comma_first(some, indent, line_break):
    return (
        f"[ {f'{line_break}, '.join(dumped(one, indent, line_break) for one in some)}{line_break}]"
    )


def side_by_side(some, indent, line_break):
    return f"[ {', '.join(dumped(one, indent, line_break) for one in some)}{line_break}]"


def array(some, indent, line_break):
    return dumped(some, indent, line_break)


def page(some, indent, line_break):
    return dumped({"contains": some}, indent, line_break)


SHAPES = [
    lines,
    in_a_row,
    spaced,
    element_a_line,
    comma_first,
    side_by_side,
    brackets_beside,
    array,
    page,
]


@st.composite
def logs(draw, shapes=SHAPES):
    """Messages, and a log with them: in one of these shapes, or first in one, then in others."""
    everything, text = [], draw(st.sampled_from(["", "\ufeff", "\n"]))
    for _ in range(draw(st.integers(1, 3))):
        some = draw(st.lists(remarks(), min_size=1, max_size=4))
        line_break = draw(BREAKS)
        text += draw(st.sampled_from(shapes))(some, draw(INDENTS), line_break)
        text += draw(st.sampled_from([line_break, line_break, ""]))
        everything += some
    return everything, text.encode()


def texts_of(content, offset=0, line=0):
    """Return the texts of a log from here on."""
    opened = Log("a log", io.BufferedReader(io.BytesIO(content)), stream=True)
    opened.seek(offset)
    return list(opened.texts(offset, line))


def said(reading):
    """Return what a message says, without the spaces that it is written with."""
    match reading:
        case Decoded(event=event):
            return event
        case Ignored(topic=topic):
            return topic
        case _:
            return canonical(json.loads(reading.raw)), [one.code for one in reading.problems]


def is_said_by(found, some):
    expected = [reading for one in some for reading in read_message(one, identity=None)]
    assert [said(one) for one in found] == [said(one) for one in expected]


@given(logs())
def test_a_log_says_the_same_in_any_shape(made):
    some, content = made
    is_said_by((one for text in texts_of(content) for one in text.readings()), some)


@given(logs())
def test_validate_finds_the_messages_that_are_read(made):
    some, content = made
    parts = [part.raw for text in texts_of(content) for part in text.parts() if part.raw]
    found = [one.is_valid for part in parts for one in checked(part)]
    assert found == [one.is_valid for message in some for one in checked(message)]


# --- places ---------------------------------------------------------------------------------------

#: Bytes of which JSON is made, and which are often broken.
FRAGMENTS = st.lists(
    st.sampled_from(
        [
            '{"a":',
            "{",
            "}",
            "[",
            "]",
            ",",
            "\n",
            "\r\n",
            " ",
            '"',
            "\\",
            "1",
            "x",
            '{"b":1}',
            "  {",
            '{"c":{"d":[1,"}"]}}',
            "\ufeff",
            "\x01",
            '{"a":1}\n',
            '{"a":\n',
            "[\n",
            ",\n",
        ]
    ),
    max_size=30,
).map(lambda some: "".join(some).encode())
CONTENTS = st.one_of(FRAGMENTS, logs().map(lambda made: made[1]))


def plain(text):
    return text.raw, text.line, text.is_whole, text.size, text.digest


@given(CONTENTS)
def test_every_place_says_the_same_of_what_follows(content):
    found = texts_of(content)
    for number, text in enumerate(found):
        if text.end is not None:
            again = texts_of(content, text.end.offset, text.end.line)
            assert list(map(plain, again)) == list(map(plain, found[number + 1 :]))
            assert content[: text.end.offset].endswith(text.end.tail)
            assert content[: text.end.offset].count(b"\n") == text.end.line


@given(CONTENTS)
@example(b'{"a":1},garbage\n')
@example(b'[{"a":1}, garbage]\n{"b":1}')
def test_nothing_is_lost_but_white_space_commas_and_brackets_between(content):
    position = 0
    for text in texts_of(content):
        begin = content.index(text.raw, position)
        assert re.fullmatch(rb"(?:[\s,\[\]]|\xef\xbb\xbf)*", content[position:begin])
        if text.raw:
            assert content[:begin].count(b"\n") + 1 == text.line
        position = begin + len(text.raw)
    assert re.fullmatch(rb"(?:[\s,\[\]]|\xef\xbb\xbf)*", content[position:])


def texts_within(limit, content):
    """Return the texts of a log, with another limit."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (texts, log):
            patch.setattr(module, "MAX_BYTES", limit)
            patch.setattr(module, "PART", limit + 2)
        return texts_of(content)


@given(CONTENTS, st.integers(8, 40))
def test_no_more_is_kept_of_a_text_than_the_limit(content, limit):
    for text in texts_within(limit, content):
        assert len(text.raw) <= limit
        assert (text.digest is not None) == (text.size > limit)


@given(logs(shapes=SHAPES[:-3]), st.integers(100, 600))
def test_a_text_beyond_the_limit_takes_none_of_the_others_with_it(made, limit):
    _, content = made
    whole = [text for text in texts_of(content) for text in text.parts() if text.raw]
    found = [text for text in texts_within(limit, content) for text in text.parts() if text.raw]
    assert [text.raw for text in found] == [text.raw[:limit] for text in whole]
    assert [text.digest is not None for text in found] == [len(one.raw) > limit for one in whole]
