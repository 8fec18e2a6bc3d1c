"""Times are RFC 3339, kept in UTC to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle import TimeFormatError, format_time, parse_time
from lifecycle.store import as_micros


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01t10:00:00z", "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00.5Z", "2026-03-01T10:00:00.500Z"),
        ("2026-03-01T10:00:00.123456789Z", "2026-03-01T10:00:00.123456Z"),
        ("2026-03-01T10:00:00+0000", "2026-03-01T10:00:00Z"),
        ("2026-03-01T10:00:00-05:00", "2026-03-01T15:00:00Z"),
        ("2026-03-01T10:00:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01", "2026-03-01T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_text_names_a_moment(text, same):
    assert format_time(parse_time(text).micros) == same


@pytest.mark.parametrize(
    ("text", "has_offset"),
    [("2026-03-01T10:00:00Z", True), ("2026-03-01T10:00:00", False), ("2026-03-01", False)],
)
def test_it_is_known_whether_an_offset_was_stated(text, has_offset):
    assert parse_time(text).has_offset is has_offset


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-02-30",
        "2026-03-01T25:00:00Z",
        "2026-03-01T10:00:00.1234567890Z",
        "20260301T100000Z",
        "2026-W10-1",
        "0001-01-01T00:00:00+14:00",
        "2026-03-01T10:00Z",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-03-01",
        "2026-03-01T10:00:00+99:00",
        "2026-03-01\n",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:00+00:99",
        "2026-03-01T10:00:00 ",
    ],
)
def test_other_texts_name_none(text):
    with pytest.raises(TimeFormatError):
        parse_time(text)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])))
def test_a_moment_survives_its_text(moment):
    try:
        micros = as_micros(moment)
    except (TimeFormatError, OverflowError):
        assert moment.year in (1, 9999)
        return
    assert parse_time(format_time(micros)).micros == micros == as_micros(moment.isoformat())


def test_a_datetime_needs_an_offset():
    with pytest.raises(TimeFormatError, match="with an offset"):
        as_micros(datetime(2026, 3, 1))  # noqa: DTZ001
