"""Measurements in a text: numbers with their unit, and what was measured where it is named.

`hemoglobin 12.3 g/dL` is one measurement, `BP 118/66` two, `2 x 3 cm` two, `30-35 mmHg` two. A
number without a unit is a measurement only behind a name of MEASURES and inside its usual range,
which also tells degrees Fahrenheit from Celsius. Durations and counts are none.

Units become UCUM codes (https://ucum.org); codes are of LOINC (https://loinc.org).
"""

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import NamedTuple

Range = tuple[float, float, str]
"""Lowest and highest usual value and its UCUM unit, for numbers without a unit."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """What can be measured: its LOINC code, its names, and what a bare number would mean."""

    loinc: str
    names: str
    ranges: tuple[Range, ...] = ()


_PERCENT = ((0.0, 100.0, "%"),)
MEASURES: tuple[Measure, ...] = (
    Measure(
        "8480-6",
        "systolic blood pressure|systolic pressure|systolic|sbp",
        ((50, 300, "mm[Hg]"),),
    ),
    Measure(
        "8462-4",
        "diastolic blood pressure|diastolic pressure|diastolic|dbp",
        ((20, 200, "mm[Hg]"),),
    ),
    Measure("8867-4", "heart rate|pulse rate|pulse|hr|P", ((20, 300, "/min"),)),
    Measure("9279-1", "respiratory rate|respirations|respiration|resp|rr|R", ((4, 80, "/min"),)),
    Measure("8310-5", "temperature|temp|T", ((30, 44, "Cel"), (86, 112, "[degF]"))),
    Measure(
        "2708-6",
        "oxygen saturation|o2 saturation|o2 sats?|sao2|spo2|saturating|pulse ox",
        ((40, 100, "%"),),
    ),
    Measure("29463-7", "body weight|weighs|weight|wt"),
    Measure("8302-2", "body height|height|ht"),
    Measure("39156-5", "body mass index|bmi", ((8, 100, "kg/m2"),)),
    Measure("718-7", "hemoglobin|haemoglobin|hgb|hb", ((2, 26, "g/dL"),)),
    Measure("20570-8", "hematocrit|haematocrit|hct", ((8, 75, "%"),)),
    Measure(
        "6690-2",
        "white blood cell count|white blood cells|white cell count|white count"
        "|leukocytes|wbc",
        ((0.1, 200, "10*3/uL"), (200, 200000, "/uL")),
    ),
    Measure(
        "777-3",
        "platelet count|platelets|plts?",
        ((1, 2000, "10*3/uL"), (2000, 2000000, "/uL")),
    ),
    Measure("2951-2", "sodium|na", ((90, 190, "mmol/L"),)),
    Measure("2823-3", "potassium|K", ((1.2, 10, "mmol/L"),)),
    Measure("2075-0", "chloride|cl", ((60, 150, "mmol/L"),)),
    Measure("1963-8", "bicarbonate|bicarb|hco3", ((3, 60, "mmol/L"),)),
    Measure("2028-9", "co2", ((3, 60, "mmol/L"),)),
    Measure("3094-0", "blood urea nitrogen|urea nitrogen|bun", ((1, 250, "mg/dL"),)),
    Measure("2160-0", "creatinine|creat|cr", ((0.1, 25, "mg/dL"),)),
    Measure("2345-7", "blood sugar|blood glucose|glucose", ((10, 2000, "mg/dL"),)),
    Measure("4548-4", "hemoglobin a1c|hba1c|hgba1c|a1c", ((3, 20, "%"),)),
    Measure("6301-6", "inr", ((0.5, 20, "{INR}"),)),
    Measure("5902-2", "prothrombin time|pt", ((8, 120, "s"),)),
    Measure("14979-9", "partial thromboplastin time|aptt|ptt", ((15, 200, "s"),)),
    Measure("1751-7", "albumin", ((0.5, 7, "g/dL"),)),
    Measure("17861-6", "calcium", ((4, 20, "mg/dL"),)),
    Measure("19123-9", "magnesium|mg level", ((0.5, 10, "mg/dL"),)),
    Measure("2777-1", "phosphorus|phosphate", ((0.3, 20, "mg/dL"),)),
    Measure("1975-2", "total bilirubin|bilirubin", ((0.1, 60, "mg/dL"),)),
    Measure("1920-8", "ast|sgot", ((3, 20000, "U/L"),)),
    Measure("1742-6", "alt|sgpt", ((3, 20000, "U/L"),)),
    Measure("6768-6", "alkaline phosphatase|alk phos", ((5, 5000, "U/L"),)),
    Measure("2857-1", "prostate[- ]specific antigen|psa", ((0, 5000, "ng/mL"),)),
    Measure("3016-3", "thyroid[- ]stimulating hormone|tsh", ((0, 200, "m[IU]/L"),)),
    Measure("2093-3", "total cholesterol|cholesterol", ((50, 900, "mg/dL"),)),
    Measure("2089-1", "ldl cholesterol|ldl", ((10, 700, "mg/dL"),)),
    Measure("2085-9", "hdl cholesterol|hdl", ((5, 200, "mg/dL"),)),
    Measure("2571-8", "triglycerides?", ((10, 9000, "mg/dL"),)),
    Measure(
        "30341-2",
        "erythrocyte sedimentation rate|sedimentation rate|sed rate|esr",
        ((0, 160, "mm/h"),),
    ),
    Measure("1988-5", "c[- ]reactive protein|crp"),
    Measure("2524-7", "lactate|lactic acid", ((0.2, 30, "mmol/L"),)),
    Measure("10839-9", "troponin i|troponin"),
    Measure("30934-4", "bnp", ((0, 50000, "pg/mL"),)),
    Measure("10230-1", "(?:left ventricular )?ejection fraction|lvef|ef", ((5, 90, "%"),)),
)  # fmt: skip
_PRESSURE = ("blood pressure", "bp")
SYSTOLIC, DIASTOLIC = "LOINC//8480-6", "LOINC//8462-4"

UNITS: dict[str, str] = {
    "mm[Hg]": r"mm ?hg|millimeters of mercury",
    "cm[H2O]": r"cm ?(?:of )?(?:h2o|water)",
    "g/dL": r"gm?s?/dl|gm?%",
    "mg/dL": r"mg/dl|mg%",
    "ug/dL": r"(?:mcg|ug|µg|μg)/dl",
    "ng/mL": r"ng/ml",
    "pg/mL": r"pg/ml",
    "ng/dL": r"ng/dl",
    "meq/L": r"meq/l",
    "mmol/L": r"mmol/l",
    "umol/L": r"(?:u|µ|μ)mol/l",
    "U/L": r"units?/l|u/l",
    "[IU]/L": r"iu/l",
    "m[IU]/L": r"miu/l|(?:u|µ|μ)iu/ml",
    "10*3/uL": r"(?:k|thousand)/(?:u|µ|μ|mc)l|x ?10[\^*e]?3/(?:u|µ|μ)l|x ?10[\^*e]?9/l",
    "/uL": r"/(?:u|µ|μ)l|/mm3|/cmm",
    "mL/min": r"(?:ml|cc)/min",
    "mL/h": r"(?:ml|cc)/(?:hour|hr|h)|(?:ml|cc) (?:per|an) hour",
    "L/min": r"l/min|liters?(?: per |/)min(?:ute)?",
    "/min": r"bpm|beats?(?: per |/)min(?:ute)?|breaths?(?: per |/)min(?:ute)?|per minute|/min",
    "mg/kg": r"mg/kg",
    "kg/m2": r"kg/m(?:2|\^2|²)",
    "m/s": r"m/s(?:ec)?|meters per second",
    "mm/h": r"mm/(?:hr|h|hour)",
    "cm2": r"cm2|cm²|sq\.? cm|cm squared?|square cm|square centimeters",
    "m2": r"m2|m²|square meters",
    "ug": r"mcg|µg|μg|ug|micrograms?",
    "mg": r"mg|milligrams?",
    "kg": r"kg|kgs|kilograms?|kilos",
    "g": r"gm|gms|grams?",
    "[lb_av]": r"lbs?|pounds?",
    "[oz_av]": r"oz|ounces?",
    "mm": r"mm|millimeters?",
    "cm": r"cm|cms|centimeters?",
    "[in_i]": r"inch|inches",
    "[ft_i]": r"feet|foot|ft",
    "mL": r"cc|ccs|ml|mls|milliliters?",
    "L": r"liters?|litres?",
    "meq": r"meqs?",
    "mmol": r"mmol",
    "mCi": r"mci|millicuries?",
    "Gy": r"gy|gray",
    "cGy": r"cgy",
    "dB": r"db|decibels?",
    "Hz": r"hz|hertz",
    "[diop]": r"diopters?",
    "[Ch]": r"french|fr",
    "[degF]": r"(?:°|degrees? ?) ?(?:f|fahrenheit)|fahrenheit",
    "Cel": r"(?:°|degrees? ?) ?(?:c|celsius|centigrade)|celsius|centigrade",
    "deg": r"degrees?|°",
    "%": r"%|percent",
}
"""UCUM code -> how it is written, lower case."""

# A unit whose letter alone would be anything, unless written just so.
_STRICT_UNITS = {"g": "g", "m": "m", "L": "L", "[degF]": "F", "Cel": "C", "%": "%"}
_TEMPERATURE = {"F", "C"}

_WRITTEN = {code: re.compile(pattern, re.IGNORECASE) for code, pattern in UNITS.items()}
_UNIT = rf"(?:(?i:{'|'.join(UNITS.values())})|{'|'.join(_STRICT_UNITS.values())})(?![A-Za-z0-9/²³])"
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,3}|\d{1,7})(?:\.\d{1,5})?|\.\d{1,5}"
_BETWEEN = r"\s?(?:x|×|by|to|and|over|-|–|/)\s?"  # noqa: RUF001 - as printed
_VALUES = re.compile(
    rf"(?<![\d.,/])(?P<first>{_NUMBER})(?:{_BETWEEN}(?:{_NUMBER})(?![\d/^*])){{0,2}}"
    rf"(?P<unit>\s?-?{_UNIT})?(?!\d)"
)
_ONE = re.compile(_NUMBER)
_AFTER = re.compile(
    r"[ -]?(?:years?|yrs?|months?|weeks?|days?|hours?|minutes?|times|st|nd|rd|th|x)\b"
    r"|[.,]?\d|[^\W\d]"
)
_FILLER = (
    r"(?:[\s:=,(~]{1,3}|(?:is|was|were|are|of|at|level|count|today|about|approximately|around|estimated"
    r"|measured|measures|reading|to|be|rate|currently|with|an?)(?![^\W_])){0,6}"
)
_WORDS = [name for measure in MEASURES for name in measure.names.split("|")]
NAMES = frozenset({*_WORDS, *map(str.lower, _WORDS), *_PRESSURE, "platelet"})
"""Names of measurements, lower case."""

_BOUND = r"(?<![^\W_])"
_LETTERS = "".join(name for name in _WORDS if len(name) == 1)
_LONG = sorted({n for n in _WORDS if len(n) > 1} | set(_PRESSURE), key=len, reverse=True)
_NAME_BEFORE = re.compile(
    rf"{_BOUND}(?P<name>(?i:{'|'.join(_LONG)})|[{_LETTERS}])(?P<filler>(?i:{_FILLER}))$"
)
_GLUED = frozenset({"bp", "hr", "rr", "t"})
_SHARED = re.compile(rf"{_BOUND}(?i:{'|'.join(_LONG)})(?:\s(?:and|&|or)\s|\s?/\s?|,\s)$")
_FITS = [(re.compile(m.names, re.IGNORECASE if len(m.names) > 1 else 0), m) for m in MEASURES]
_NAME_LENGTH = 56


class Measurement(NamedTuple):
    """`text[begin:end]` states `value` in `unit`, a UCUM code; `code` is LOINC's or "".

    `name` is what the text calls it, "" where it does not.
    """

    begin: int
    end: int
    value: float
    unit: str
    code: str
    name: str


def find_measurements(text: str, begin: int, end: int) -> Iterator[Measurement]:
    """Measurements of `text[begin:end]`, in order, none within another.

    >>> text = "BP 118/66, temp 98.6, mass of 2 x 3 cm."
    >>> [(m.value, m.unit, text[m.begin:m.end]) for m in find_measurements(text, 0, len(text))]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(118.0, 'mm[Hg]', 'BP 118'), (66.0, 'mm[Hg]', '66'), (98.6, '[degF]', 'temp 98.6'),
     (2.0, 'cm', '2'), (3.0, 'cm', '3 cm')]
    """
    free = begin
    for match in _VALUES.finditer(text, begin, end):
        found = list(_read_values(text, match, free, end))
        if found:
            free = found[-1].end
        yield from found


def _read_values(text: str, match: re.Match[str], begin: int, end: int) -> Iterator[Measurement]:
    first, unit_begin = match.start(), match.start("unit")
    written = match["unit"] or ""
    before = text[max(begin, first - _NAME_LENGTH) : first]
    named = _NAME_BEFORE.search(before)
    if named and _SHARED.search(before, 0, named.start()):
        named = None  # `hemoglobin and hematocrit 10.5 and 32.8`: which is which?
    name = named["name"] if named else ""
    if not name and not written:
        return
    glued = first > begin and (text[first - 1].isalnum() or text[first - 1] == "_")
    if glued and not (named and not named["filler"] and name.lower() in _GLUED):
        return
    unit = ucum(written.lstrip(" \n\t-")) if written else ""
    if not name and unit in ("[degF]", "Cel") and written.strip() in _TEMPERATURE:
        return
    start = first - len(named[0]) if named else first
    numbers = list(_ONE.finditer(text, first, unit_begin if written else match.end()))
    if name.lower() in _PRESSURE:
        yield from _pressure(text, match, numbers, start, name)
        return
    measure = measure_of(name)
    if unit == "deg" and measure is not None:
        unit = _usual_unit(measure, _number(numbers[0][0])) or unit
    if not unit:
        if measure is None or _AFTER.match(text, numbers[0].end(), end):
            return
        value = _number(numbers[0][0])
        unit = _usual_unit(measure, value)
        if unit:
            yield Measurement(start, numbers[0].end(), value, unit, f"LOINC//{measure.loinc}", name)
        return
    code = f"LOINC//{measure.loinc}" if measure else ""
    for index, number in enumerate(numbers):
        begins = start if index == 0 else number.start()
        ends = match.end() if index == len(numbers) - 1 else number.end()
        yield Measurement(begins, ends, _number(number[0]), unit, code, name)


def _usual_unit(measure: Measure, value: float) -> str:
    """The unit in which a bare value would be usual, "" if in none."""
    return next((unit for low, high, unit in measure.ranges if low <= value <= high), "")


def _pressure(
    text: str, match: re.Match[str], numbers: list[re.Match[str]], start: int, name: str
) -> Iterator[Measurement]:
    """`118/66` behind a name of blood pressure, which begins at `start` -> two measurements."""
    if len(numbers) < 2 or text[numbers[0].end() : numbers[1].start()].strip() not in ("/", "over"):
        return
    high, low = (_number(number[0]) for number in numbers[:2])
    if not 20 <= low <= high <= 350:
        return
    last = match.end() if match["unit"] and len(numbers) == 2 else numbers[1].end()
    yield Measurement(start, numbers[0].end(), high, "mm[Hg]", SYSTOLIC, name)
    yield Measurement(numbers[1].start(), last, low, "mm[Hg]", DIASTOLIC, name)


@functools.lru_cache(4096)
def measure_of(name: str) -> Measure | None:
    """A name as written -> what it measures.

    >>> measure_of("Hgb").loinc
    '718-7'
    """
    if not name:
        return None
    return next((m for pattern, m in _FITS if pattern.fullmatch(name)), None)


@functools.lru_cache(4096)
def ucum(written: str) -> str:
    """A unit as written -> its UCUM code.

    >>> ucum("mmHg"), ucum("cc"), ucum("beats per minute")
    ('mm[Hg]', 'mL', '/min')
    """
    for code, strict in _STRICT_UNITS.items():
        if written == strict:
            return code
    return next((code for code, pattern in _WRITTEN.items() if pattern.fullmatch(written)), written)


def _number(text: str) -> float:
    return float(text.replace(",", ""))
