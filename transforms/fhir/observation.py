"""Observation: what was measured, seen or answered.

Source: https://hl7.org/fhir/R4/observation.html
"""

from typing import Literal

from msgspec import UNSET

from transforms.fhir.codes import coding_texts, label, read_concept
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    NotInR4,
    Period,
    Quantity,
    Range,
    Ratio,
    Resource,
    SampledData,
)
from transforms.fhir.rows import MAX_REPEATED, Fact, Facts
from transforms.fhir.scrub import scrub
from transforms.fhir.times import ended_us, known_us
from transforms.fhir.values import NO_VALUE, Value, read_quantity, read_range, read_ratio


class Component(Element, kw_only=True):
    """One of several values of an Observation, such as systolic pressure."""

    code: CodeableConcept
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_range: Range | None = None
    value_ratio: Ratio | None = None
    value_sampled_data: SampledData | None = None
    value_time: str | None = None
    value_date_time: str | None = None
    value_period: Period | None = None
    value_attachment: NotInR4 = UNSET
    value_reference: NotInR4 = UNSET
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] = ()


class Observation(Resource, kw_only=True):
    """What is kept of an Observation."""

    status: Literal[
        "registered",
        "preliminary",
        "final",
        "amended",
        "corrected",
        "cancelled",
        "entered-in-error",
        "unknown",
    ]
    category: tuple[CodeableConcept, ...] = ()
    code: CodeableConcept
    effective_date_time: str | None = None
    effective_period: Period | None = None
    effective_instant: str | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_integer: int | None = None
    value_range: Range | None = None
    value_ratio: Ratio | None = None
    value_sampled_data: SampledData | None = None
    value_time: str | None = None
    value_date_time: str | None = None
    value_period: Period | None = None
    data_absent_reason: CodeableConcept | None = None
    interpretation: tuple[CodeableConcept, ...] = ()
    body_site: CodeableConcept | None = None
    method: CodeableConcept | None = None
    component: tuple[Component, ...] = ()
    body_structure: NotInR4 = UNSET
    comment: NotInR4 = UNSET
    comments: NotInR4 = UNSET
    context: NotInR4 = UNSET
    instantiates_canonical: NotInR4 = UNSET
    instantiates_reference: NotInR4 = UNSET
    related: NotInR4 = UNSET
    triggered_by: NotInR4 = UNSET
    value_attachment: NotInR4 = UNSET
    value_reference: NotInR4 = UNSET


def facts_from_observation(observation: Observation) -> Facts:
    """Observation -> one fact per value it carries.

    A component is a fact of its own (blood pressure gives two), with the Observation's own code
    among its further codes. Without any value the code stands alone, its reason beside it. The
    time is the end of the effective period, since only then the value is known, or `issued`.

    Source: https://hl7.org/fhir/R4/observation.html
    Raises: ValueError, when a time cannot be read, a number does not fit float32, or the
    components would repeat more than MAX_REPEATED characters of the Observation's codes.
    """
    time = ended_us(
        observation.effective_date_time or observation.effective_instant,
        observation.effective_period,
        "Observation.effective[x]",
    )
    if observation.issued is not None:
        time = known_us(time, observation.issued, "Observation.issued")
    code, text, codes = read_concept(observation.code, "Observation")
    beside = coding_texts(observation.category)
    if observation.body_site is not None:
        beside += coding_texts((observation.body_site,))
    if observation.method is not None:
        beside += coding_texts((observation.method,))
    facts: list[Fact] = []
    value = read_value(observation, "Observation")
    if value is not None or not observation.component:
        number, value_text, unit, value_codes = value or NO_VALUE
        further = [*codes, *value_codes, *beside]
        if observation.interpretation or observation.data_absent_reason is not None:
            further += _remarks(observation)
        facts.append((time, code, number, _joined(text, value_text), unit, further or None))
    repeated = sum(map(len, (code, *codes, *beside)))
    if len(observation.component) * repeated > MAX_REPEATED:
        raise ValueError("Observation.component: too many, with too many codes to repeat in each")
    for component in observation.component:
        part, part_text, part_codes = read_concept(component.code, "Observation")
        number, value_text, unit, value_codes = read_value(component, "Observation.component") or (
            None,
            None,
            None,
            [],
        )
        further = [*part_codes, *value_codes, code, *codes, *beside]
        if component.interpretation or component.data_absent_reason is not None:
            further += _remarks(component)
        facts.append((time, part, number, _joined(part_text, value_text), unit, further))
    return facts


def read_value(valued: "Observation | Component", element: str) -> Value | None:
    """value[x] of an Observation or component -> its value, None where there is none.

    A coded value gives its text and its codes; a boolean 0 or 1 and its text; a ratio `1:128`
    and its quotient; a range and a period `low..high`; sampled data its samples as text.

    Source: https://hl7.org/fhir/R4/observation-definitions.html#Observation.value_x_
    Raises: ValueError, when a number does not fit float32.
    """
    if valued.value_quantity is not None:
        return (*read_quantity(valued.value_quantity, f"{element}.valueQuantity"), ())
    if valued.value_codeable_concept is not None:
        concept = valued.value_codeable_concept
        return None, label(concept), None, coding_texts((concept,))
    if valued.value_string is not None:
        return None, scrub(valued.value_string), None, ()
    if valued.value_boolean is not None:
        return float(valued.value_boolean), str(valued.value_boolean).lower(), None, ()
    if valued.value_integer is not None:
        return float(valued.value_integer), None, None, ()
    if valued.value_range is not None:
        return read_range(valued.value_range, f"{element}.valueRange")
    if valued.value_ratio is not None:
        return read_ratio(valued.value_ratio, f"{element}.valueRatio")
    if valued.value_sampled_data is not None:
        sampled = valued.value_sampled_data
        return None, sampled.data, sampled.origin.code or sampled.origin.unit, ()
    if valued.value_period is not None:
        period = valued.value_period
        return None, f"{period.start or ''}..{period.end or ''}", None, ()
    text = valued.value_date_time or valued.value_time
    return None if text is None else (None, text, None, ())


def _remarks(valued: Observation | Component) -> list[str]:
    """Interpretation and reason of absence as codes: `INTERPRETATION//H`."""
    codes = [
        f"INTERPRETATION//{coding.code}"
        for concept in valued.interpretation
        for coding in concept.coding
        if coding.code
    ]
    if valued.data_absent_reason is not None:
        codes += [
            f"DATA_ABSENT_REASON//{coding.code}"
            for coding in valued.data_absent_reason.coding
            if coding.code
        ]
    return codes


def _joined(name: str | None, value: str | None) -> str | None:
    """Text of a code that is only text, and of its value."""
    if name is None or value is None:
        return name or value
    return f"{name}: {value}"
