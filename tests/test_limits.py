"""The limits of design.md section 3 hold for any bytes, the same on every Python."""

import json
from contextlib import suppress

import pytest
from conftest import SEEDS
from hypothesis import given
from hypothesis import strategies as st
from letters import lead

from lifecycle.errors import MessageError
from lifecycle.messages import MAX_BYTES, MAX_DEPTH, Decoded, Ignored, Undecodable, read_message
from lifecycle.messages import parse as parsing
from lifecycle.messages.parse import canonical, parse, parse_message


def code(raw):
    with pytest.raises(MessageError) as caught:
        parse(raw)
    (problem,) = caught.value.problems
    return problem.code


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + closing * depth


def test_a_message_has_at_most_a_mebibyte():
    text = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
    assert len(parse(text)) == MAX_BYTES - 2
    assert code(text + b" ") == "too_large"


def test_it_nests_at_most_64_deep():
    assert parse(nested(MAX_DEPTH)) is not None
    assert code(nested(MAX_DEPTH + 1)) == "too_deep"
    assert code(nested(100_000)) == "too_deep"
    assert code(b'{"a":' * 65 + b"1" + b"}" * 65) == "too_deep"


def test_what_is_refused_is_refused_in_no_time():
    """Quadratic, each of these takes minutes."""
    keys = ",".join(f'"{number}":0' for number in range(60_000))
    assert code(f'{{{keys},"59999":0}}'.encode()) == "duplicate_key"
    unclosed = b"[" * 65 + b'"' + b'\\"[{' * 200_000
    assert code(unclosed) == "too_deep"
    assert code(b"[]" * 65 + b'"' + b'\\"[{' * 200_000) == "not_json"


def test_brackets_in_texts_do_not_nest():
    text = json.dumps(["[{" * 100, '\\"[' * 100]).encode()
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -1])
def test_integers_of_64_bits_are_kept(number):
    assert parse(str(number).encode()) == number


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "1" * 5000, "-" + "9" * 30])
def test_larger_integers_are_refused(text):
    assert code(text.encode()) == "number"


@pytest.mark.parametrize("text", [b"1e999", b"-1e999", b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_are_finite(text):
    assert code(text) == "number"


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":1}', b'{"x":[{"b":1,"c":2,"b":3}]}', b'{"a":1,"\\u0061":2}']
)
def test_a_key_stands_once_in_an_object(text):
    assert code(text) == "duplicate_key"


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'{"\\udc00":1}'])
def test_text_is_valid_utf_8_without_lone_surrogates(text):
    assert code(text) == "not_utf8"


def test_a_pair_of_surrogate_escapes_is_one_character():
    assert parse(b'"\\ud83d\\ude00"') == "\U0001f600"


def test_a_byte_order_mark_is_passed_over():
    assert parse(b"\xef\xbb\xbf[]") == []


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"[1,]", b"{'a':1}", b"[] []", b"\x00"])
def test_what_is_not_json_is_refused(text):
    assert code(text) == "not_json"


values = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_the_canonical_form_means_the_value_and_does_not_depend_on_order(value):
    text = canonical(value)
    assert parse(text) == value
    once = canonical(parse(text))
    assert canonical(parse(once)) == once


@given(st.integers(-(2**53), 2**53), st.sampled_from(["{}.0", "{}.000", "{}e0", "{}0e-1"]))
def test_equal_numbers_are_equal_values_however_they_are_written(number, written):
    text = f'{{"data":[{written.format(number)}]}}'
    assert canonical(parse(text.encode())) == canonical({"data": [number]})


def test_integers_beyond_the_doubles_stay_what_they_are():
    assert canonical(parse(b"[9007199254740993]")) == b"[9007199254740993]"


@given(values)
def test_members_that_are_null_are_absent_from_a_message(value):
    assert parse_message(canonical({"a": value, "b": None})) == parse_message(
        canonical({"a": value})
    )


SEED_TEXTS = [file.read_bytes() for file in sorted(SEEDS.iterdir())]


@st.composite
def mangled(draw):
    """Return an example of the documents with some bytes changed, cut out or put in."""
    text = bytearray(draw(st.sampled_from(SEED_TEXTS)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        text[place : place + cut] = draw(st.binary(max_size=3) | st.sampled_from(SNIPPETS))
    return bytes(text)


SNIPPETS = [b"null", b"[]", b"{}", b"5", b'""', b"1e400", b"\\ud800", b"true", b"}", b'":', b","]


@given(mangled())
def test_any_bytes_are_decoded_ignored_or_kept(raw):
    for reading in read_message(raw):
        assert isinstance(reading, (Decoded, Ignored, Undecodable))
        if isinstance(reading, Undecodable):
            assert reading.problems
            assert all(str(problem) for problem in reading.problems)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["id", "name", "value", "@id", "x"]), inner, max_size=3
            )
        ),
        max_leaves=5,
    ),
    st.sampled_from(["identifier", "object", "owner", "dateSent", "@id"]),
    st.sampled_from(["agent", "recipient", "participant", "reason", "object", "type"]),
)
def test_any_value_anywhere_is_decoded_or_kept(value, part, place):
    message = lead("accept", "10:00", snapshot={part: value})
    message["data"][place] = value if place != "object" else message["data"][place]
    for reading in read_message(message):
        assert isinstance(reading, (Decoded, Undecodable))


AWKWARD = st.sampled_from(
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b"[9223372036854775807]",
        b"[9223372036854775808]",
        b"[18446744073709551615]",
        b"[-9223372036854775809]",
        b"[1e400]",
        b"[-0]",
        b"[-0.0]",
        b"[1.0,1E2,1e-7]",
        b"[NaN]",
        b'["\\ud800"]',
        b'["\\ud83d\\ude00"]',
        b'["\xff"]',
        b'["\x01"]',
        b'{"a" : [1, 2]}',
        b'\xef\xbb\xbf{"a":1}',
        b"",
        b"[" * 65 + b"]" * 65,
        b"[[]" + b",[]" * 80 + b"]",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
WRITTEN = st.builds(
    lambda value, ascii_only, close: json.dumps(
        value, ensure_ascii=ascii_only, separators=(",", ":") if close else None
    ).encode("utf-8", "surrogatepass"),
    VALUES,
    st.booleans(),
    st.booleans(),
)

#: Objects whose keys may stand twice, with white space where it may stand.
SPACED = st.builds(
    lambda pairs, space: (
        "{"
        + ("," + space).join(
            f"{json.dumps(name)}{space}:{space}{json.dumps(value)}" for name, value in pairs
        )
        + "}"
        + space
    ).encode("utf-8", "surrogatepass"),
    st.lists(st.tuples(st.sampled_from(["a", "b", "a b", " "]), VALUES), max_size=4),
    st.sampled_from(["", " ", "\n", "\t ", "\r\n"]),
)


def said(reader, raw):
    try:
        value = reader(raw)
    except MessageError as error:
        return [problem.code for problem in error.problems]
    return value, repr(value)


@given(AWKWARD | WRITTEN | SPACED)
def test_a_text_is_read_fast_only_where_that_makes_no_difference(raw):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing.orjson, "loads", lambda _: 1 / 0)
        patch.setattr(parsing, "suppress", lambda *_: suppress(ArithmeticError))
        warily = said(parse, raw)
    assert said(parse, raw) == warily
