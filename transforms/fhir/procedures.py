"""Procedure and Immunization: what was done to a patient.

Source: https://hl7.org/fhir/R4/procedure.html
"""

from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    NotInR4,
    Period,
    Reference,
    Resource,
)
from transforms.fhir.rows import Facts
from transforms.fhir.times import begun_us, known_us, last_moment_us


class Procedure(Resource, kw_only=True):
    """What is kept of a Procedure."""

    status: Literal[
        "preparation",
        "in-progress",
        "not-done",
        "on-hold",
        "stopped",
        "completed",
        "entered-in-error",
        "unknown",
    ]
    subject: Reference
    category: CodeableConcept | None = None
    code: CodeableConcept | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    body_site: tuple[CodeableConcept, ...] = ()
    outcome: CodeableConcept | None = None
    context: NotInR4 = UNSET
    definition: NotInR4 = UNSET
    focus: NotInR4 = UNSET
    not_done: NotInR4 = UNSET
    not_performed: NotInR4 = UNSET
    occurrence_age: NotInR4 = UNSET
    occurrence_date_time: NotInR4 = UNSET
    occurrence_period: NotInR4 = UNSET
    occurrence_range: NotInR4 = UNSET
    occurrence_string: NotInR4 = UNSET
    occurrence_timing: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    recorded: NotInR4 = UNSET


class Immunization(Resource, kw_only=True):
    """What is kept of an Immunization."""

    status: Literal["completed", "entered-in-error", "not-done"]
    subject: Reference = field(name="patient")
    vaccine_code: CodeableConcept
    occurrence_date_time: str | None = None
    occurrence_string: str | None = None
    recorded: str | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    administered_product: NotInR4 = UNSET
    date: NotInR4 = UNSET
    explanation: NotInR4 = UNSET
    information_source: NotInR4 = UNSET
    not_given: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    was_not_given: NotInR4 = UNSET


def facts_from_procedure(procedure: Procedure) -> Facts:
    """Procedure -> its code when it was begun; category, reasons, sites and outcome beside it.

    Source: https://hl7.org/fhir/R4/procedure.html
    Raises: ValueError, when the time cannot be read.
    """
    time = begun_us(
        procedure.performed_date_time, procedure.performed_period, "Procedure.performed[x]"
    )
    code, text, codes = read_concept(procedure.code, "Procedure")
    if procedure.category is not None:
        codes += coding_texts((procedure.category,))
    if procedure.reason_code:
        codes += coding_texts(procedure.reason_code)
    if procedure.body_site:
        codes += coding_texts(procedure.body_site)
    if procedure.outcome is not None:
        codes += coding_texts((procedure.outcome,))
    return [(time, code, None, text, None, codes or None)]


def facts_from_immunization(immunization: Immunization) -> Facts:
    """Immunization -> the vaccine's code when it was given or, if later, recorded.

    Source: https://hl7.org/fhir/R4/immunization.html
    Raises: ValueError, when a time cannot be read or none of occurrence[x] is there.
    """
    given = None
    if immunization.occurrence_date_time is not None:
        given = last_moment_us(immunization.occurrence_date_time, "Immunization.occurrenceDateTime")
    elif immunization.occurrence_string is None:
        raise ValueError("Immunization.occurrence[x]: missing, but required")
    time = known_us(given, immunization.recorded, "Immunization.recorded")
    code, text, codes = read_concept(immunization.vaccine_code, "Immunization")
    if immunization.reason_code:
        codes += coding_texts(immunization.reason_code)
    for concept in (immunization.site, immunization.route):
        if concept is not None:
            codes += coding_texts((concept,))
    return [(time, code, None, text, None, codes or None)]
