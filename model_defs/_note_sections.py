"""A note -> sections with headings -> sentences, by character offsets.

Offsets are those of a Python str: `text[begin:end]`. Sections follow each other without gap from
the first character to the last. A section is its heading, which may be empty, and a body, whose
sentences stand in order, apart, without white space around them. What lies between sentences is
white space.

A heading is a line `# Like this`, a line in CAPITALS, `CAPITALS:` at the start of a line or after
a full stop, or a heading that KINDS knows, in any spelling, with a colon, at the start of a line.
Names of measurements (`BP:`) are none: they belong to their value.

Time is linear in the length of the text: every repetition in a pattern is bounded.
"""

import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

from model_defs._note_measures import NAMES

KINDS: dict[str, str] = {
    "medication": r"medications?|meds|prescriptions?|drugs",
    "history": (
        r"history|[a-z]{0,3}hx|hpi|pmh|psh|complaints?|cc|subjective|systems|ros|allerg\w{1,20}|reason"
        r"|indications?|habits|risk factors|course|symptoms|s"
    ),
    "plan": r"plans?|recommendations?|disposition|follow[ -]?up|instructions|p",
    "assessment": r"impressions?|assessment|diagnos[ie]s|diagnosis|conclusions?|problems|a",
    "findings": (
        r"findings|labs?|laboratory|results?|imaging|x-?rays?|radiograph\w{0,20}|radiology|ct|mri|ekg"
        r"|ecg|echo\w{0,20}|doppler|ultrasound|data|studies|study|pathology|interpretation"
        r"|hemodynamics?|angiogra\w{1,20}|ventriculogra\w{1,20}|arter(?:y|ies)"
    ),
    "procedure": (
        r"procedures?|operations?|operative|technique|an[a]?esthesia|complications|blood loss|ebl"
        r"|drains?|specimens?|tourniquet|implants?|counts|surgery|surgeon|description|fluids|details?"
    ),
    "examination": r"exam\w{0,20}|physical|vitals?|vital signs|objective|appearance|o",
}
"""Kind of section -> words of its headings, lower case; the first kind that fits decides."""

ORGANS = (
    r"general|constitutional|heent|head|eyes?|ears?|nose|mouth|throat|ent|neck|chest|breasts?|lungs?"
    r"|heart|cardiac|cardiovascular|cv|respiratory|pulmonary|abdomen|gastrointestinal|gi|back|spine"
    r"|extremit(?:y|ies)|musculoskeletal|skin|dermatologic|neuro\w{0,20}|cns|cn|cranial nerves|ms"
    r"|motor|sensory|reflexes|gait|station|coord\w{0,20}|mental status|psych\w{0,20}|genitourinary"
    r"|gu|genitalia|rectal|pelvic|endocrine|hematologic|lymph\w{0,20}|allergic"
)
"""Headings of parts of an examination or of a review of systems, whichever they stand under."""

_KIND = {kind: re.compile(rf"\b(?:{words})\b") for kind, words in KINDS.items()}
_ORGAN = re.compile(rf"\b(?:{ORGANS})\b")
_MIXED = re.compile(r"\b(?:assessment|impressions?)\b.{0,12}\b(?:plans?|recommendations?)\b")

_CAPITAL = "A-ZÀ-ÖØ-Þ"
_HEADING = re.compile(
    rf"""
      ^[ \t]{{0,20}}\#{{1,6}}[ \t]{{1,9}}(?P<hashed>[^\n]{{1,80}})$
    | ^[ \t]{{0,20}}(?P<line>[{_CAPITAL}][{_CAPITAL}0-9 /&'(),.-]{{2,60}})[ \t]{{0,9}}$
    | (?<![^\W_])(?P<capitals>[{_CAPITAL}][{_CAPITAL}0-9 /&'()#.-]{{0,60}})[ \t]{{0,3}}:
    | ^[ \t]{{0,20}}
      (?P<known>[{_CAPITAL}][^\W\d_]{{0,20}}(?:[ /&-]{{1,3}}[^\W\d_]{{1,20}}){{0,4}})
      [ \t]{{0,3}}:
    """,
    re.MULTILINE | re.VERBOSE,
)
_BREAK = re.compile(r"[.!?]{1,3}[\"')\]’”]{0,2}(?=\s)|[。！？]|\n")  # noqa: RUF001
_NEXT = re.compile(
    r"[^\S\n]{0,40}(?P<lines>\n?)\s{0,40}(?P<item>[-*•]\s|\d{1,2}[.)]\s)?(?P<first>\S?)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:dr|drs|mr|mrs|ms|st|vs|no|fig|approx|e\.g|i\.e|etc|inc|jr|sr|pt|resp|ca|cf)"
    r"|\b[A-Z]|(?:^|\n)\s{0,9}\d{1,2})\.$",
    re.IGNORECASE,
)
_LOOK_BACK = 14


