import json
from typing import Any

import pytest

from transforms.fhir.kinds import decode_resource
from transforms.fhir.medication import Drug, Medication, drug_from_medication

from .builders import PATIENT, RXNORM, concept, last_us, medication, medication_request, outcome, us

TIME = us("2020-03-01T08:00:00")
DRUG = Drug("RXNORM//1", None, ["SNOMED//2"])


def event(resource_type: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": resource_type, "status": "completed", "subject": PATIENT, **elements}


def test_request_is_the_drug_when_ordered_with_its_dose() -> None:
    request = medication_request(
        category=[concept("http://x", "inpatient")],
        reasonCode=[concept("http://x", "pain")],
        dosageInstruction=[
            {"text": "1 tab"},
            {"doseAndRate": [{"doseQuantity": {"value": 20, "unit": "mg"}}]},
        ],
    )
    further = ["SNOMED//2", "http://x//inpatient", "http://x//pain"]
    assert outcome(request, DRUG) == [(TIME, "RXNORM//1", 20.0, None, "mg", further)]
    assert outcome(medication_request(doNotPerform=True), DRUG) == "do not perform"


def test_administration_is_the_drug_when_begun_with_its_dose() -> None:
    given = event(
        "MedicationAdministration",
        effectivePeriod={"start": "2020-03-01T08:00:00Z", "end": "2020-03-01T09:00:00Z"},
        category=concept("http://x", "inpatient"),
        dosage={"dose": {"value": 5, "unit": "mL"}, "route": concept("http://x", "iv")},
    )
    further = ["SNOMED//2", "http://x//inpatient", "http://x//iv"]
    assert outcome(given, DRUG) == [(TIME, "RXNORM//1", 5.0, None, "mL", further)]
    with pytest.raises(ValueError, match=r"^MedicationAdministration\.effective\[x\]: missing"):
        outcome(event("MedicationAdministration"), DRUG)


def test_statement_is_known_when_asserted() -> None:
    stated = event(
        "MedicationStatement",
        effectiveDateTime="2010",
        dateAsserted="2020-03-01",
        category=concept("http://x", "community"),
    )
    further = ["SNOMED//2", "http://x//community"]
    assert outcome(stated, DRUG) == [
        (last_us("2020-03-01"), "RXNORM//1", None, None, None, further)
    ]


def test_dispense_is_the_drug_when_handed_over_with_its_quantity() -> None:
    dispensed = event(
        "MedicationDispense",
        whenPrepared="2020-02-01",
        whenHandedOver="2020-03-01T08:00:00Z",
        quantity={"value": 30, "unit": "tablet"},
        type=concept("http://x", "FF"),
    )
    assert outcome(dispensed, DRUG) == [
        (TIME, "RXNORM//1", 30.0, None, "tablet", ["SNOMED//2", "http://x//FF"])
    ]
    assert DRUG.codes == ["SNOMED//2"]
    del dispensed["whenHandedOver"]
    assert outcome(dispensed, DRUG)[0][0] == last_us("2020-02-01")  # type: ignore[index]


def test_medication_gives_its_code_else_its_first_ingredient() -> None:
    ingredients = [
        {"itemCodeableConcept": concept(RXNORM, "10")},
        {"itemReference": {"reference": "Substance/1"}},
        {"itemCodeableConcept": concept(RXNORM, "11")},
    ]
    whole = decode_resource(json.dumps(medication(ingredient=ingredients)))
    assert isinstance(whole, Medication)
    assert drug_from_medication(whole, "Medication") == Drug(
        "RXNORM//313782", None, ["SNOMED//387517004", "RXNORM//10", "RXNORM//11"]
    )
    mixed = medication(ingredient=ingredients)
    del mixed["code"]
    mixture = decode_resource(json.dumps(mixed))
    assert isinstance(mixture, Medication)
    assert drug_from_medication(mixture, "Medication") == Drug("RXNORM//10", None, ["RXNORM//11"])
