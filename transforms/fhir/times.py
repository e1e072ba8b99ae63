"""FHIR dates and times as microseconds since 1970-01-01T00:00:00Z.

A date known only to the day, the month or the year counts as the last microsecond of that
period, so that nothing is seen before it was known; a birth date counts as its start. A time
without zone is taken as UTC. Digits beyond the microsecond are cut.

Source: https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

import calendar
import datetime
import functools
import re

from transforms.fhir.datatypes import Period

_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_FIRST_US = (datetime.date.min.toordinal() - _EPOCH_DAY) * _DAY_US
_LAST_US = (datetime.date.max.toordinal() + 1 - _EPOCH_DAY) * _DAY_US - 1
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - its zone is reckoned apart
# What nearly every instant looks like; anything else, right or wrong, is for the full grammar.
_PLAIN_LENGTHS = frozenset(map(len, ("2020-01-31T12:00:00", "2020-01-31T12:00:00.000")))
_PLAIN_ZONES_US = {
    f"{sign}{hour:02}:00": int(f"{sign}1") * hour * 3600 * _SECOND_US
    for sign in "+-"
    for hour in range(15)
} | {"Z": 0}


# Large enough for the times of one patient, small enough to stay in the processor's cache.
@functools.lru_cache(maxsize=1 << 12)
def last_moment_us(text: str, element: str) -> int:
    """FHIR date, dateTime or instant -> last microsecond of what it names, UTC.

    Raises: ValueError, naming `element` but not the text, when it cannot be read.

    >>> last_moment_us("1970-01-01T00:00:01.5+00:00", "Observation.issued")
    1500000
    >>> last_moment_us("1970-01-01", "Observation.effectiveDateTime")
    86399999999
    """
    return _span_us(text, element)[1]


@functools.lru_cache(maxsize=1 << 12)
def first_moment_us(text: str, element: str) -> int:
    """FHIR date, dateTime or instant -> first microsecond of what it names, UTC.

    Raises: ValueError, naming `element` but not the text, when it cannot be read.

    >>> first_moment_us("1970-01", "Patient.birthDate")
    0
    """
    return _span_us(text, element)[0]


def _span_us(text: str, element: str) -> tuple[int, int]:
    """First and last microsecond, UTC, of the period that the text names."""
    moment = _plain_us(text)
    if moment is not None:
        return moment, moment
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{element}: expected a FHIR date or dateTime")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        first = datetime.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        raise ValueError(f"{element}: no such day in the calendar") from None
    start = (first.toordinal() - _EPOCH_DAY) * _DAY_US
    if hour is None:
        end = start + _days(first, month, day) * _DAY_US - 1
        return start, end
    seconds = _clock_seconds(int(hour), int(minute), int(second), zone, element)
    moment = start + seconds * _SECOND_US + int((fraction or "0")[:6].ljust(6, "0"))
    if not _FIRST_US <= moment <= _LAST_US:
        raise ValueError(f"{element}: outside the years 1 to 9999 in UTC")
    return moment, moment


def _plain_us(text: str) -> int | None:
    """As `_span_us` for most instants, by CPython's own parser; None for all else."""
    zone = "Z" if text.endswith("Z") else text[-6:]
    clock, ahead = text[: -len(zone)], _PLAIN_ZONES_US.get(zone)
    if (
        ahead is None
        or len(clock) not in _PLAIN_LENGTHS
        # The parser also reads weeks, other separators and no separators.
        or not clock[4] == clock[7] == "-"
        or clock[10] != "T"
        or not clock[13] == clock[16] == ":"
        or clock[19:20] not in ("", ".")
    ):
        return None
    try:
        parsed = datetime.datetime.fromisoformat(clock)
    except ValueError:  # no such day or hour, or a leap second
        return None
    if parsed.tzinfo is not None:  # a second zone, within the fraction
        return None
    since = parsed - _EPOCH
    moment = (since.days * 86_400 + since.seconds) * _SECOND_US + since.microseconds - ahead
    return moment if _FIRST_US <= moment <= _LAST_US else None


def _days(first: datetime.date, month: str | None, day: str | None) -> int:
    """Days in the day, month or year that begins on `first`."""
    if day is not None:
        return 1
    if month is None:
        return datetime.date(first.year, 12, 31).toordinal() - first.toordinal() + 1
    return calendar.monthrange(first.year, first.month)[1]


def _clock_seconds(hour: int, minute: int, second: int, zone: str | None, element: str) -> int:
    """Time of day -> seconds since midnight UTC; a leap second counts as the next minute."""
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"{element}: no such time of day")
    seconds = hour * 3600 + minute * 60 + second
    if zone is None or zone == "Z":
        return seconds
    zone_hour, zone_minute = int(zone[1:3]), int(zone[4:6])
    if zone_hour > 14 or zone_minute > 59:
        raise ValueError(f"{element}: no such time zone")
    offset = zone_hour * 3600 + zone_minute * 60
    return seconds + offset if zone[0] == "-" else seconds - offset


def begun_us(date_time: str | None, period: Period | None, element: str) -> int | None:
    """The dateTime, else the start of the period, else its end: for what is known as it begins."""
    if date_time is None and period is not None:
        date_time = period.start or period.end
    return None if date_time is None else last_moment_us(date_time, element)


def ended_us(date_time: str | None, period: Period | None, element: str) -> int | None:
    """The dateTime, else the end of the period, else its start: for what is known as it ends."""
    if date_time is None and period is not None:
        date_time = period.end or period.start
    return None if date_time is None else last_moment_us(date_time, element)


def known_us(clinical: int | None, recorded: str | None, element: str) -> int | None:
    """When a fact was known: its clinical time or, if later, the time it was recorded."""
    if recorded is None:
        return clinical
    moment = last_moment_us(recorded, element)
    return moment if clinical is None or moment > clinical else clinical
