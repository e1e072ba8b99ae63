"""Names, addresses, numbers and dates out of free text, before it is stored.

Rules alone, since a note in NDJSON is read apart from its Patient. What is found is replaced by
its kind: `[NAME]`, `[ADDRESS]`, `[PHONE]`, `[ID]`, `[URL]` (e-mail too), `[DATE]`; of a date the
year stays where it is written in full, `[DATE 2008]`, as Safe Harbor allows. Dates are not shifted:
`events.time` keeps its day, which would give the shift away.

What marks a name is in `transforms.fhir.scrub_people`. Every repetition is bounded, so that time
grows linearly with the text. Recall and precision: docs/RESULTS.md.

Source: 45 CFR 164.514(b)(2), https://www.ecfr.gov/current/title-45/section-164.514
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from transforms.fhir.scrub_people import find_names

NAME, ADDRESS, PHONE, ID, URL, DATE = "NAME", "ADDRESS", "PHONE", "ID", "URL", "DATE"

LONGEST = 6
"""A scrubbed text is at most this many times as long: one letter may become `[NAME]`."""


class Span(NamedTuple):
    """`text[begin:end]` is an identifier of this kind."""

    begin: int
    end: int
    kind: str


def scrub(text: str) -> str:
    """Text -> the same with its identifiers replaced by their kind.

    >>> scrub("Mrs. Jones, MRN 1234567, was seen 6/4/2008; call (555) 010-1234. BP 120/80.")
    'Mrs. [NAME], MRN [ID], was seen [DATE 2008]; call [PHONE]. BP 120/80.'
    """
    parts, done = [], 0
    for begin, end, kind in find_identifiers(text):
        parts += [text[done:begin], _replacement(text[begin:end], kind)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def find_identifiers(text: str) -> list[Span]:
    """The identifiers of a text in order; those that overlap are one, of the first one's kind."""
    found: list[Span] = []
    for span in sorted(_candidates(text), key=lambda span: (span.begin, -span.end)):
        if found and span.begin < found[-1].end:
            first = found[-1]
            found[-1] = first._replace(end=max(first.end, span.end))
        else:
            found.append(span)
    return found


def _replacement(original: str, kind: str) -> str:
    year = _YEAR.search(original) if kind == DATE else None
    return f"[{kind} {year[0]}]" if year else f"[{kind}]"


_YEAR = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])|(?<![0-9])(?:19|20)[0-9]{2}(?=[0-9]{4}$)")

