"""Condition, AllergyIntolerance and FamilyMemberHistory: what a patient, or a relative, has.

Source: https://hl7.org/fhir/R4/condition.html
"""

from typing import Literal

from msgspec import UNSET, field

from transforms.fhir.codes import coding_texts, label, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    NotInR4,
    Period,
    PlainConcept,
    Reference,
    Resource,
)
from transforms.fhir.rows import ENTERED_IN_ERROR, Fact, Facts
from transforms.fhir.times import begun_us, known_us


class Condition(Resource, kw_only=True):
    """What is kept of a Condition; its clinical status is not, since it tells the future."""

    subject: Reference
    clinical_status: CodeableConcept | None = None
    verification_status: CodeableConcept | None = None
    category: tuple[CodeableConcept, ...] = ()
    severity: CodeableConcept | None = None
    code: CodeableConcept | None = None
    body_site: tuple[CodeableConcept, ...] = ()
    onset_date_time: str | None = None
    onset_period: Period | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None
    recorded_date: str | None = None
    abatement_boolean: NotInR4 = UNSET
    asserted_date: NotInR4 = UNSET
    context: NotInR4 = UNSET
    date_recorded: NotInR4 = UNSET
    participant: NotInR4 = UNSET
    patient: NotInR4 = UNSET


class Reaction(Element):
    """One adverse reaction, as codes."""

    substance: CodeableConcept | None = None
    manifestation: tuple[PlainConcept, ...] = ()


class AllergyIntolerance(Resource, kw_only=True):
    """What is kept of an AllergyIntolerance."""

    subject: Reference = field(name="patient")
    clinical_status: CodeableConcept | None = None
    verification_status: CodeableConcept | None = None
    type: Literal["allergy", "intolerance"] | None = None
    category: tuple[str | None, ...] = ()
    criticality: Literal["low", "high", "unable-to-assess"] | None = None
    code: CodeableConcept | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    reaction: tuple[Reaction, ...] = ()
    asserted_date: NotInR4 = UNSET
    participant: NotInR4 = UNSET
    substance: NotInR4 = UNSET


class RelativesCondition(Element):
    """A condition of a relative."""

    code: CodeableConcept


class FamilyMemberHistory(Resource, kw_only=True):
    """What is kept of a FamilyMemberHistory; the relative's name and dates are not."""

    status: Literal["partial", "completed", "entered-in-error", "health-unknown"]
    subject: Reference = field(name="patient")
    date: str | None = None
    relationship: CodeableConcept
    condition: tuple[RelativesCondition, ...] = ()
    definition: NotInR4 = UNSET
    not_done: NotInR4 = UNSET
    participant: NotInR4 = UNSET
    procedure: NotInR4 = UNSET
    reason: NotInR4 = UNSET


def facts_from_condition(condition: Condition) -> Facts:
    """Condition -> its code at onset, `CONDITION_END//code` at abatement.

    An onset given as age, range or text has no date: then the recorded date counts, and after it
    the abatement, since by then the condition was known.

    Source: https://hl7.org/fhir/R4/condition.html
    Raises: ValueError, when a time cannot be read.
    """
    if reason := _not_held(condition.verification_status):
        return reason
    onset = begun_us(condition.onset_date_time, condition.onset_period, "Condition.onset[x]")
    abated = begun_us(
        condition.abatement_date_time, condition.abatement_period, "Condition.abatement[x]"
    )
    time = known_us(onset, condition.recorded_date, "Condition.recordedDate")
    code, text, codes = read_concept(condition.code, "Condition")
    further = codes + coding_texts(condition.category) + coding_texts(condition.body_site)
    if condition.severity is not None:
        further += coding_texts((condition.severity,))
    facts: list[Fact] = [
        (abated if time is None else time, code, None, text, None, further or None)
    ]
    if abated is not None:
        end = abated if time is None or time < abated else time
        facts.append((end, f"CONDITION_END//{code}", None, text, None, codes or None))
    return facts


def facts_from_allergy(allergy: AllergyIntolerance) -> Facts:
    """AllergyIntolerance -> its code when it was recorded, or at onset if that is later.

    Type, category, criticality and the reactions' codes go to the further codes.

    Source: https://hl7.org/fhir/R4/allergyintolerance.html
    Raises: ValueError, when a time cannot be read.
    """
    if reason := _not_held(allergy.verification_status):
        return reason
    onset = begun_us(allergy.onset_date_time, allergy.onset_period, "AllergyIntolerance.onset[x]")
    time = known_us(onset, allergy.recorded_date, "AllergyIntolerance.recordedDate")
    code, text, codes = read_concept(allergy.code, "AllergyIntolerance")
    if allergy.type is not None:
        codes.append(f"allergy-intolerance-type//{allergy.type}")
    codes += [
        f"allergy-intolerance-category//{category}" for category in allergy.category if category
    ]
    if allergy.criticality is not None:
        codes.append(f"allergy-intolerance-criticality//{allergy.criticality}")
    for reaction in allergy.reaction:
        if reaction.substance is not None:
            codes += coding_texts((reaction.substance,))
        codes += coding_texts(reaction.manifestation)
    return [(time, code, None, text, None, codes or None)]


def facts_from_family_history(history: FamilyMemberHistory) -> Facts:
    """FamilyMemberHistory -> `FAMILY_HISTORY//code` per condition of the relative.

    The prefix keeps a relative's disease from being read as the patient's. The text says who
    the relative is; without conditions there is one `FAMILY_HISTORY`.

    Source: https://hl7.org/fhir/R4/familymemberhistory.html
    Raises: ValueError, when the date cannot be read.
    """
    time = known_us(None, history.date, "FamilyMemberHistory.date")
    relative = label(history.relationship)
    relationship = coding_texts((history.relationship,))
    facts: list[Fact] = []
    for condition in history.condition:
        codes = [f"FAMILY_HISTORY//{code}" for code in coding_texts((condition.code,))]
        text = relative
        if not codes:
            codes = ["FAMILY_HISTORY//TEXT"]
            text = ": ".join(filter(None, (relative, condition.code.text)))
        facts.append((time, codes[0], None, text, None, (codes[1:] + relationship) or None))
    return facts or [(time, "FAMILY_HISTORY", None, relative, None, relationship or None)]


def _not_held(verification_status: CodeableConcept | None) -> str | None:
    """The reason to leave out what was refuted or entered in error."""
    if verification_status is not None:
        for coding in verification_status.coding:
            if coding.code == "entered-in-error":
                return ENTERED_IN_ERROR
            if coding.code == "refuted":
                return "status refuted"
    return None