class Sentence(NamedTuple):
    """Where a sentence stands: `text[begin:end]`."""

    begin: int
    end: int


class Section(NamedTuple):
    """A part of a note: `text[begin:end]`, its heading in words, and its sentences.

    `body` is where the text after the heading begins. `kind` is one of KINDS or "", where the
    heading says none.
    """

    begin: int
    body: int
    end: int
    heading: str
    kind: str
    sentences: tuple[Sentence, ...]


def split_note(text: str) -> list[Section]:
    """Any text -> its sections, in order; none for an empty text.

    >>> found = split_note("PLAN: Rest. Drink. EXAM: Well.")
    >>> [(section.heading, section.kind, len(section.sentences)) for section in found]
    [('PLAN', 'plan', 2), ('EXAM', 'examination', 1)]
    """
    headings = list(find_headings(text))
    starts = [(0, 0, "")] if not headings or headings[0][0] > 0 else []
    starts += headings
    ends = [begin for begin, _, _ in starts[1:]] + [len(text)]
    sections = []
    above = ""
    for (begin, body, heading), end in zip(starts, ends, strict=True):
        kind, above = kind_of(heading, above)
        sentences = tuple(find_sentences(text, body, end))
        sections.append(Section(begin, body, end, heading, kind, sentences))
    return sections if text else []


def find_headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Text -> begin of the heading, where its body begins, and its words, in order."""
    for match in _HEADING.finditer(text):
        form = match.lastgroup or ""
        words = match[form].strip(" .,-\t")
        begin = match.start(form) if form == "capitals" else match.start()
        if _is_heading(text, begin, match.end(), form, words):
            yield begin, match.end(), words


def _is_heading(text: str, begin: int, end: int, form: str, words: str) -> bool:
    if form == "hashed":
        return bool(words)
    starts_line = begin == 0 or text[max(0, begin - 3) : begin].rstrip(" \t").endswith("\n")
    if len(words) == 1:
        # Subjective, objective, assessment, plan; but `P: 84` is a pulse.
        return starts_line and words in "SOAP" and not text[end : end + 3].strip()[:1].isdigit()
    if words.lower() in NAMES:
        return False
    letters = sum(c.isalpha() for c in words)
    if form == "known":
        return bool(kind_of(words, "")[0])
    if form == "line":
        return letters >= 4
    before = text[max(0, begin - 3) : begin].rstrip(" \t")
    return letters >= 2 and (starts_line or before.endswith((".", ",", ";", ":", "!", "?")))


def kind_of(heading: str, above: str) -> tuple[str, str]:
    """A heading and the kind above it -> its kind or "", and the kind for what stands below.

    Parts of the body are examined unless they are asked about or pictured.

    >>> kind_of("PAST SURGICAL HISTORY", ""), kind_of("LUNGS", "history"), kind_of("LUNGS", "plan")
    (('history', 'history'), ('history', 'history'), ('examination', 'examination'))
    """
    return _kind_of(" ".join(heading.lower().split()), above)


@functools.lru_cache(4096)
def _kind_of(words: str, above: str) -> tuple[str, str]:
    if _MIXED.search(words):
        return "", ""
    for kind, pattern in _KIND.items():
        if pattern.search(words):
            return kind, kind
    if _ORGAN.search(words):
        kind = above if above in ("history", "findings") else "examination"
        return kind, kind
    return "", above


def find_sentences(text: str, begin: int, end: int) -> Iterator[Sentence]:
    """The sentences of `text[begin:end]`.

    A sentence ends at a full stop before a capital, a digit or a mark, at an empty line, and at a
    line break unless the line goes on: with a small letter, or with a number that no list begins.
    """
    start = begin
    for match in _BREAK.finditer(text, begin, end):
        if _ends_sentence(text, match, start, end):
            yield from _trimmed(text, start, match.end())
            start = match.end()
    yield from _trimmed(text, start, end)


def _ends_sentence(text: str, match: re.Match[str], start: int, end: int) -> bool:
    following = _NEXT.match(text, match.end(), end)
    first = following["first"] if following else ""
    if match[0] == "\n":
        before = text[max(start, match.start() - _LOOK_BACK) : match.start()].rstrip()
        goes_on = first.islower() or (first.isdigit() and bool(before))
        ends = not before or before[-1] in ".:;!?。！？"  # noqa: RUF001 - full-width marks
        return ends or not goes_on or bool(following and (following["lines"] or following["item"]))
    if match[0] in "。！？":  # noqa: RUF001
        return True
    if first.islower():
        return False
    before = text[max(start, match.start() - _LOOK_BACK) : match.start() + 1]
    return not _ABBREVIATION.search(before)


def _trimmed(text: str, begin: int, end: int) -> Iterator[Sentence]:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    if begin < end:
        yield Sentence(begin, end)
