import datetime
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fhir import times
from transforms.fhir.datatypes import Period
from transforms.fhir.times import (
    begun_us,
    ended_us,
    first_moment_us,
    known_us,
    last_moment_us,
)

from .builders import last_us, us

EARLY = datetime.datetime.fromisoformat("0002-01-01")
LATE = datetime.datetime.fromisoformat("9998-01-01")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020-02-29", us("2020-02-29"), last_us("2020-02-29")),
        ("2020-02", us("2020-02-01"), last_us("2020-02-29")),
        ("2021-02", us("2021-02-01"), last_us("2021-02-28")),
        ("2020-12", us("2020-12-01"), last_us("2020-12-31")),
        ("2020", us("2020-01-01"), last_us("2020-12-31")),
        ("9999", us("9999-01-01"), last_us("9999-12-31")),
        ("0001", us("0001-01-01"), last_us("0001-12-31")),
    ],
)
def test_partial_date_is_its_whole_period(text: str, first: int, last: int) -> None:
    assert first_moment_us(text, "x") == first
    assert last_moment_us(text, "x") == last


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-03-01T08:00:00Z", us("2020-03-01T08:00:00")),
        ("2020-03-01T08:00:00+02:00", us("2020-03-01T06:00:00")),
        ("2020-03-01T08:00:00-05:30", us("2020-03-01T13:30:00")),
        ("2020-03-01T08:00:00", us("2020-03-01T08:00:00")),
        ("2020-03-01T08:00:00.1Z", us("2020-03-01T08:00:00.100000")),
        ("2020-03-01T08:00:00.123456789Z", us("2020-03-01T08:00:00.123456")),
        ("2016-12-31T23:59:60Z", us("2017-01-01T00:00:00")),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_date_time_is_exact_in_utc(text: str, expected: int) -> None:
    assert last_moment_us(text, "x") == expected
    assert first_moment_us(text, "x") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2020-13-01",
        "2021-02-29",
        "2020-1-1",
        "20200101",
        "2020-01-01T10:00Z",
        "2020-01-01 10:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T10:60:00Z",
        "2020-01-01T10:00:61Z",
        "2020-01-01T10:00:00+15:00",
        "0000",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٠",
        "2020-01-01T10:00:00Z\n",
    ],
)
def test_unreadable_time_names_the_element_and_not_the_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Observation\.issued: ") as caught:
        last_moment_us(text, "Observation.issued")
    assert not text or text not in str(caught.value)


@given(st.datetimes(min_value=EARLY, max_value=LATE), st.integers(-14 * 60, 14 * 60))
def test_date_time_agrees_with_datetime(moment: datetime.datetime, minutes: int) -> None:
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    text = moment.replace(tzinfo=zone).isoformat()
    assert last_moment_us(text, "x") == us(moment.isoformat()) - minutes * 60_000_000


def test_period_begins_and_ends() -> None:
    period = Period("2020-03-01T08:00:00Z", "2020-03-02T08:00:00Z")
    assert begun_us(None, period, "x") == us("2020-03-01T08:00:00")
    assert ended_us(None, period, "x") == us("2020-03-02T08:00:00")
    assert begun_us(None, Period(None, "2020-03-02"), "x") == last_us("2020-03-02")
    assert ended_us(None, Period("2020-03-01", None), "x") == last_us("2020-03-01")
    assert ended_us("2021-01-01", period, "x") == last_us("2021-01-01")
    assert begun_us(None, Period(), "x") is None
    assert ended_us(None, None, "x") is None


def test_known_is_the_later_of_clinical_and_recorded() -> None:
    assert known_us(5, None, "x") == 5
    assert known_us(None, "1970-01-01T00:00:01Z", "x") == 1_000_000
    assert known_us(2_000_000, "1970-01-01T00:00:01Z", "x") == 2_000_000
    assert known_us(1, "1970-01-01T00:00:01Z", "x") == 1_000_000


@settings(max_examples=500)
@given(
    st.sampled_from(
        [
            "2012-05-01T10:11:12-04:00",
            "2012-05-01T10:11:12.345+14:00",
            "2012-02-29T23:59:59Z",
            "2012-12-31T00:00:00.999Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ]
    ),
    st.lists(st.tuples(st.integers(0, 28), st.sampled_from("0123456789-:+TZ., W")), max_size=3),
)
def test_the_short_cut_reads_as_the_grammar_does(text: str, changes: list[tuple[int, str]]) -> None:
    """`_plain_us` may only take what the whole grammar takes, and must read it alike."""
    for place, character in changes:
        text = text[:place] + character + text[place + 1 :]
    plain = times._plain_us(text)
    with mock.patch.object(times, "_plain_us", return_value=None):
        try:
            expected = times._span_us(text, "X")
        except ValueError:
            expected = None
    if plain is None:
        return
    assert expected == (plain, plain)


def test_the_short_cut_takes_the_usual_forms() -> None:
    for text in ("2012-05-01T10:11:12-04:00", "2012-05-01T10:11:12.345Z"):
        assert times._plain_us(text) is not None
