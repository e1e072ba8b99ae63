import json
from typing import Any

import pytest

from .builders import (
    KEYS,
    RXNORM,
    bundle,
    concept,
    condition,
    encounter,
    errors,
    medication,
    medication_request,
    observation,
    patient,
    read,
    read_lines,
)

P1 = KEYS.subject_id("p1")
IDENTIFIER = {"system": "http://h.org/mrn", "value": "12"}
UUID = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def subjects(*resources: dict[str, Any]) -> set[int | None]:
    """Whom the Conditions of a Bundle belong to."""
    rows = read(bundle(*resources))
    return {row[0] for row in rows.events + rows.pending if row[8] == "Condition"}


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        "http://server/fhir/Patient/p1",
        "http://other/Patient/p1",
    ],
)
def test_every_form_of_a_literal_reference_is_the_same_subject(reference: str) -> None:
    assert subjects(condition(subject={"reference": reference})) == {P1}


def test_urn_leads_through_the_full_url_to_the_targets_id() -> None:
    about = condition(subject={"reference": UUID})
    assert subjects(about, patient(_url=UUID)) == {P1}
    without_id = patient(_url=UUID)
    del without_id["id"]
    assert subjects(about, without_id) == {KEYS.subject_id(UUID.removeprefix("urn:uuid:"))}


def test_urn_of_a_refused_patient_still_leads_to_its_id() -> None:
    rows = read(bundle(condition(subject={"reference": UUID}), patient(_url=UUID, gender=1)))
    assert [row[0] for row in rows.events] == [P1]
    assert errors(rows) == [("InputError", "Patient.gender: Expected `str | null`, got `int`")]


def test_urn_that_is_not_in_the_bundle_is_unresolved() -> None:
    rows = read(bundle(condition(subject={"reference": UUID}), patient()))
    assert errors(rows) == [
        (
            "Unresolved",
            "subject.reference: a URN that no entry of the Bundle has as its fullUrl",
        )
    ]
    assert rows.quarantine[0][1] == 0


def test_identifier_leads_to_the_patient_of_the_bundle() -> None:
    who = patient(identifier=[{"system": "x", "value": "0"}, IDENTIFIER])
    for subject in (
        {"reference": "Patient?identifier=http://h.org/mrn|12"},
        {"reference": "Patient?identifier=12"},
        {"identifier": IDENTIFIER},
        {"type": "Patient", "identifier": IDENTIFIER},
    ):
        assert subjects(condition(subject=subject), who) == {P1}
    contained = condition(
        subject={"reference": "#me"}, contained=[patient(id="me", identifier=[IDENTIFIER])]
    )
    assert subjects(contained, who) == {P1}


@pytest.mark.parametrize(
    ("subject", "keys"),
    [
        ({"reference": "Patient?identifier=http://h.org/mrn|12"}, [("http://h.org/mrn", "12")]),
        ({"reference": "Patient?identifier=12"}, [("", "12")]),
        ({"identifier": IDENTIFIER}, [("http://h.org/mrn", "12")]),
        ({"reference": "#me"}, [("http://h.org/mrn", "12"), ("", "13")]),
    ],
)
def test_identifier_of_a_patient_elsewhere_waits_for_a_link(
    subject: dict[str, Any], keys: list[tuple[str, str]]
) -> None:
    contained = [patient(id="me", identifier=[IDENTIFIER, {"value": "13"}, {"system": "x"}])]
    rows = read(condition(subject=subject, contained=contained))
    assert rows.events == []
    (row,) = rows.pending
    assert row[0] is None
    assert row[2] == "SNOMED//44054006"
    assert row[14] == [KEYS.identifier_link(*key) for key in keys]
    assert row[15] is None
    assert b'"resourceType": "Condition"' in row[16]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ({"reference": "Group/g"}, "subject is Group"),
        ({"reference": "Doe/g"}, "subject is no FHIR type"),
        ({"reference": "http://server/Location/1"}, "subject is Location"),
        ({"type": "Device", "identifier": IDENTIFIER}, "subject is not a Patient"),
        ({"reference": "#d"}, "subject is not a Patient"),
        (None, "no patient"),
    ],
)
def test_subject_that_is_no_patient_is_skipped(subject: dict[str, Any] | None, reason: str) -> None:
    about = observation(subject=subject, contained=[{"resourceType": "Device", "id": "d"}])
    assert read(about).skipped == {reason: 1}


