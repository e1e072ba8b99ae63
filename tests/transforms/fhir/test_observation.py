from typing import Any

import pytest

from transforms.fhir.values import UCUM

from .builders import LOINC, SNOMED, concept, errors, facts, observation, read, us

TIME = us("2020-03-01T08:00:00")


@pytest.mark.parametrize(
    ("value", "number", "text", "unit", "codes"),
    [
        (
            {"valueQuantity": {"value": 168.3, "unit": "cm", "system": UCUM, "code": "cm"}},
            168.3,
            None,
            "cm",
            None,
        ),
        (
            {"valueQuantity": {"value": 0.01, "comparator": "<", "unit": "ng/L"}},
            0.01,
            "<0.01",
            "ng/L",
            None,
        ),
        ({"valueQuantity": {"value": 7}}, 7.0, None, None, None),
        (
            {"valueCodeableConcept": concept(SNOMED, "266919005", text="Never smoker")},
            None,
            "Never smoker",
            None,
            ["SNOMED//266919005"],
        ),
        ({"valueCodeableConcept": {"text": "clear"}}, None, "clear", None, None),
        ({"valueString": "AB positive"}, None, "AB positive", None, None),
        ({"valueBoolean": True}, 1.0, "true", None, None),
        ({"valueBoolean": False}, 0.0, "false", None, None),
        ({"valueInteger": 0}, 0.0, None, None, None),
        (
            {"valueRange": {"low": {"value": 1, "unit": "mg"}, "high": {"value": 2}}},
            None,
            "1..2",
            "mg",
            None,
        ),
        (
            {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
            1 / 128,
            "1:128",
            None,
            None,
        ),
        (
            {"valueSampledData": {"origin": {"value": 0, "unit": "mV"}, "period": 10,
                                  "dimensions": 1, "data": "1 2 E"}},
            None,
            "1 2 E",
            "mV",
            None,
        ),
        ({"valueTime": "08:30:00"}, None, "08:30:00", None, None),
        ({"valueDateTime": "2019-01"}, None, "2019-01", None, None),
        (
            {"valuePeriod": {"start": "2019-01-01", "end": "2019-02-01"}},
            None,
            "2019-01-01..2019-02-01",
            None,
            None,
        ),
        ({}, None, None, None, None),
    ],
)  # fmt: skip
def test_every_kind_of_value(
    value: dict[str, Any],
    number: float | None,
    text: str | None,
    unit: str | None,
    codes: list[str] | None,
) -> None:
    assert facts(observation(**value)) == [(TIME, "LOINC//8302-2", number, text, unit, codes)]


def test_component_is_a_fact_with_the_panels_code_beside_it() -> None:
    found = facts(
        observation(
            code=concept(LOINC, "85354-9"),
            category=[concept("http://x", "vital-signs")],
            component=[
                {"code": concept(LOINC, "8480-6"), "valueQuantity": {"value": 120}},
                {
                    "code": concept(LOINC, "8462-4", ("http://x", "dia")),
                    "valueQuantity": {"value": 80},
                    "interpretation": [concept("http://x", "N")],
                },
                {"code": {"text": "cuff"}, "valueString": "large"},
            ],
        )
    )
    panel = ["LOINC//85354-9", "http://x//vital-signs"]
    assert found == [
        (TIME, "LOINC//8480-6", 120.0, None, None, panel),
        (TIME, "LOINC//8462-4", 80.0, None, None, ["http://x//dia", *panel, "INTERPRETATION//N"]),
        (TIME, "Observation//TEXT", None, "cuff: large", None, panel),
    ]


def test_own_value_stands_beside_the_components() -> None:
    found = facts(
        observation(valueInteger=9, component=[{"code": concept(LOINC, "1"), "valueInteger": 2}])
    )
    assert [(fact[1], fact[2]) for fact in found] == [("LOINC//8302-2", 9.0), ("LOINC//1", 2.0)]


def test_interpretation_and_absence_are_codes() -> None:
    found = facts(
        observation(
            interpretation=[concept("http://x", "H"), concept("http://x", "A")],
            dataAbsentReason=concept("http://x", "unknown"),
            bodySite=concept(SNOMED, "1"),
            method=concept(SNOMED, "2"),
        )
    )
    assert found[0][5] == [
        "SNOMED//1",
        "SNOMED//2",
        "INTERPRETATION//H",
        "INTERPRETATION//A",
        "DATA_ABSENT_REASON//unknown",
    ]


def test_value_is_known_when_the_period_ends_or_when_issued() -> None:
    period = {"start": "2020-03-01T08:00:00Z", "end": "2020-03-02T08:00:00Z"}
    collected = observation(effectivePeriod=period)
    del collected["effectiveDateTime"]
    assert facts(collected)[0][0] == us("2020-03-02T08:00:00")
    issued = collected | {"issued": "2020-03-03T09:00:00.250Z"}
    assert facts(issued)[0][0] == us("2020-03-03T09:00:00.250000")
    instant = observation(effectiveInstant="2020-03-05T08:00:00Z")
    del instant["effectiveDateTime"]
    assert facts(instant)[0][0] == us("2020-03-05T08:00:00")


def test_number_too_large_for_float32_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Observation\.valueQuantity\.value: "):
        facts(observation(valueQuantity={"value": 1e39}))


def test_a_comparator_is_one_of_four() -> None:
    quantity = {"value": 1, "comparator": "Doe"}
    ((error_class, message),) = errors(read(observation(valueQuantity=quantity)))
    assert error_class == "InputError"
    assert message == "Observation.valueQuantity.comparator: Invalid enum value (value)"
