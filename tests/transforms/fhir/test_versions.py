import json
from typing import Any

import msgspec
import pytest

from transforms.errors import InputError, WrongVersion
from transforms.fhir.datatypes import NotInR4
from transforms.fhir.kinds import MAPPED, decode_resource
from transforms.fhir.messages import Answer
from transforms.fhir.versions import ELEMENTS, SHAPES, STATUSES, explain

from .builders import (
    bundle,
    concept,
    condition,
    encounter,
    errors,
    medication_request,
    observation,
    patient,
    procedure,
    read,
)


def refused_elements(struct: type, path: str = "") -> set[str]:
    """Every element that the struct, or one within it, says R4 does not have."""
    found = set()
    for element in msgspec.structs.fields(struct):
        if element.type is NotInR4:
            found.add(path + element.encode_name)
        else:
            inner = element.type
            for part in getattr(inner, "__args__", (inner,)):
                if (
                    isinstance(part, type)
                    and issubclass(part, msgspec.Struct)
                    and part not in (struct, Answer)
                ):
                    found |= refused_elements(part, f"{path}{element.encode_name}.")
    return found


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_every_refused_element_has_its_version(name: str) -> None:
    assert refused_elements(MAPPED[name]) == set(ELEMENTS.get(name, {}))


@pytest.mark.parametrize(
    ("name", "element"),
    [
        (name, element)
        for name in sorted(ELEMENTS)
        for element in ELEMENTS[name]
        if "." not in element
    ],
)
def test_refused_element_alone_refuses_the_resource(name: str, element: str) -> None:
    document = {"resourceType": name, element: {}}
    with pytest.raises(msgspec.ValidationError):
        decode_resource(json.dumps(document))
    reason = explain(json.dumps(document).encode())
    assert isinstance(reason, WrongVersion)
    version = ELEMENTS[name][element]
    assert str(reason) == f"{name}.{element} is an element of FHIR {version}"


R5_ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "completed",
    "class": [{"coding": [{"code": "IMP"}]}],
    "subject": {"reference": "Patient/p1"},
    "actualPeriod": {"start": "2020-01-01"},
}


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (R5_ENCOUNTER, "Encounter.class is a list: FHIR R5"),
        (encounter(status="discharged"), "Encounter.status is a code of FHIR R5"),
        (
            medication_request(medication={"concept": {}}),
            "MedicationRequest.medication is an element of FHIR R5",
        ),
        (
            condition(participant=[], clinicalStatus=concept("x", "active")),
            "Condition.participant is an element of FHIR R5",
        ),
        (condition(clinicalStatus="active"), "Condition.clinicalStatus is a string: FHIR STU3"),
        (condition(context={"reference": "E/1"}), "Condition.context is an element of FHIR STU3"),
        (
            observation(interpretation={"text": "high"}),
            "Observation.interpretation is an object: FHIR STU3",
        ),
        (observation(comment="fine"), "Observation.comment is an element of FHIR STU3"),
        (
            procedure(occurrenceDateTime="2020"),
            "Procedure.occurrenceDateTime is an element of FHIR R5",
        ),
        (
            {"resourceType": "ImagingStudy", "uid": "urn:oid:1", "patient": {}},
            "ImagingStudy.patient is an element of FHIR STU3",
        ),
        (
            {"resourceType": "Immunization", "status": "completed", "notGiven": False},
            "Immunization.notGiven is an element of FHIR STU3",
        ),
        (
            {
                "resourceType": "ServiceRequest",
                "status": "active",
                "intent": "order",
                "subject": {"reference": "Patient/p1"},
                "code": {"concept": concept("x", "1")},
            },
            "ServiceRequest.code.concept is an element of FHIR R5",
        ),
        ({"resourceType": "MedicationUsage"}, "MedicationUsage is a resource type of FHIR R5"),
        (
            {"resourceType": "ProcedureRequest"},
            "ProcedureRequest is a resource type of FHIR DSTU2 or STU3",
        ),
    ],
)
def test_shape_of_another_version_is_named(resource: dict[str, Any], message: str) -> None:
    rows = read(bundle(resource, patient()))
    assert errors(rows) == [("WrongVersion", message)]
    assert {row[8] for row in rows.events} == {"Patient"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[]", "expected a resource as a JSON object"),
        (b"{}", "resourceType: missing, but required"),
        (b'{"resourceType": "Jane Doe"}', "resourceType: expected a type of FHIR R4 or R4B"),
        (b'{"resourceType": "Patient", "id": "\xff"}', "not UTF-8"),
        (
            b'{"resourceType": "Patient", "gender": "Jane Doe"}',
            "Patient.gender: Invalid enum value (value)",
        ),
        (
            b'{"resourceType": "Patient", "identifier": [{"value": 999}]}',
            "Patient.identifier[0].value: Expected `str | null`, got `int`",
        ),
        (b'{"resourceType": "Patient"', "Input data was truncated"),
        (b"{'Jane': 1}", "JSON is malformed: object keys must be strings (byte 1)"),
    ],
)
def test_other_refusals_name_the_path_and_no_value(raw: bytes, message: str) -> None:
    reason = explain(raw)
    assert type(reason) is InputError
    assert str(reason) == message


def test_tables_name_mapped_types() -> None:
    assert {*ELEMENTS, *SHAPES, *STATUSES} <= MAPPED.keys()


@pytest.mark.parametrize(
    "value", ["Doe", "O'Brien", '"Doe"', 'O\'Brien "Bob" Doe', "Doe' - at `$.Doe", "Doe\n'Doe"]
)
def test_messages_hold_no_values_whatever_their_quotes(value: str) -> None:
    raw = json.dumps(observation(status=value)).encode()
    assert str(explain(raw)) == "Observation.status: Invalid enum value (value)"
