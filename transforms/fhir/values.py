"""Values of FHIR elements as number, text and unit.

Source: https://hl7.org/fhir/R4/datatypes.html
"""

from collections.abc import Sequence

from transforms.fhir.datatypes import Quantity, Range, Ratio

UCUM = "http://unitsofmeasure.org"
FLOAT32_MAX = 3.4028234663852886e38

Value = tuple[float | None, str | None, str | None, Sequence[str]]
"""Number, text, unit and the codes of a coded value."""

NO_VALUE: Value = (None, None, None, ())


def read_quantity(quantity: Quantity, element: str) -> tuple[float | None, str | None, str | None]:
    """Quantity -> number, text and unit; the text holds a comparator, as in `<0.5`.

    The unit is the UCUM code where there is one, else the unit as sent.

    Raises: ValueError, when the number does not fit float32.

    >>> read_quantity(Quantity(0.5, "<", "mg", UCUM, "mg"), "Observation.valueQuantity")
    (0.5, '<0.5', 'mg')
    """
    value = quantity.value
    unit = quantity.code if quantity.system == UCUM and quantity.code else quantity.unit
    if value is not None and not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        raise ValueError(f"{element}.value: expected a number within float32")
    if quantity.comparator is None or value is None:
        return value, None, unit or quantity.code
    return value, f"{quantity.comparator}{value:.15g}", unit or quantity.code


def read_range(limits: Range, element: str) -> Value:
    """Range -> `low..high` as text, with the unit of either limit.

    >>> read_range(Range(Quantity(1.5, unit="mg"), None), "Observation.valueRange")
    (None, '1.5..', 'mg', ())
    """
    texts, units = [], []
    for quantity in (limits.low, limits.high):
        number, _, unit = read_quantity(quantity or Quantity(), element)
        texts.append("" if number is None else f"{number:.15g}")
        units.append(unit)
    return None, "..".join(texts), units[0] or units[1], ()


def read_ratio(ratio: Ratio, element: str) -> Value:
    """Ratio -> its quotient, `numerator:denominator` as text, and `unit/unit`.

    >>> read_ratio(Ratio(Quantity(1), Quantity(128)), "Observation.valueRatio")
    (0.0078125, '1:128', None, ())
    """
    top, _, top_unit = read_quantity(ratio.numerator or Quantity(), element)
    bottom, _, bottom_unit = read_quantity(ratio.denominator or Quantity(), element)
    texts = ("" if number is None else f"{number:.15g}" for number in (top, bottom))
    quotient = top / bottom if top is not None and bottom else None
    if quotient is not None and abs(quotient) > FLOAT32_MAX:
        quotient = None
    unit = f"{top_unit or '1'}/{bottom_unit}" if bottom_unit else top_unit
    return quotient, ":".join(texts), unit, ()
