"""A note -> rows: its sentences with their class, and the dates, measurements and medications.

Each row says where in the note it stands, `text[begin:end]`, so that a reader can check it. Items
are looked for within one sentence, so none crosses an end of sentence or a heading. Items never
overlap; where two kinds could be read, a date goes before a medication before a measurement: the
dose of a drug is no measurement of its own.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from model_defs._note_dates import find_dates
from model_defs._note_measures import find_measurements
from model_defs._note_medications import find_medications
from model_defs._note_sections import Section

SENTENCE, DATE, MEASUREMENT, MEDICATION = "sentence", "date", "measurement", "medication"


class Item(NamedTuple):
    """One row of the table `extractions`; see schemas.EXTRACTIONS for the meanings."""

    section: str
    sentence: int
    sentence_class: str | None
    kind: str
    text: str
    value: float | None
    unit: str | None
    code: str | None
    begin: int
    end: int


def items_of(text: str, sections: Sequence[Section], classes: Sequence[str]) -> Iterator[Item]:
    """A note, its sections and the class of each of its first sentences -> its items, in order.

    A sentence past the last of `classes` has none.

    >>> from model_defs._note_sections import split_note
    >>> text = "PLAN: Plavix 75 mg daily from 06/04/08."
    >>> rows = list(items_of(text, split_note(text), ["plan"]))
    >>> [(item.kind, item.text, item.value, item.unit, item.code) for item in rows]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('sentence', 'Plavix 75 mg daily from 06/04/08.', None, None, None),
     ('medication', 'Plavix 75 mg daily', 75.0, 'mg', 'RXNORM//32968'),
     ('date', '06/04/08', None, None, 'ISO8601//2008-06-04')]
    """
    number = 0
    for section in sections:
        for sentence in section.sentences:
            found = classes[number] if number < len(classes) else None
            where = section.heading, number, found
            words = text[sentence.begin : sentence.end]
            yield Item(*where, SENTENCE, words, None, None, None, *sentence)
            for begin, end, kind, value, unit, code in _found_in(text, *sentence):
                yield Item(*where, kind, text[begin:end], value, unit, code, begin, end)
            number += 1


_DIGIT = re.compile(r"\d")
_Found = tuple[int, int, str, float | None, str | None, str | None]


def _found_in(text: str, begin: int, end: int) -> list[_Found]:
    """Begin, end, kind, value, unit and code of the items of one sentence, in order."""
    drugs: list[_Found] = [
        (m.begin, m.end, MEDICATION, m.dose, m.unit or None, m.code or None)
        for m in find_medications(text, begin, end)
    ]
    if not _DIGIT.search(text, begin, end):
        return drugs  # dates and measurements have digits
    dates: list[_Found] = [
        (d.begin, d.end, DATE, None, None, f"ISO8601//{d.iso}")
        for d in find_dates(text, begin, end)
    ]
    values: list[_Found] = [
        (m.begin, m.end, MEASUREMENT, m.value, m.unit or None, m.code or None)
        for m in find_measurements(text, begin, end)
    ]
    return _with_free(_with_free(dates, drugs), values)


def _with_free(taken: list[_Found], more: Sequence[_Found]) -> list[_Found]:
    """Items apart from each other and those of `more` that overlap none of them, in order."""
    if not more or not taken:
        return taken or list(more)
    begins = [begin for begin, *_ in taken]
    free = []
    for item in more:
        place = bisect.bisect_left(begins, item[1])
        if place == 0 or taken[place - 1][1] <= item[0]:
            free.append(item)
    return sorted(taken + free, key=lambda item: item[0])
