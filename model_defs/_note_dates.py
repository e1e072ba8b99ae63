"""Dates in a text: ISO (2008-06-04), American (6/4/2008, 06-04-08) and in words (June 4, 2008).

A date that no calendar has is none. Of two numbers the first is the month, unless only the
second can be. Two digits of a year are 1969 to 2068, as POSIX has it. A month without a day is
known to the month. Of a date that was scrubbed when the note was stored, `[DATE 2008]`, the year is
known.
"""

import datetime
import re
from collections.abc import Iterator
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"""
    (?=[\[0-9JFMASONDjfmasond])(?:
      (?<![\d./-])(?P<iso>\d{{4}}-\d{{2}}-\d{{2}})(?!\d|-\d)
    | (?<![\d./-])(?P<us>\d{{1,2}}(?P<mark>[/-])\d{{1,2}}(?P=mark)(?:\d{{4}}|\d{{2}}))(?![\d/]|-\d)
    | (?<!\w)(?P<month_first>{_MONTH}\s{{0,2}}{_DAY}\s{{0,2}}(?:,\s{{0,2}}|\s)\d{{4}})(?!\w)
    | (?<!\w)(?P<day_first>{_DAY}\s{{1,2}}(?:of\s{{1,2}})?{_MONTH}\s{{0,2}},?\s{{0,2}}\d{{4}})(?!\w)
    | (?<!\w)(?P<month>{_MONTH}\s{{1,2}}(?:of\s{{1,2}})?\d{{4}})(?!\w)
    | (?P<year>\[DATE\ \d{{4}}\])
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PART = re.compile(r"\d{1,4}|[a-z]{3,9}", re.IGNORECASE)
_PIVOT = 69


class Date(NamedTuple):
    """`text[begin:end]` names the day `iso`, YYYY-MM-DD, the month, YYYY-MM, or the year."""

    begin: int
    end: int
    iso: str


def find_dates(text: str, begin: int, end: int) -> Iterator[Date]:
    """Dates of `text[begin:end]`, in order, none within another.

    >>> text = "Seen 06/04/08, June 9th, 2008 and in May 2007; 31/02/2008 is none; [DATE 2008]."
    >>> [date.iso for date in find_dates(text, 0, len(text))]
    ['2008-06-04', '2008-06-09', '2007-05', '2008']
    """
    for match in _DATE.finditer(text, begin, end):
        iso = _iso(match)
        if iso:
            yield Date(*match.span(), iso)


def _iso(match: re.Match[str]) -> str:
    """The date as it is stored, "" for what no calendar has."""
    forms = ("iso", "us", "month_first", "day_first", "month", "year")
    form = next(f for f in forms if match[f])
    parts = _PART.findall(match[form])
    if form == "year":
        return str(parts[1])
    orders = {"iso": (0, 1, 2), "us": (2, 0, 1), "month_first": (2, 0, 1), "day_first": (2, 1, 0)}
    try:
        if form == "month":
            first = datetime.date(int(parts[1]), _number(parts[0]), 1)
            return f"{first.year:04d}-{first.month:02d}"
        year, month, day = (parts[place] for place in orders[form])
        numbers = [_year(year), _number(month), int(day)]
        if form == "us" and numbers[1] > len(_MONTHS):
            numbers[1:] = numbers[:0:-1]
        return datetime.date(*numbers).isoformat()
    except ValueError:  # a month spelt with a letter that only looks like one, too
        return ""


def _number(month: str) -> int:
    return int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1


def _year(digits: str) -> int:
    if len(digits) == 4:
        return int(digits)
    return int(digits) + (1900 if int(digits) >= _PIVOT else 2000)
