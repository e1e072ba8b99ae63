"""Names of people in free text: after a title, a label or a relation, before a degree, by name.

A sign (`Dr.`, `Patient:`, `daughter`, `, MD`) makes the capitalised words beside it a name,
listed or not. Without a sign a common given name does: alone, where it is no word otherwise, or
with a surname after it. An eponym (`Kelly clamp`, `Parkinson disease`) is none.
"""

import re
from collections.abc import Callable, Iterator

from transforms.fhir.scrub_names import ANY_FAMILY, ANY_GIVEN, FAMILY, GIVEN

Range = tuple[int, int]

_WORD = r"[A-Z\u00c0-\u00de][^\W\d_]{0,24}(?:['\u2019-][A-Z\u00c0-\u00de][^\W\d_]{0,24})?[0-9]{0,4}"
_TOKEN = re.compile(rf"(?P<initial>[A-Z](?![\w'\u2019])\.?)|(?P<word>{_WORD})(?!\w)")
_LOWER = re.compile(r"[^\W\d_]{2,24}(?:['\u2019-][^\W\d_]{2,24})?(?!\w)")
_PARTICLE = re.compile(
    r"(?:de la|de los|van der|van den|de|del|della|der|di|da|dos|van|von|bin|al|el|le|la)(?= )"
)

