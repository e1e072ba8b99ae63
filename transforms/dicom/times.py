"""DICOM dates and times -> microseconds since 1970, UTC.

What is known to the day, hour or minute only counts as that period's last microsecond, so
that nothing is seen before it was known. Seconds without a fraction count as they stand.

Source: DICOM PS3.5 table 6.2-1 (DA, TM, DT), PS3.3 C.12.1.1.8 (Timezone Offset From UTC)
"""

import calendar
import datetime
import re

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()

_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")  # with dots: ACR-NEMA
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(\.\d{1,6})?)?)?")  # with colons: ACR-NEMA
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?))?)?)?([+-]\d{4})?"
)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})")


def parse_offset(text: str) -> int | None:
    """`+0100` -> seconds east of UTC; None, when it is no offset.

    >>> parse_offset("+0100"), parse_offset("-0530"), parse_offset("CET")
    (3600, -19800, None)
    """
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[2]) * 3600 + int(match[3]) * 60
    seconds = -seconds if match[1] == "-" else seconds
    return seconds if int(match[3]) < 60 and -12 * 3600 <= seconds <= 14 * 3600 else None


def parse_date_time(text: str, *, offset_s: int) -> int | None:
    """DT -> microseconds UTC; None, when it is no date and time.

    An offset in the value itself goes before `offset_s`.

    >>> parse_date_time("19700102", offset_s=0) == 2 * DAY_US - 1
    True
    >>> parse_date_time("19700101010000.5+0100", offset_s=0)
    500000
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, time, offset = match.groups()
    if offset is not None:
        own_offset = parse_offset(offset)
        if own_offset is None:
            return None
        offset_s = own_offset
    last_month = int(month or 12)
    if not 1 <= last_month <= 12 or int(year) == 0:
        return None
    last_day = int(day or calendar.monthrange(int(year), last_month)[1])
    start = _start_of_day(int(year), last_month, last_day)
    if start is None:
        return None
    within = DAY_US - 1 if time is None else _within_day(time)
    return None if within is None else start + within - offset_s * SECOND_US


def parse_date_and_time(date: str, time: str, *, offset_s: int) -> int | None:
    """DA and TM -> microseconds UTC; without a readable time, the end of the day.

    None, when the date cannot be read.

    >>> parse_date_and_time("19700101", "0130", offset_s=0)
    5459999999
    """
    match = _DATE.fullmatch(date)
    start = None if match is None else _start_of_day(*map(int, match.groups()))
    if start is None:
        return None
    within = _within_day(time)
    return start + (DAY_US - 1 if within is None else within) - offset_s * SECOND_US


def _start_of_day(year: int, month: int, day: int) -> int | None:
    try:
        ordinal = datetime.date(year, month, day).toordinal()
    except ValueError:
        return None
    return (ordinal - _EPOCH_DAY) * DAY_US


def _within_day(time: str) -> int | None:
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    # 60 is a leap second; it counts as the next minute's first.
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    start = (int(hour) * 3600 + int(minute or 0) * 60 + int(second or 0)) * SECOND_US
    if minute is None:
        return start + 3600 * SECOND_US - 1
    if second is None:
        return start + 60 * SECOND_US - 1
    return start + (int(fraction[1:].ljust(6, "0")) if fraction else 0)
