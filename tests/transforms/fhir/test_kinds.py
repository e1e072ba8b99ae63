"""The structs against an oracle: the R4B classes of fhir.resources."""

import importlib
import json
from typing import Any

import msgspec
import pydantic
import pytest

from transforms.fhir.datatypes import NotInR4
from transforms.fhir.kinds import KINDS, MAPPED, UNMAPPED, decode_resource
from transforms.fhir.names import R4_TYPES, R4B_TYPES

from .builders import (
    PATIENT,
    concept,
    condition,
    encounter,
    medication_request,
    observation,
    patient,
    procedure,
)

INHERITED = {"subject", "encounter", "status"}
"""Fields of every struct, filled only where the type has them."""


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"fhir.resources.R4B.{name.lower()}"), name)


def elements(name: str) -> dict[str, Any]:
    return {field.alias or key: field for key, field in model(name).model_fields.items()}


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_elements_read_are_those_of_r4_and_those_refused_are_not(name: str) -> None:
    known = elements(name)
    for field in msgspec.structs.fields(MAPPED[name]):
        if field.type is NotInR4:
            assert field.encode_name not in known
        elif field.encode_name not in INHERITED:
            assert field.encode_name in known
            is_list = "List" in str(known[field.encode_name].annotation)
            assert str(field.type).startswith("tuple") == is_list, field.encode_name


@pytest.mark.parametrize("name", sorted(MAPPED))
def test_required_elements_of_r4_that_are_read_are_required(name: str) -> None:
    required = {
        alias
        for alias, field in elements(name).items()
        if field.is_required() or (field.json_schema_extra or {}).get("element_required")
    }
    fields = {field.encode_name: field for field in msgspec.structs.fields(MAPPED[name])}
    stated = {alias for alias, field in fields.items() if field.required}
    assert stated == required & fields.keys()


def test_every_type_of_r4_and_r4b_is_mapped_or_counted_by_name() -> None:
    counted = {*MAPPED, *UNMAPPED.values(), "Bundle"}
    assert counted == R4_TYPES | R4B_TYPES
    assert len(R4_TYPES) == 146
    assert len(KINDS) == 23


VALID = [
    patient(birthDate="1950-06-07", gender="female", maritalStatus=concept("http://x", "M")),
    encounter(type=[concept("http://x", "1")]),
    condition(recordedDate="2020-01-01"),
    observation(valueQuantity={"value": 1.5, "unit": "mg"}, issued="2020-03-01T08:00:00Z"),
    procedure(bodySite=[concept("http://x", "1")]),
    medication_request(),
    {
        "resourceType": "SubstanceDefinition",
        "status": concept("http://hl7.org/fhir/publication-status", "active"),
        "identifier": [{"system": "http://x", "value": "1"}],
        "name": [{"name": "aspirin", "preferred": True}],
        "structure": {"representation": [{"representation": "CCO", "format": {"text": "SMILES"}}]},
    },
    {
        "resourceType": "MolecularSequence",
        "coordinateSystem": 0,
        "identifier": [{"value": "P00533"}],
        "type": "aa",
        "observedSeq": "MRPSGTAGAALLALLAALCP",
        "referenceSeq": {"referenceSeqId": concept("http://x", "1"), "windowStart": 0},
    },
    {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": concept("http://x", "1"),
        "subject": PATIENT,
        "conclusion": "fine",
        "presentedForm": [{"contentType": "text/plain", "data": "SGVsbG8="}],
    },
    {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [{"linkId": "1", "answer": [{"valueBoolean": True}]}],
    },
]
WRONG: list[Any] = [{"no": "such"}, [[1]], [7], "text", 7, True]
CASES = [
    (resource, element, value)
    for resource in VALID
    for element in resource
    if element not in ("resourceType", "id")
    for value in WRONG
]


def accepts(resource: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the engine, and the oracle, accept the resource."""
    try:
        decode_resource(json.dumps(resource))
        ours = True
    except msgspec.ValidationError:
        ours = False
    try:
        model(resource["resourceType"]).model_validate(resource)
        theirs = True
    except pydantic.ValidationError:
        theirs = False
    return ours, theirs


@pytest.mark.parametrize("resource", VALID, ids=lambda resource: resource["resourceType"])
def test_oracle_accepts_what_we_accept(resource: dict[str, Any]) -> None:
    assert accepts(resource) == (True, True)


def test_what_the_oracle_refuses_as_wrong_type_is_refused() -> None:
    """Except what is lenient on purpose: unknown members of an object, and dates, read later."""
    lenient = []
    for resource, element, value in CASES:
        ours, theirs = accepts(resource | {element: value})
        if ours and not theirs:
            lenient.append((resource["resourceType"], element, value))
    later = {"birthDate", "recordedDate", "onsetDateTime", "effectiveDateTime", "issued"}
    later |= {"performedDateTime", "authoredOn"}
    later.add("coordinateSystem")  # required in R4, but not read
    assert [case for case in lenient if case[2] != {"no": "such"} and case[1] not in later] == []