_DEGREE = (
    r"(?:M\.?D|D\.?O|Ph\.?D|R\.?N|N\.?P|P\.?A(?:-C)?|A\.?P\.?R\.?N|C\.?R\.?N\.?A|D\.?D\.?S|D\.?P\.?M"
    r"|L\.?P\.?N|F\.?N\.?P|D\.?P\.?T|P\.?T|O\.?T|M\.?S\.?W|L\.?C\.?S\.?W|Pharm\.?D|Psy\.?D|MBBS|MBChB"
    r"|FACC|FACS|BSN|MSN|Esq|Jr|Sr)"
)
_IS_DEGREE = re.compile(rf"{_DEGREE}(?!\w)")
_BEFORE_DEGREE = re.compile(
    rf"(?<!\w)(?P<name>(?:{_WORD}|[A-Z]\.?)(?:[ ](?:{_WORD}|[A-Z]\.?)){{0,3}}),?[ ]\Z"
)
_LONGEST_NAME = 100
_TITLE = re.compile(
    r"(?:(?:[Dd]rs?|[Mm]rs?|[Mm]s|(?i:prof|rev))\.|[Dd]rs?|[Mm]rs?|[Mm]s"
    r"|(?i:prof|professor|rev))[ ]{1,3}(?=[^\W\d_])"
)
_TITLE_OR_SHORT = re.compile(r"(?:DRS?|MRS?|MS)\.?[ ]{1,3}(?=[A-Z])")
_LABEL = re.compile(
    r"(?<!\w)(?:patient(?:'s)?(?:[ ]name)?|name|re|attending(?:[ ]physician)?|resident|surgeon"
    r"|(?:first[ ]|second[ ])?assistant|anesthesiologist|provider|physician|consultant|pcp|author"
    r"|(?:referring|primary[ ]care|ordering|requesting|admitting|consulting|family)[ ](?:physician"
    r"|provider|doctor)|primary[ ]care|radiologist|pathologist|therapist|interpreter|nurse|contact"
    r"|(?:emergency|primary)[ ]contact|next[ ]of[ ]kin|guardian|cc|copy[ ]to|copies[ ]to|from|to"
    r"|(?:dictated|transcribed|signed|electronically[ ]signed|authenticated|reviewed|entered"
    r"|verified|interpreted|read|performed|reported|prepared|examined|ordered)[ ]by)"
    r"[ ]{0,3}:[ ]{0,20}(?:dr\.?[ ])?(?=[A-Z])",
    re.IGNORECASE,
)
_RELATION = re.compile(
    r"\b(?:doctor|nurse|miss|officer|judge|pastor|rabbi|reverend|daughter|son|wife|husband|mother|father|sister|brother|partner|boyfriend|girlfriend"
    r"|fianc\u00e9e?|aunt|uncle|niece|nephew|cousin|grandson|granddaughter|grandmother|grandfather|mom"
    r"|dad|friend|neighbou?r|caregiver|spouse|stepson|stepdaughter|roommate|twin)"
    r"(?:[ ](?:is|was))?,?[ ](?:named[ ]|called[ ])?(?=[A-Z])",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"\b(?:my[ ]name(?:'s|[ ]is)|named|signed[ ]by|dictated[ ]by|authenticated[ ]by|copy[ ]to"
    r"|(?:case|social|care)[ ](?:manager|worker|coordinator))[ ](?=[A-Z])",
    re.IGNORECASE,
)
_BY = re.compile(
    r"\b(?:this[ ]is|it'?s|it[ ]is|i[ ]am|i'?m|with|to|by|per|from|called|hello|hi|dear|ask|tell"
    r"|saw|yours|for)[ ](?=[^\W\d_])",
    re.IGNORECASE,
)
_I_AM_LOWER = re.compile(
    r"\b(?:this[ ]is|my[ ]name[ ]is|i[ ]am|i'?m)[ ](?=[a-z])",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\b(?:sincerely|regards|wishes|thanks|thank[ ]you|cordially|respectfully|best|love|yours|truly"
    r"|cheers|blessings)[,.!]?[ ]?\n\s{0,8}(?=[A-Z])",
    re.IGNORECASE,
)

_NO_NAMES_TEXT = """
    a an and are as at be but by can did do for had has have he her his i if in is it me my no one
    not of on or our she so that the their them then there they this to us was we were what when
    who will with you your yes admission after also allergies all any assessment before blood
    both clinic clinical complains complaint continue daily date denies department diagnosis
    discharge exam examination except female findings follow general he heart history home
    hospital impression left right male mild medical medication medications neck normal note
    office ongoing other past patient patients per physical plan please pain present presented
    procedure prior record referral report reports results review right room see seen service
    she social status surgery surgical time today unknown visit vital ward wing pavilion unit
    center centre building floor street university college street cardiology neurology oncology
    radiology pediatrics psychiatry orthopedics orthopaedics surgery medicine emergency care
    nurse doctor dr mr mrs ms miss md do rn pa np phone tel fax address mrn dob ssn id sex age
    gender race account number call said says told monday tuesday wednesday thursday friday
    saturday sunday january february march april may june july august september october november
    december north south east west new none attending resident consultant assistant anesthesia
    anesthesiologist surgeon physician indications indication technique preoperative
    postoperative operative operation chief family subjective objective laboratory labs
"""
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())
_EPONYM = re.compile(
    r"(?:['\u2019]s)?[ -](?:disease|syndrome|sign|test|maneuver|catheter|clamps?|drain|criteria"
    r"|scale|score|classification|procedure|operation|retractor|forceps|lymphoma|sarcoma|tumou?r|contracture|palsy"
    r"|esophagus|thyroiditis|phenomenon|body|bodies|cyst|fracture|hernia|line|lines|node|murmur"
    r"|reflex|position|incision|stitch|suture|needle|speculum|tube|ward|wing|pavilion|clinic"
    r"|hospital|unit|center|building|virus|stain|cells?|formula|method|technique|ganglion|ring"
    r"|ulcer|pouch|limb|wrap|index|stage|grade|A|B|C|I{1,3})\b",
    re.IGNORECASE,
)
_RUN = re.compile(
    rf"(?<![\w'\u2019])(?:{_WORD}|[A-Z]\.)(?:,?[ ](?:{_WORD}|[A-Z](?![\w'])\.?)(?!\w)){{0,4}}"
)


def find_names(text: str) -> Iterator[Range]:
    """Text -> ranges of names; they may overlap.

    >>> text = "Seen with her son Bjorn."
    >>> [text[begin:end] for begin, end in find_names(text)]
    ['Bjorn']
    """
    listed_until = 0
    for match in _LETTERS.finditer(text):
        begin, word = match.start(), match[0].lower()
        for sign, names in _SIGNS.get(word, ()):
            found = sign.match(text, begin)
            if found:
                yield from names(text, found.end())
        if not text[begin].isupper():
            continue
        if word in _DEGREES and _IS_DEGREE.match(text, begin):
            yield from _before_degree(text, begin)
        if begin >= listed_until and (word in ANY_GIVEN or word in ANY_FAMILY):
            run = _RUN.match(text, begin)
            if run:
                yield from _by_list(text, run)
                listed_until = run.end()


