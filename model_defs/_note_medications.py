"""Medications in a text: known names, and unknown ones that stand with a dose and how to take it.

A name is one of INGREDIENTS or BRANDS, or ends as drugs of a class do (SUFFIXES, after the stems
of the INN: https://www.who.int/teams/health-product-and-policy-standards/inn/stembook). Dose,
route and frequency are read where they stand around it: `Plavix 75 mg p.o. daily`, `2 g of Ancef
IV`. Codes are RxNorm's of the ingredient (https://www.nlm.nih.gov/research/umls/rxnorm), where
the table has them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from model_defs._note_drugs import BRANDS, INGREDIENTS

SUFFIXES = (
    *("sartan", "statin", "prazole", "azole", "cillin", "floxacin", "dipine", "formin"),
    *("gliptin", "gliflozin", "xaban", "triptan", "setron", "oxetine", "phylline", "caine"),
    *("zepam", "zolam", "barbital", "thiazide", "lukast", "penem", "dronate", "fibrate"),
    *("glitazone", "olol", "pril", "mycin", "parin", "mab", "tinib", "curium", "cycline"),
    *("vudine", "ciclovir", "cyclovir", "tadine", "tidine", "semide", "solone", "asone"),
)
NO_DRUGS = frozenset({"april", "cocaine"})
_MIN_LETTERS = 6

_WORD = re.compile(r"(?<![^\W_])[A-Za-z][A-Za-z]{2,30}(?:-[A-Za-z]{2,12})?(?![^\W_])")
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,2}|\d{1,6})(?:\.\d{1,4})?|\.\d{1,4}"
_UNIT = (
    r"(?:mcg/kg/min|mg/kg|mcg/kg|mcg/hr?|mg/ml|mg/hr?|mcg|µg|μg|ug|mg|grams?|gms?|g|milligrams?"
    r"|micrograms?|meq|units?|iu|ml|ccs?|puffs?|drops?|gtts?|tablets?|tabs?|capsules?|caps?"
    r"|sprays?|patch(?:es)?|%)(?![A-Za-z0-9])"
)
_FORM = (
    r"(?:xl|xr|er|sr|la|cr|dr|ds|hct|hcl|sodium|hydrochloride|sulfate|succinate|tartrate|plain"
    r"|patch|cream|ointment|inhaler|tablets?|drip)"
)
_ROUTES: dict[str, str] = {
    "oral": r"p\.?o\.?|orally|by mouth|oral",
    "intravenous": r"i\.?v\.?(?:pb)?|intravenous(?:ly)?",
    "intramuscular": r"i\.?m\.?|intramuscular(?:ly)?",
    "subcutaneous": r"s\.?q\.?|sub-?q|s\.?c\.?|subcut\w{0,12}",
    "sublingual": r"s\.?l\.?|sublingual(?:ly)?",
    "rectal": r"p\.?r\.?(?!\.?n)|rectally",
    "topical": r"topical(?:ly)?|transdermal(?:ly)?",
    "inhaled": r"inhaled|by inhaler|nebuli[sz]ed",
    "nasal": r"intranasal(?:ly)?|nasal(?:ly)?",
}
_FREQUENCIES: dict[str, str] = {
    "twice a day": r"b\.?i\.?d\.?|(?:twice|two times|2 times)(?: a| per)? da(?:y|ily)|twice daily",
    "three times a day": r"t\.?i\.?d\.?|(?:three|3) times(?: a| per)? da(?:y|ily)",
    "four times a day": r"q\.?i\.?d\.?|(?:four|4) times(?: a| per)? da(?:y|ily)",
    "every {} hours": (
        r"q\.? ?(?P<hours>\d{1,2}) ?(?:h(?:rs?|ours?)?\b\.?|°)"
        r"|every (?P<hourly>\d{1,2}) ?(?:hours?|hrs?|h)"
    ),
    "at bedtime": r"q\.?h\.?s\.?|h\.?s\.|(?:at|every) (?:bedtime|night)|nightly|q\.? ?p\.?m\.",
    "every other day": r"q\.?o\.?d\.?|every other day",
    "weekly": r"weekly|once a week|every week|q\.? ?week(?:ly)?",
    "once": r"once(?! a| daily| per)|x ?1\b|single dose",
    "daily": (
        r"daily|q\.? ?d(?:ay|aily)?\b\.?|q\.? ?a\.?m\.|every morning"
        r"|(?:once(?: a| per)? |one time a |every |per |a )da(?:y|ily)"
    ),
    "as needed": r"p\.?r\.?n\.?|as needed",
}
_ROUTE = re.compile("|".join(f"(?P<r{i}>{p})" for i, p in enumerate(_ROUTES.values())), re.I)
_FREQUENCY = re.compile(
    "|".join(f"(?P<f{i}>{p})" for i, p in enumerate(_FREQUENCIES.values())), re.I
)
_GAP = re.compile(
    r"[\s,(]{1,3}(?:(?:at|dose|one|two|1|2|given|was|of|then|tablets?|tabs?|capsules?)\s){0,3}"
)
_UP_TO = rf"(?:\s?(?:-|–|/|to)\s?(?:{_NUMBER}))?"  # noqa: RUF001 - as printed
_DOSE_AFTER = re.compile(
    rf"(?:\s{_FORM}(?![A-Za-z]))?[\s,:(]{{1,3}}(?:dose |at |of |to )?"
    rf"(?P<number>{_NUMBER}){_UP_TO}[\s-]{{0,2}}(?P<unit>{_UNIT})(?!\s{{1,9}}of\s)",
    re.IGNORECASE,
)
_DOSE_BEFORE = re.compile(
    rf"(?<![\d.,/])(?P<number>{_NUMBER}){_UP_TO}[\s-]{{0,2}}(?P<unit>{_UNIT})"
    r"\s(?:of\s(?:iv\s)?|iv\s)?$",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    rf"(?<![^\W_])(?P<name>[A-Z][a-z]{{3,24}})(?: [A-Z]{{2}})?[\s,]{{1,2}}(?:{_NUMBER})[\s-]{{0,2}}"
    rf"(?:mg|mcg|units?|meq|grams?)(?![A-Za-z0-9/])",
)
_LOOK_BACK = 24

_SHORT_UNITS = {
    "mg": "mg", "milligram": "mg", "mcg": "ug", "ug": "ug", "µg": "ug", "μg": "ug",
    "microgram": "ug", "g": "g", "gm": "g", "gram": "g", "meq": "meq", "iu": "[IU]", "ml": "mL",
    "cc": "mL", "puff": "{puff}", "drop": "[drp]", "gtt": "[drp]", "tablet": "{tbl}",
    "tab": "{tbl}", "capsule": "{capsule}", "cap": "{capsule}", "spray": "{spray}",
    "patch": "{patch}", "patche": "{patch}", "unit": "[IU]", "mg/ml": "mg/mL",
    "mg/h": "mg/h", "mg/hr": "mg/h", "mcg/h": "ug/h", "mcg/hr": "ug/h", "mcg/kg": "ug/kg",
    "mcg/kg/min": "ug/kg/min", "%": "%", "mg/kg": "mg/kg",
}  # fmt: skip


class Medication(NamedTuple):
    """`text[begin:end]` names a drug, with what is said around it; "" and None where nothing is.

    `name` is the ingredient where it is known, else as written, lower case. `dose` is in `unit`,
    a UCUM code. `code` is `RXNORM//…` of the ingredient.
    """

    begin: int
    end: int
    name: str
    dose: float | None
    unit: str
    route: str
    frequency: str
    code: str


def find_medications(text: str, begin: int, end: int) -> Iterator[Medication]:
    """Medications of `text[begin:end]`, in order, none within another.

    >>> text = "Plavix 75 mg p.o. daily, 2 g of Ancef IV and Tylenol."
    >>> found = find_medications(text, 0, len(text))
    >>> [(m.name, m.dose, m.unit, m.route, m.frequency) for m in found]
    ... # doctest: +NORMALIZE_WHITESPACE
    [('clopidogrel', 75.0, 'mg', 'oral', 'daily'), ('cefazolin', 2.0, 'g', 'intravenous', ''),
     ('acetaminophen', None, '', '', '')]
    """
    free = begin
    unknown = {m.start(): m.end("name") for m in _UNKNOWN.finditer(text, begin, end)}
    for match in _WORD.finditer(text, begin, end):
        if match.start() < free:
            continue
        name = ingredient_of(match[0])
        guessed = not name and match.start() in unknown
        if not name and not guessed:
            continue
        stop = unknown[match.start()] if guessed else match.end()
        found = _read(text, free, match.start(), stop, end, name or match[0].lower())
        if guessed and not (found.route or found.frequency):
            continue
        free = found.end
        yield found


def ingredient_of(word: str) -> str:
    """A word -> the drug's ingredient as far as it is known, else the word; "" for no drug.

    >>> ingredient_of("Plavix"), ingredient_of("Xyzsartan"), ingredient_of("April")
    ('clopidogrel', 'xyzsartan', '')
    """
    lower = word.lower()
    if lower in BRANDS:
        return BRANDS[lower]
    if lower in INGREDIENTS:
        return lower
    is_drug = len(lower) > _MIN_LETTERS and lower.endswith(SUFFIXES) and lower not in NO_DRUGS
    return lower if is_drug else ""


def _read(text: str, free: int, begin: int, stop: int, end: int, name: str) -> Medication:
    """What stands around the name `text[begin:stop]`: after it up to `end`, before it to `free`."""
    dose = _DOSE_AFTER.match(text, stop, end)
    first, last = begin, stop
    if dose:
        last = dose.end()
    else:
        before = text[max(free, begin - _LOOK_BACK) : begin]
        dose = _DOSE_BEFORE.search(before)
        if dose:
            first = begin - len(before) + dose.start()
    route = frequency = ""
    while (gap := _GAP.match(text, last, end)) and (not route or not frequency):
        found = None if route else _ROUTE.match(text, gap.end(), end)
        if found and _whole(text, found.end()):
            route, last = _key(found, _ROUTES), found.end()
            continue
        found = None if frequency else _FREQUENCY.match(text, gap.end(), end)
        if not found or not _whole(text, found.end()):
            break
        frequency = _key(found, _FREQUENCIES).format(found["hours"] or found["hourly"] or "")
        last = found.end()
    code = INGREDIENTS.get(name, "")
    return Medication(
        first,
        last,
        name,
        float(dose["number"].replace(",", "")) if dose else None,
        _ucum(dose["unit"]) if dose else "",
        route,
        frequency,
        f"RXNORM//{code}" if code else "",
    )


def _whole(text: str, end: int) -> bool:
    """Whether a word ends at `end`."""
    return end == len(text) or not text[end].isalnum()


def _key(match: re.Match[str], table: dict[str, str]) -> str:
    """The entry of a table whose group matched; groups are named by their number."""
    letter = "r" if table is _ROUTES else "f"
    return next(key for number, key in enumerate(table) if match[f"{letter}{number}"])


def _ucum(written: str) -> str:
    lower = written.lower()
    return _SHORT_UNITS.get(lower) or _SHORT_UNITS.get(lower.rstrip("s"), written)
