"""Medication and the four resources that say what was ordered, dispensed, given or taken.

Source: https://hl7.org/fhir/R4/medications-module.html
"""

import dataclasses
from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    NotInR4,
    Period,
    Quantity,
    Reference,
    Resource,
)
from transforms.fhir.rows import Fact, Facts
from transforms.fhir.times import begun_us, known_us
from transforms.fhir.values import read_quantity


class Ingredient(Element):
    """What a medication consists of, as codes."""

    item_codeable_concept: CodeableConcept | None = None


class Medication(Resource, kw_only=True):
    """What is kept of a Medication."""

    code: CodeableConcept | None = None
    ingredient: tuple[Ingredient, ...] = ()
    definition: NotInR4 = UNSET
    dose_form: NotInR4 = UNSET
    is_brand: NotInR4 = UNSET
    is_over_the_counter: NotInR4 = UNSET
    marketing_authorization_holder: NotInR4 = UNSET
    package: NotInR4 = UNSET
    product: NotInR4 = UNSET
    total_volume: NotInR4 = UNSET


class MedicationEvent(Resource, kw_only=True):
    """What the four have in common: the drug, as a concept or as a reference to a Medication."""

    medication_codeable_concept: CodeableConcept | None = None
    medication_reference: Reference | None = None
    medication: NotInR4 = UNSET


class DoseAndRate(Element):
    """Amount per dose."""

    dose_quantity: Quantity | None = None


class DosageInstruction(Element):
    """How a drug is to be taken; its text is not read."""

    dose_and_rate: tuple[DoseAndRate, ...] = ()


class MedicationRequest(MedicationEvent, kw_only=True):
    """What is kept of a MedicationRequest."""

    status: Literal[
        "active",
        "on-hold",
        "cancelled",
        "completed",
        "entered-in-error",
        "stopped",
        "draft",
        "unknown",
    ]
    intent: Literal[
        "proposal",
        "plan",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    ]
    subject: Reference
    do_not_perform: bool | None = None
    category: tuple[CodeableConcept, ...] = ()
    authored_on: str | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    dosage_instruction: tuple[DosageInstruction, ...] = ()
    context: NotInR4 = UNSET
    date_written: NotInR4 = UNSET
    definition: NotInR4 = UNSET
    device: NotInR4 = UNSET
    effective_dose_period: NotInR4 = UNSET
    information_source: NotInR4 = UNSET
    patient: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    reported: NotInR4 = UNSET
    status_changed: NotInR4 = UNSET


class Dosage(Element):
    """How a drug was given."""

    route: CodeableConcept | None = None
    dose: Quantity | None = None


class MedicationAdministration(MedicationEvent, kw_only=True):
    """What is kept of a MedicationAdministration."""

    status: Literal[
        "in-progress",
        "not-done",
        "on-hold",
        "completed",
        "entered-in-error",
        "stopped",
        "unknown",
    ]
    subject: Reference
    encounter: Reference | None = field(name="context", default=None)
    category: CodeableConcept | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    dosage: Dosage | None = None
    based_on: NotInR4 = UNSET
    definition: NotInR4 = UNSET
    effective_time_date_time: NotInR4 = UNSET
    effective_time_period: NotInR4 = UNSET
    encounter_in_r5: NotInR4 = field(name="encounter", default=UNSET)
    not_given: NotInR4 = UNSET
    occurence_date_time: NotInR4 = UNSET
    occurence_period: NotInR4 = UNSET
    occurence_timing: NotInR4 = UNSET
    patient: NotInR4 = UNSET
    prescription: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    reason_not_given: NotInR4 = UNSET
    recorded: NotInR4 = UNSET
    was_not_given: NotInR4 = UNSET


class MedicationStatement(MedicationEvent, kw_only=True):
    """What is kept of a MedicationStatement."""

    status: Literal[
        "active",
        "completed",
        "entered-in-error",
        "intended",
        "stopped",
        "on-hold",
        "unknown",
        "not-taken",
    ]
    subject: Reference
    encounter: Reference | None = field(name="context", default=None)
    category: CodeableConcept | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    date_asserted: str | None = None
    reason_code: tuple[CodeableConcept, ...] = ()
    adherence: NotInR4 = UNSET
    effective_timing: NotInR4 = UNSET
    encounter_in_r5: NotInR4 = field(name="encounter", default=UNSET)
    patient: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    reason_not_taken: NotInR4 = UNSET
    taken: NotInR4 = UNSET
    was_not_taken: NotInR4 = UNSET


class MedicationDispense(MedicationEvent, kw_only=True):
    """What is kept of a MedicationDispense."""

    status: Literal[
        "preparation",
        "in-progress",
        "cancelled",
        "on-hold",
        "completed",
        "entered-in-error",
        "stopped",
        "declined",
        "unknown",
    ]
    encounter: Reference | None = field(name="context", default=None)
    category: CodeableConcept | None = None
    type: CodeableConcept | None = None
    quantity: Quantity | None = None
    when_prepared: str | None = None
    when_handed_over: str | None = None
    based_on: NotInR4 = UNSET
    encounter_in_r5: NotInR4 = field(name="encounter", default=UNSET)
    not_done: NotInR4 = UNSET
    not_done_reason_codeable_concept: NotInR4 = UNSET
    not_performed_reason: NotInR4 = UNSET
    patient: NotInR4 = UNSET
    recorded: NotInR4 = UNSET
    status_changed: NotInR4 = UNSET