def _plain(word: str) -> str:
    return word.rstrip("0123456789").lower()


def _could_be(word: str) -> bool:
    """Whether a capitalised word may be part of a name that something else shows."""
    return _plain(word) not in _NO_NAMES


def _listed(word: str) -> bool:
    return _plain(word) in ANY_GIVEN or _plain(word) in ANY_FAMILY


def _extent(text: str, begin: int, *, comma: bool = False) -> int:
    """The end of the name that begins here: at most four words of one line; `begin` if none.

    In capitals a further word must be a listed name or an initial; `comma`: `SMITH, JOHN`.
    """
    end = place = begin
    shouted, words = False, 0
    for _ in range(6):
        if not comma and (particle := _PARTICLE.match(text, place)):
            place = particle.end() + 1
            continue
        token = _TOKEN.match(text, place)
        if token is None or words == 4:
            break
        word = token["word"]
        if word and not _could_be(word):
            break
        if word and words > comma and shouted and not _listed(word):
            break
        if word and not words:
            shouted = word.isupper() and len(word) > 1
        words += 1
        end = place = token.end()
        if comma and words == 1 and text.startswith(", ", place):
            place += 2
        elif text.startswith(" ", place):
            place += 1
        else:
            break
    return end


def _after_title(text: str, begin: int) -> Iterator[Range]:
    """The name after `Dr.`; in lower case any one word that is no common one."""
    end = _extent(text, begin)
    if end > begin:
        yield begin, end
        return
    word = _LOWER.match(text, begin)
    if word and word[0].islower() and word[0] not in _NO_NAMES and word[0] not in _AFTER_DR:
        yield word.span()


def _after_title_or_short(text: str, begin: int) -> Iterator[Range]:
    """The name after `DR.` or `MS`, short for something else unless it is listed or shouted too."""
    token = _TOKEN.match(text, begin)
    pointed = "." in text[begin - 4 : begin]
    if token and (_listed(token[0]) or (pointed and token[0].isupper())):
        end = _extent(text, begin)
        if end > begin:
            yield begin, end


def _after_label(text: str, begin: int) -> Iterator[Range]:
    """The name after `Patient:`, and those of the lines under it that are indented."""
    for _ in range(8):
        found = list(_after_sign(text, begin))
        yield from found
        line = _INDENTED.search(text, begin, begin + 2 * _LONGEST_NAME) if found else None
        if line is None or "\n" in text[begin : line.start()]:
            return
        begin = line.end()


def _after_relation(text: str, begin: int) -> Iterator[Range]:
    yield from _after_sign(text, begin, capitals=False)


def _after_sign(text: str, begin: int, *, capitals: bool = True) -> Iterator[Range]:
    token = _TOKEN.match(text, begin)
    if token is None or (not capitals and token[0].isupper() and not _listed(token[0])):
        return
    end = _extent(text, begin, comma=capitals)
    if end > begin and not _EPONYM.match(text, end):
        yield begin, end


def _listed_lower(text: str, begin: int) -> Iterator[Range]:
    match = _LOWER.match(text, begin)
    if match and match[0].islower() and (match[0] in GIVEN or match[0] in FAMILY):
        end = match.end()
        second = _LOWER.match(text, end + 1) if text.startswith(" ", end) else None
        yield begin, second.end() if second and second[0] in FAMILY else end


def _with_initial(text: str, begin: int) -> Iterator[Range]:
    """`with J. Martin`: an initial with its point and a word."""
    token = _TOKEN.match(text, begin)
    if token and token["initial"] and token[0].endswith("."):
        end = _extent(text, begin)
        if end > token.end():
            yield begin, end


def _before_degree(text: str, degree: int) -> Iterator[Range]:
    """The last words before a degree that may be a name."""
    match = _BEFORE_DEGREE.search(text, max(0, degree - _LONGEST_NAME), degree)
    if match is None:
        return
    begin, end = match.span("name")
    words = list(_TOKEN.finditer(text, begin, end))
    kept: list[re.Match[str]] = []
    for word in reversed(words):
        if not _could_be(word[0].rstrip(".")) and word["word"]:
            break
        kept.append(word)
    if kept and any(word["word"] for word in kept):
        yield kept[-1].start(), end