@pytest.mark.parametrize(
    ("subject", "error", "message"),
    [
        ({"display": "Jane Doe"}, "Unresolved", "subject: neither reference nor identifier"),
        ({"reference": "#me"}, "Unresolved", "subject: a contained Patient without identifier"),
        ({"reference": "#you"}, "Unresolved", "no such contained Patient"),
        ({"reference": "Jane"}, "InputError", "subject.reference: expected a FHIR reference"),
    ],
)
def test_subject_that_cannot_be_found_is_quarantined(
    subject: dict[str, Any], error: str, message: str
) -> None:
    rows = read(condition(subject=subject, contained=[patient(id="me")]))
    assert errors(rows) == [(error, message)]


def test_encounter_is_found_in_every_form() -> None:
    expected = KEYS.resource_id("Encounter", "e1")
    for reference in (
        UUID,
        "Encounter/e1",
        "http://server/Encounter/e1",
        "Encounter/e1/_history/2",
    ):
        about = condition(encounter={"reference": reference})
        rows = read(bundle(about, encounter(_url=UUID)))
        assert {row[7] for row in rows.events} == {expected}
        rows = read(bundle(encounter(_url=UUID), about))
        assert {row[7] for row in rows.events} == {expected}
    assert read(condition()).events[0][7] is None
    assert read(condition(encounter={"display": "visit"})).events[0][7] is None
    missing = read(condition(encounter={"reference": UUID}))
    assert errors(missing)[0][0] == "Unresolved"


def test_encounter_of_a_document_and_of_an_administration() -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/p1"},
        "date": "2020-01-01T00:00:00Z",
        "content": [{"attachment": {}}],
        "context": {"encounter": [{"reference": "Encounter/e1"}]},
    }
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": concept(RXNORM, "1"),
        "effectiveDateTime": "2020-01-01",
        "context": {"reference": "Encounter/e1"},
    }
    for resource in (document, given):
        assert read(resource).events[0][7] == KEYS.resource_id("Encounter", "e1")


def drugs(*resources: dict[str, Any]) -> list[tuple[str, str | None, list[str] | None]]:
    """Code, text and further codes of a Bundle's medication events."""
    rows = read(bundle(*resources))
    assert rows.pending == []
    return [(row[2], row[4], row[6]) for row in rows.events]


def by_reference(reference: dict[str, str], **elements: Any) -> dict[str, Any]:
    request = medication_request(medicationReference=reference, **elements)
    del request["medicationCodeableConcept"]
    return request


def test_medication_is_found_in_the_bundle_and_within() -> None:
    expected = [("RXNORM//313782", None, ["SNOMED//387517004"])]
    assert drugs(by_reference({"reference": "Medication/med1"}), medication()) == expected
    assert drugs(by_reference({"reference": UUID}), medication(_url=UUID)) == expected
    assert drugs(by_reference({"reference": "#m"}, contained=[medication(id="m")])) == expected
    named = medication(code={"text": "ointment"})
    assert drugs(by_reference({"reference": "Medication/med1"}), named) == [
        ("MedicationRequest//TEXT", "ointment", None)
    ]


def test_medication_elsewhere_waits_for_a_link() -> None:
    rows = read_lines(
        b"\n".join(
            json.dumps(resource).encode()
            for resource in (by_reference({"reference": "Medication/med1"}), medication())
        )
    )
    key = KEYS.medication_link("med1")
    (waiting,) = rows.pending
    assert waiting[:3] == (P1, 1583049600000000, "MedicationRequest//UNKNOWN")
    assert waiting[14:] == (None, key, None)
    (link,) = rows.links
    assert link[:5] == (key, "medication", None, "RXNORM//313782", ["SNOMED//387517004"])


def test_medication_that_is_only_described_is_unknown() -> None:
    assert drugs(by_reference({"display": "the blue ones"})) == [
        ("MedicationRequest//UNKNOWN", None, None)
    ]


def test_medication_that_is_missing_is_quarantined() -> None:
    request = medication_request()
    del request["medicationCodeableConcept"]
    assert errors(read(request)) == [
        ("InputError", "MedicationRequest.medication[x]: missing, but required")
    ]
    assert errors(read(by_reference({"reference": UUID})))[0][0] == "Unresolved"
    assert errors(read(by_reference({"reference": "#m"}))) == [
        ("Unresolved", "no such contained Medication")
    ]
