"""The mapped resource types, and the decoder that tells them from all others.

A whole Bundle is decoded in one pass: the type of each resource picks its struct, and a type
that is not mapped picks an empty one, whose content is only scanned.
"""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from transforms.fhir import (
    conditions,
    documents,
    encounter,
    imaging,
    medication,
    messages,
    molecules,
    observation,
    orders,
    patient,
    procedures,
)
from transforms.fhir.datatypes import Element, Meta, Resource
from transforms.fhir.names import R4_TYPES, R4B_TYPES
from transforms.fhir.rows import ENTERED_IN_ERROR, Facts


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """How one resource type is read.

    `left_out`: statuses under which nothing happened yet or at all. `takes_drug`: `facts` also
    wants the Drug that the resource is about. `molecule`: what reads a resource that is about no
    patient and becomes a row of `molecules`.
    """

    name: str
    facts: Callable[..., Facts]
    left_out: dict[str, str]
    takes_drug: bool = False
    molecule: Callable[..., molecules.Molecule | str] | None = None


def _kind(
    facts: Callable[..., Facts], left_out: str = "", *, takes_drug: bool = False
) -> dict[type[Resource], Kind]:
    """The Kind of the resource that `facts` takes."""
    resource = next(iter(facts.__annotations__.values()))
    reasons = {status: f"status {status}" for status in left_out.split()}
    reasons["entered-in-error"] = ENTERED_IN_ERROR
    return {resource: Kind(resource.__name__, facts, reasons, takes_drug)}


def _no_facts(medication: medication.Medication) -> Facts:
    """A Medication is no event: it gives its code to those that refer to it."""
    return []


def _molecule(molecule: Callable[..., molecules.Molecule | str]) -> dict[type[Resource], Kind]:
    """The Kind of the resource that `molecule` takes: it has no events and no status."""
    resource = next(iter(molecule.__annotations__.values()))
    return {resource: Kind(resource.__name__, _of_a_patient, {}, molecule=molecule)}


def _of_a_patient(resource: Resource) -> Facts:
    """What is about no patient, but names one: it is left out."""
    return molecules.OF_A_PATIENT


KINDS: dict[type, Kind] = {
    **_kind(patient.facts_from_patient),
    **_kind(encounter.facts_from_encounter, "planned cancelled"),
    **_kind(conditions.facts_from_condition),
    **_kind(conditions.facts_from_allergy),
    **_kind(conditions.facts_from_family_history),
    **_kind(observation.facts_from_observation, "registered cancelled"),
    **_kind(procedures.facts_from_procedure, "preparation not-done"),
    **_kind(procedures.facts_from_immunization, "not-done"),
    **_kind(medication.facts_from_medication_request, "cancelled draft", takes_drug=True),
    **_kind(medication.facts_from_medication_administration, "not-done", takes_drug=True),
    **_kind(medication.facts_from_medication_statement, "intended not-taken", takes_drug=True),
    **_kind(
        medication.facts_from_medication_dispense,
        "preparation cancelled declined",
        takes_drug=True,
    ),
    **_kind(_no_facts),
    **_molecule(molecules.molecule_from_substance),
    **_molecule(molecules.molecule_from_sequence),
    **_kind(documents.facts_from_report, "registered cancelled"),
    **_kind(documents.facts_from_document),
    **_kind(imaging.facts_from_imaging_study, "cancelled"),
    **_kind(messages.facts_from_communication, "preparation not-done"),
    **_kind(messages.facts_from_response),
    **_kind(orders.facts_from_service_request, "draft revoked"),
    **_kind(orders.facts_from_specimen),
    **_kind(orders.facts_from_device),
}
"""Struct -> how it is read."""

MAPPED = {kind.name: resource for resource, kind in KINDS.items()}
"""Resource type -> struct."""


class Unmapped(msgspec.Struct, gc=False, tag_field="resourceType", tag=True):
    """A resource of a type that is not mapped: only the type is known."""


UNMAPPED: dict[type, str] = {
    msgspec.defstruct(name, [], bases=(Unmapped,), tag=name, gc=False): name
    for name in sorted((R4_TYPES | R4B_TYPES) - MAPPED.keys() - {"Bundle"})
}
"""Struct -> resource type."""


class Request(Element):
    """What a transaction or a history says was done."""

    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]
    url: str


class Response(Element):
    """What the server answered; in a history it holds the version."""

    last_modified: str | None = None
    etag: str | None = None


class Entry(Element):
    """One entry of a Bundle."""

    full_url: str | None = None
    resource: "AnyResource | None" = None
    request: Request | None = None
    response: Response | None = None


class Bundle(Element, tag_field="resourceType", tag=True):
    """A Bundle of any type."""

    meta: Meta | None = None
    timestamp: str | None = None
    entry: tuple[Entry, ...] = ()


class RawEntry(Element):
    """An entry whose resource is left as it stands."""

    full_url: Any = None
    resource: msgspec.Raw = msgspec.Raw()


class RawBundle(Element):
    """A Bundle whose entries are left as they stand."""

    timestamp: Any = None
    entry: tuple[msgspec.Raw, ...] = ()


class Head(Element):
    """What tells which resource it is, when all else fails to decode."""

    resource_type: Any = None
    id: Any = None


if TYPE_CHECKING:
    AnyResource: TypeAlias = Resource | Unmapped | Bundle
else:
    AnyResource = functools.reduce(operator.or_, [*KINDS, *UNMAPPED, Bundle])

decode_resource = msgspec.json.Decoder(AnyResource).decode
decode_entry = msgspec.json.Decoder(Entry).decode
decode_raw_entry = msgspec.json.Decoder(RawEntry).decode
decode_raw_bundle = msgspec.json.Decoder(RawBundle).decode
decode_head = msgspec.json.Decoder(Head).decode