@dataclasses.dataclass(frozen=True, slots=True)
class Drug:
    """What a medication resource is about: code, text where there is no code, other codes.

    `key` is set, and the code open, where the Medication is not in the unit.
    """

    code: str
    text: str | None
    codes: list[str]
    key: int | None = None


def drug_from_medication(medication: Medication, resource_type: str) -> Drug:
    """Medication -> its code, else that of its first ingredient; the ingredients' codes beside it.

    Source: https://hl7.org/fhir/R4/medication.html
    """
    ingredients = [
        part.item_codeable_concept for part in medication.ingredient if part.item_codeable_concept
    ]
    code, text, codes = read_concept(medication.code, resource_type)
    beside = coding_texts(ingredients)
    if medication.code is None and ingredients:
        code, text, codes = read_concept(ingredients[0], resource_type)
        beside = [other for other in beside if other != code and other not in codes]
    return Drug(code, text, codes + beside)


def facts_from_medication_request(request: MedicationRequest, drug: Drug) -> Facts:
    """MedicationRequest -> the drug when it was ordered, with the first dose as its number.

    Source: https://hl7.org/fhir/R4/medicationrequest.html
    Raises: ValueError, when the time cannot be read or the dose does not fit float32.
    """
    if request.do_not_perform:
        return "do not perform"
    time = known_us(None, request.authored_on, "MedicationRequest.authoredOn")
    codes = drug.codes + coding_texts(request.category) + coding_texts(request.reason_code)
    doses = (
        rate.dose_quantity
        for instruction in request.dosage_instruction
        for rate in instruction.dose_and_rate
        if rate.dose_quantity is not None
    )
    element = "MedicationRequest.dosageInstruction.doseAndRate.doseQuantity"
    return [_drug_fact(time, drug, codes, next(doses, None), element)]


def facts_from_medication_administration(
    administration: MedicationAdministration, drug: Drug
) -> Facts:
    """MedicationAdministration -> the drug when its giving began, with the dose as its number.

    Source: https://hl7.org/fhir/R4/medicationadministration.html
    Raises: ValueError, when effective[x] is missing or cannot be read or the dose does not fit.
    """
    element = "MedicationAdministration.effective[x]"
    if administration.effective_date_time is None and administration.effective_period is None:
        raise ValueError(f"{element}: missing, but required")
    time = begun_us(administration.effective_date_time, administration.effective_period, element)
    codes = drug.codes + coding_texts(administration.reason_code)
    if administration.category is not None:
        codes += coding_texts((administration.category,))
    dose = None
    if administration.dosage is not None:
        dose = administration.dosage.dose
        if administration.dosage.route is not None:
            codes += coding_texts((administration.dosage.route,))
    return [_drug_fact(time, drug, codes, dose, "MedicationAdministration.dosage.dose")]


def facts_from_medication_statement(statement: MedicationStatement, drug: Drug) -> Facts:
    """MedicationStatement -> the drug when it was stated, or first taken if that is later.

    Source: https://hl7.org/fhir/R4/medicationstatement.html
    Raises: ValueError, when a time cannot be read.
    """
    begun = begun_us(
        statement.effective_date_time,
        statement.effective_period,
        "MedicationStatement.effective[x]",
    )
    time = known_us(begun, statement.date_asserted, "MedicationStatement.dateAsserted")
    codes = drug.codes + coding_texts(statement.reason_code)
    if statement.category is not None:
        codes += coding_texts((statement.category,))
    return [_drug_fact(time, drug, codes, None, "")]


def facts_from_medication_dispense(dispense: MedicationDispense, drug: Drug) -> Facts:
    """MedicationDispense -> the drug when handed over, else when prepared; the quantity as number.

    Source: https://hl7.org/fhir/R4/medicationdispense.html
    Raises: ValueError, when a time cannot be read or the quantity does not fit float32.
    """
    time = begun_us(
        dispense.when_handed_over or dispense.when_prepared,
        None,
        "MedicationDispense.whenHandedOver",
    )
    codes = list(drug.codes)
    for concept in (dispense.category, dispense.type):
        if concept is not None:
            codes += coding_texts((concept,))
    return [_drug_fact(time, drug, codes, dispense.quantity, "MedicationDispense.quantity")]


def _drug_fact(
    time: int | None, drug: Drug, codes: list[str], amount: Quantity | None, element: str
) -> Fact:
    """The drug with its amount; a comparator's text gives way to the drug's."""
    if amount is None:
        return (time, drug.code, None, drug.text, None, codes or None)
    number, text, unit = read_quantity(amount, element)
    return (time, drug.code, number, drug.text or text, unit, codes or None)