_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.?)"
)
_DAY = r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"""
    (?=[0-9JFMASONDjfmasond])(?:
      (?<![\w.-])(?:19|20)[0-9]{{2}}[-/.](?:0?[1-9]|1[0-2])[-/.](?:3[01]|[12][0-9]|0?[1-9])(?![0-9])
    | (?<![\w./-])(?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![\w.])
    | (?<![\w./-])(?:3[01]|[12][0-9]|0?[1-9])(?P<mark>[/.-])(?:3[01]|[12][0-9]|0?[1-9])(?P=mark)
      (?:(?:19|20)[0-9]{{2}}|[0-9]{{2}})(?![0-9]|[/-][0-9])
    | (?<!\w)(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{{2}}(?![\w/])
    | (?<!\w){_MONTH}[ ,-]{{0,2}}{_DAY}(?:[ ]{{0,2}}[,-]?\s{{0,2}}(?:19|20)[0-9]{{2}})?
      (?![\w/%]|\.[0-9])
    | (?<![\w./]){_DAY}(?:[ ]{{1,2}}|-)(?:of[ ]{{1,2}})?{_MONTH}
      (?:[ ]{{0,2}}[,-]?\s{{0,2}}(?:(?:19|20)[0-9]{{2}}|(?<=-)[0-9]{{2}}))?(?!\w)
    | (?<!\w){_MONTH},?[ ]{{1,2}}(?:of[ ]{{1,2}})?(?:19|20)[0-9]{{2}}(?!\w)
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DAY_OF_YEAR = re.compile(
    r"""
    (?:on|since|dated?|until|till|from|after|before|by|visit|seen|due|return
      |through)\b:?[ ]{1,2}
    (?P<span>(?:1[0-2]|0?[1-9])/(?:3[01]|[12][0-9]|0?[1-9])
      (?:[ ](?:to|and|-|through|until)[ ](?:1[0-2]|0?[1-9])/(?:3[01]|[12][0-9]|0?[1-9]))?
    )(?![\w/%]|[.-][0-9])
    (?![ ](?:strength|dose|tabs?|tablets?|systolic|murmur|power|pain|reflex|motor|in\b|mg|ml|cm))
    """,
    re.VERBOSE | re.IGNORECASE,
)

_NUMBER_NAME = r"""
    (?:(?:med(?:ical)?[ .]{0,2}rec(?:ord)?s?|patient|hosp(?:ital)?|chart|account|acct|policy
      |member|insurance|group|subscriber|medicare|medicaid|license|licence|accession|specimen|case
      |record|encounter|visit|passport|social[ ]security|unit|serial|claim|certificate|device
      |unique)[ .]{0,2}(?:(?:id|number|num|nbr|no)\b\.?|\#)
    |mrn?\#?|ssn|dea|npi|vin|pid|id|specimen|chart|accession|account|acct|medical[ ]record)
"""
_ID = re.compile(
    rf"""
      (?<!\w){_NUMBER_NAME}[ ]{{0,2}}(?:\#|number|no\.?|is)?[ ]{{0,2}}[:\#=]?[ ]{{0,6}}
      (?P<span>(?=[A-Z-]{{0,8}}[0-9])[A-Z0-9](?:[A-Z0-9]|-(?=[A-Z0-9])){{3,24}})(?!\w)
    | (?<![\w.-])(?P<ssn>[0-9]{{3}}-[0-9]{{2}}-[0-9]{{4}})(?![\w-])
    | (?<![\w.,/$-])(?P<long>[0-9]{{7,20}})(?![\w%]|[.,/][0-9])
    | (?<![\w.-])(?P<ip>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}})(?![\w.-])
    """,
    re.VERBOSE | re.IGNORECASE,
)

_PHONE = re.compile(
    r"""
      (?<![\w.-])(?:\+?1[ .-]{1,2})?(?:\([0-9]{3}\)[ .-]{0,2}|[0-9]{3}[ .-])
      [0-9]{3}[ .-][0-9]{4}(?![\w-]|\.[0-9])
      (?:[ ]{0,2},?[ ]{0,2}(?:x|ext\.?|extension)[ ]{0,2}[0-9]{1,6}(?![0-9]))?
    | (?<!\w)\+(?=(?:[ ().-]{0,3}[0-9]){8})[0-9]{1,3}(?:[ .-]{0,2}\(?[0-9]{1,4}\)?){2,6}(?!\w)
    | (?<![\w.,/-])[0-9]{3}-[0-9]{4}(?![\w/-]|\.[0-9]|[ ](?:mg|ml|mcg|units?|cal|k?cal)\b)
    """,
    re.VERBOSE,
)
_EXTENSION = re.compile(
    r"\b(?:phone|telephone|tel|fax|cell|mobile|pager|beeper|ext|extension)\b[ .:#]{1,4}"
    r"(?:number[ ]|is[ ]|no\.?[ ]|at[ ]|[#])?(?P<span>(?:[0-9][ -]?){3,15}[0-9])(?![\w/]|[.][0-9])",
    re.IGNORECASE,
)

_URL = re.compile(
    r"(?<!\w)(?:https?://|ftp://|www\.)[^\s<>\")]{0,300}[^\s<>\").,;:!?]", re.IGNORECASE
)
_EMAIL = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")

_STREET = (
    r"(?:Street|Avenue|Road|Boulevard|Drive|Lane|Court|Way|Place|Terrace|Circle|Parkway|Highway"
    r"|Square|Trail|Plaza|Route|Pike|Turnpike|Loop|St|Ave|Av|Rd|Blvd|Dr|Ln|Ct|Pl|Ter|Cir|Pkwy|Hwy|Sq)"
)
_SHOUTED = r"(?:STREET|AVENUE|ROAD|BOULEVARD|DRIVE|LANE|COURT|HIGHWAY|ST|AVE|RD|BLVD|DR|LN)"
_WORD = r"[A-Z][\w'.-]{0,20}"
_STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI"
    r"|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
)
_ADDRESS = re.compile(
    rf"""
      (?<![\w./-])[0-9]{{1,6}}[A-Z]?[ ](?:
        (?:(?:[A-Z][\w'-]{{1,20}}|[A-Z]\.?|St\.|[0-9]{{1,3}}(?:st|nd|rd|th))[ ]){{1,4}}?{_STREET}
      | (?:(?:[A-Z][A-Z'-]{{0,20}}|[NSEW]\.|[0-9]{{1,3}}(?:ST|ND|RD|TH))[ ]){{1,4}}?{_SHOUTED}
      )(?!\w)\.?(?:[ ][0-9]{{1,4}}(?![\w/]))?
      (?:,?[ ](?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|\#)\.?[ ]?\#?[\w-]{{1,6}})?
    | (?<![\w./-])[0-9]{{1,6}}[ ](?!(?:the|a|on|of|in|my|this|that|his|her)[ ])[a-z]{{3,20}}[ ]
      (?:street|avenue|boulevard|road|st|ave|rd|blvd)(?!\w)
    | (?<!\w)(?:P\.?[ ]?O\.?|Post[ ]Office)[ ]Box[ ][0-9]{{1,8}}
    """,
    re.VERBOSE,
)
_TOWN_BEFORE = re.compile(
    rf"(?:(?<![\w.])(?:{_WORD}[ ]){{0,2}}{_WORD},?[ ]|(?<!\w)){_STATE},?[ ]{{1,2}}\Z"
)
_PLUS_FOUR = re.compile(r"-[0-9]{4}(?!\w)")
_ZIP_DIGITS = 5
_TOWN = re.compile(
    r"(?<!\w)(?:[Ll]ives?|[Ll]iving|[Rr]esid(?:es?|ing)|[Rr]esident|[Bb]orn|[Rr]aised|[Mm]oved|[Hh]ails)"
    r"[ ](?:here[ ])?(?:alone[ ])?(?:in|from|of|to|near|at)[ ]"
    r"(?P<span>(?!The\b|Hospital)[A-Z][a-z][\w.'-]{0,20}(?:[ ][A-Z][\w.'-]{1,20}){0,2})"
)
_ZIP = re.compile(r"\bzip(?:[ ]code)?:?[ ](?:is[ ])?(?P<span>[0-9]{5}(?:-[0-9]{4})?)(?!\w)", re.I)

_MONTH_WORDS = """
    january february march april may june july august september october november december jan
    feb mar apr jun jul aug sep sept oct nov dec
"""
_DAY_WORDS = """
    on since date dated until till from after before by visit seen due return through
"""
_ID_WORDS = """
    med medical patient hosp hospital chart account acct policy member insurance group
    subscriber medicare medicaid license licence accession specimen case record encounter visit
    passport social unit serial claim certificate device unique mr mrn ssn dea npi vin pid
    id
"""
_EXTENSION_WORDS = """
    phone telephone tel fax cell mobile pager beeper ext extension
"""
_TOWN_WORDS = """
    live lives living reside resides residing resident born raised moved hails
"""

Rule = tuple[str, re.Pattern[str]]
_BY_WORD: dict[str, list[Rule]] = {}
for _words, _rule in (
    (_MONTH_WORDS, (DATE, _DATE)),
    (_DAY_WORDS, (DATE, _DAY_OF_YEAR)),
    (_ID_WORDS, (ID, _ID)),
    (_EXTENSION_WORDS, (PHONE, _EXTENSION)),
    (_TOWN_WORDS, (ADDRESS, _TOWN)),
    ("p po post", (ADDRESS, _ADDRESS)),
    ("zip", (ADDRESS, _ZIP)),
    ("http https ftp www", (URL, _URL)),
):
    for _word in _words.split():
        _BY_WORD.setdefault(_word, []).append(_rule)

_BY_DIGIT = ((ADDRESS, _ADDRESS), (DATE, _DATE), (ID, _ID), (PHONE, _PHONE))
_WORD_OR_NUMBER = re.compile(r"\w{1,64}")
_LONGEST_TOWN = 70


def _candidates(text: str) -> Iterator[Span]:
    """One walk over the words; each is looked at by the rules of what may begin with it."""
    for word in _WORD_OR_NUMBER.finditer(text):
        begin = word.start()
        if "0" <= text[begin] <= "9":
            yield from _from_digit(text, begin, word.end())
        for kind, pattern in _BY_WORD.get(word[0].lower(), ()):
            match = pattern.match(text, begin)
            if match:
                yield Span(*match.span(_part(match)), kind)
    if "@" in text:
        for match in _EMAIL.finditer(text):
            yield Span(*match.span(), URL)
    for begin, end in find_names(text):
        yield Span(begin, end, NAME)


def _from_digit(text: str, begin: int, end: int) -> Iterator[Span]:
    """What begins with this digit, or with the bracket or plus before it."""
    for kind, pattern in _BY_DIGIT:
        match = pattern.match(text, begin)
        if match:
            yield Span(*match.span(_part(match)), kind)
    if begin and text[begin - 1] in "(+":
        match = _PHONE.match(text, begin - 1)
        if match:
            yield Span(*match.span(), PHONE)
    if end - begin == _ZIP_DIGITS:
        match = _TOWN_BEFORE.search(text, max(0, begin - _LONGEST_TOWN), begin)
        if match:
            after = _PLUS_FOUR.match(text, end)
            yield Span(match.start(), after.end() if after else end, ADDRESS)


def _part(match: re.Match[str]) -> str | int:
    """The group that is the identifier, where not all that matched is."""
    return next((name for name in _PARTS if name in match.re.groupindex and match[name]), 0)


_PARTS = ("span", "ssn", "long", "ip")
