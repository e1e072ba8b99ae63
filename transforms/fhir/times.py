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


@functools.lru_cache(maxsize=1 << 16)
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
