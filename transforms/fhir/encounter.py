"""Encounter: stays and visits.

Source: https://hl7.org/fhir/R4/encounter.html
"""

from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, prefixed, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    Coding,
    Element,
    NotInR4,
    Period,
    Reference,
    Resource,
)
from transforms.fhir.rows import Fact, Facts
from transforms.fhir.times import last_moment_us


class Hospitalization(Element):
    """Where the patient came from and went to, as codes."""

    admit_source: CodeableConcept | None = None
    discharge_disposition: CodeableConcept | None = None


class Encounter(Resource, kw_only=True):
    """What is kept of an Encounter."""

    status: Literal[
        "planned",
        "arrived",
        "triaged",
        "in-progress",
        "onleave",
        "finished",
        "cancelled",
        "entered-in-error",
        "unknown",
    ]
    class_: Coding = field(name="class")
    subject: Reference | None = None
    type: tuple[CodeableConcept, ...] = ()
    service_type: CodeableConcept | None = None
    priority: CodeableConcept | None = None
    period: Period | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    hospitalization: Hospitalization | None = None
    actual_period: NotInR4 = UNSET
    admission: NotInR4 = UNSET
    incoming_referral: NotInR4 = UNSET
    patient: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    subject_status: NotInR4 = UNSET


def facts_from_encounter(encounter: Encounter) -> Facts:
    """Encounter -> start, type, reasons and admission at its start; end and disposition at its end.

    Without a start the type and reasons are known at the end; without both, when last updated,
    under `ENCOUNTER//<class>`. A disposition without an end is left out: nothing says when it
    was known.

    Source: https://hl7.org/fhir/R4/encounter.html
    Raises: ValueError, when a time cannot be read or the end is before the start.
    """
    period = encounter.period
    start = end = None
    if period is not None:
        if period.start is not None:
            start = last_moment_us(period.start, "Encounter.period.start")
        if period.end is not None:
            end = last_moment_us(period.end, "Encounter.period.end")
    if start is not None and end is not None and end < start:
        raise ValueError("Encounter.period: expected the start before the end")
    class_code = encounter.class_.code or "UNKNOWN"
    types = coding_texts(encounter.type)
    facts: list[Fact] = []
    if start is not None:
        facts.append((start, f"ENCOUNTER_START//{class_code}", None, None, None, types or None))
    elif end is None:
        facts.append((None, f"ENCOUNTER//{class_code}", None, None, None, types or None))
    begun = end if start is None else start
    if types:
        facts.append((begun, types[0], None, None, None, types[1:] or None))
    elif encounter.type:
        code, text, _ = read_concept(encounter.type[0], "Encounter")
        facts.append((begun, code, None, text, None, None))
    for reason in encounter.reason_code:
        facts.append(_prefixed_fact(begun, "ENCOUNTER_REASON", reason))
    if encounter.service_type is not None:
        facts.append(_prefixed_fact(begun, "SERVICE_TYPE", encounter.service_type))
    if encounter.priority is not None:
        facts.append(_prefixed_fact(begun, "ENCOUNTER_PRIORITY", encounter.priority))
    stay = encounter.hospitalization
    if stay is not None and stay.admit_source is not None:
        facts.append(_prefixed_fact(begun, "ADMIT_SOURCE", stay.admit_source))
    if end is not None:
        facts.append((end, f"ENCOUNTER_END//{class_code}", None, None, None, types or None))
        if stay is not None and stay.discharge_disposition is not None:
            facts.append(_disposition(end, stay.discharge_disposition))
    return facts


def _prefixed_fact(time: int | None, prefix: str, concept: CodeableConcept) -> Fact:
    """A concept about the encounter as `prefix//SYSTEM//code`, or `prefix//TEXT`."""
    codes = [f"{prefix}//{code}" for code in coding_texts((concept,))]
    if codes:
        return (time, codes[0], None, None, None, codes[1:] or None)
    return (time, f"{prefix}//TEXT", None, concept.text, None, None)


def _disposition(end: int, concept: CodeableConcept) -> Fact:
    """`DISCHARGE_DISPOSITION//code` of the first coding; every coding with its system beside it."""
    for coding in concept.coding:
        if coding.code:
            codes = coding_texts((concept,))
            return (end, prefixed("DISCHARGE_DISPOSITION", coding), None, None, None, codes)
    return (end, "DISCHARGE_DISPOSITION//TEXT", None, concept.text, None, None)
