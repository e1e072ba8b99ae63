import math

import pytest

from transforms.fhir.datatypes import Quantity, Range, Ratio
from transforms.fhir.values import FLOAT32_MAX, UCUM, read_quantity, read_range, read_ratio


def test_ucum_code_is_the_unit_where_there_is_one() -> None:
    assert read_quantity(Quantity(5.0, None, "mm Hg", UCUM, "mm[Hg]"), "x") == (
        5.0,
        None,
        "mm[Hg]",
    )
    assert read_quantity(Quantity(5.0, None, "tablets", "http://x", "TAB"), "x")[2] == "tablets"
    assert read_quantity(Quantity(5.0, None, None, "http://x", "TAB"), "x")[2] == "TAB"
    assert read_quantity(Quantity(None, "<", "mg"), "x") == (None, None, "mg")


def test_number_beyond_float32_is_refused() -> None:
    assert read_quantity(Quantity(FLOAT32_MAX), "x")[0] == FLOAT32_MAX
    for value in (math.nextafter(FLOAT32_MAX, math.inf), -1e39):
        with pytest.raises(ValueError, match=r"^Observation\.valueQuantity\.value: "):
            read_quantity(Quantity(value), "Observation.valueQuantity")


def test_range_and_ratio() -> None:
    limits = Range(Quantity(1.5, unit="mg"), Quantity(3.0, unit="mg"))
    assert read_range(limits, "x") == (None, "1.5..3", "mg", ())
    concentration = Ratio(Quantity(5.0, unit="mg"), Quantity(2.0, unit="mL"))
    assert read_ratio(concentration, "x") == (2.5, "5:2", "mg/mL", ())
    assert read_ratio(Ratio(Quantity(5.0), Quantity(0.0)), "x") == (None, "5:0", None, ())
    assert read_ratio(Ratio(Quantity(3e38), Quantity(1e-9)), "x")[0] is None
