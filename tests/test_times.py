"""Times are RFC 3339, kept in UTC to the microsecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle import ArgumentError, format_time, parse_time
from lifecycle.messages import as_micros
from lifecycle.messages.times import parse_epoch


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
        ("2026-03-01T10:00Z", "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00", "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00:00+00", "2026-03-01T10:00:00Z"),
        ("2026-03-01 10:00:00.5-05", "2026-03-01T15:00:00.500Z"),
        ("2026-03-01 10:00:00 UTC", "2026-03-01T10:00:00Z"),
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
        "٢٠٢٦-03-01",
        "2026-03-01T10:00:00+99:00",
        "2026-03-01\n",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:00+00:99",
        "2026-03-01T10:00:00 ",
    ],
)
def test_other_texts_name_none(text):
    with pytest.raises(ArgumentError):
        parse_time(text)


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5, minutes=-30))])))
def test_a_moment_survives_its_text(moment):
    try:
        micros = as_micros(moment)
    except (ArgumentError, OverflowError):
        assert moment.year in (1, 9999)
        return
    assert parse_time(format_time(micros)).micros == micros == as_micros(moment.isoformat())


def test_a_datetime_needs_an_offset():
    with pytest.raises(ArgumentError, match="with an offset"):
        as_micros(datetime(2026, 3, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00Z",
        "0001-06-30",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01",
        "1970-01-01T00:00:00.999Z",
        "1970-01-01 00:00",
        "1970-01-01T00:00:00-08:00",
        "1900-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:60-12:00",
    ],
)
def test_dates_that_programs_write_for_null_are_none(text):
    assert parse_time(text).is_null


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:01Z", "1989-12-31T23:59:59Z", "1900-01-02", "0002-01-01"]
)
def test_other_dates_before_1990_are_odd(text):
    assert (parse_time(text).is_odd, parse_time(text).is_null) == (True, False)


@pytest.mark.parametrize("text", ["2026-03-01T10:00:00+25:00", "2026-03-01T10:00:00-24:00"])
def test_an_offset_of_a_day_or_more_is_an_error_in_our_words(text):
    with pytest.raises(ArgumentError, match="expected an offset of less than a day"):
        parse_time(text)


EPOCH = 1772359200


@pytest.mark.parametrize(
    ("value", "unit"),
    [(EPOCH, "s"), (EPOCH * 10**3, "ms"), (EPOCH * 10**6, "us"), (EPOCH * 10**9, "ns")],
)
def test_the_unit_of_a_number_since_1970_goes_by_its_size(value, unit):
    for written in (value, float(value), str(value)):
        epoch = parse_epoch(written)
        assert (format_time(epoch.instant.micros), epoch.unit) == ("2026-03-01T10:00:00Z", unit)


def test_zero_is_how_programs_write_null_and_other_numbers_before_1990_are_odd():
    assert parse_epoch(0).instant.is_null
    assert parse_epoch("0").instant.is_null
    assert parse_epoch(631151999).instant.is_odd
    assert not parse_epoch(631152000).instant.is_odd
    assert parse_epoch(-1).instant.is_odd