def _by_list(text: str, run: re.Match[str]) -> Iterator[Range]:
    """Given names of the list, with the surname after them where there is one."""
    tokens = list(_TOKEN.finditer(text, *run.span()))
    number = 0
    while number < len(tokens):
        used = _listed_name(text, tokens[number:])
        if used:
            yield tokens[number].start(), tokens[number + used - 1].end()
        number += used or 1


def _listed_name(text: str, tokens: list[re.Match[str]]) -> int:
    """How many tokens of a run, from its first, are a name."""
    first = tokens[0]["word"]
    if first is None:
        return 0
    word, shouted = _plain(first), first.isupper()
    after = 1
    while after < len(tokens) and after < 3 and tokens[after]["initial"]:
        after += 1
    second = tokens[after]["word"] if after < len(tokens) else None
    initial = after > 1 and tokens[1][0].endswith(".")
    comma = after < len(tokens) and text[tokens[after - 1].end()] == ","
    if second is not None and not _EPONYM.match(text, tokens[after].end()):
        family = _plain(second)
        if comma:
            if word in ANY_FAMILY and family in GIVEN and after == 1:
                return 2
        elif word in GIVEN and _could_be(second):
            return after + 1 if not shouted or family in ANY_FAMILY else 1
        elif family in ANY_FAMILY and not shouted and (word in ANY_GIVEN or initial):
            return after + 1
    alone = word in GIVEN and not shouted and len(word) > 2
    return int(alone and not _EPONYM.match(text, tokens[0].end()))


_AFTER_DR_TEXT = """
    about again already appointment asked came called calling could even ever gave gives giving
    just keeps kept know knows last like looked made make makes mentioned never now ordered
    prescribed put recommended refused sent should started still stopped suggested that thinks
    thought tried visits want wanted wants went were which who whom why would wrote
"""
_AFTER_DR = frozenset(_AFTER_DR_TEXT.split())
_INDENTED = re.compile(r"\n[ \t]{2,20}(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]{1,64}")

Names = Callable[[str, int], Iterator[Range]]
_SIGNS: dict[str, list[tuple[re.Pattern[str], Names]]] = {}
"""First word of a sign -> the sign, and what reads the name after it."""
for _first, _sign, _names in (
    ("dr drs mr mrs ms prof professor rev", _TITLE, _after_title),
    ("dr drs mr mrs ms", _TITLE_OR_SHORT, _after_title_or_short),
    (
        "patient name re attending resident surgeon first second assistant anesthesiologist"
        " provider physician consultant pcp author referring primary ordering requesting admitting"
        " consulting family radiologist pathologist therapist interpreter nurse contact emergency"
        " next guardian cc copy copies from to dictated transcribed signed electronically"
        " authenticated reviewed entered verified interpreted read performed reported prepared"
        " examined ordered",
        _LABEL,
        _after_label,
    ),
    (
        "my named signed dictated authenticated copy case social care",
        _NAMED,
        _after_sign,
    ),
    (
        "doctor nurse miss officer judge pastor rabbi reverend daughter son wife husband mother"
        " father sister brother partner boyfriend girlfriend fianc\u00e9 fianc\u00e9e aunt uncle"
        " niece nephew cousin grandson granddaughter grandmother grandfather mom dad friend"
        " neighbor neighbour caregiver spouse stepson stepdaughter roommate twin",
        _RELATION,
        _after_relation,
    ),
    (
        "sincerely regards wishes thanks thank cordially respectfully best love yours truly cheers"
        " blessings",
        _CLOSING,
        _after_relation,
    ),
    (
        "this it its i im with to by per from called hello hi dear ask tell saw yours for",
        _BY,
        _with_initial,
    ),
    ("this my i im", _I_AM_LOWER, _listed_lower),
):
    for _word in _first.split():
        _SIGNS.setdefault(_word, []).append((_sign, _names))
_DEGREES_TEXT = """
    m d do md ph phd r rn n np p pa a aprn c crna dds dpm l lpn f fnp dpt pt o ot msw lcsw pharm
    pharmd psy psyd mbbs mbchb facc facs bsn msn esq jr sr
"""
_DEGREES = frozenset(_DEGREES_TEXT.split())
