"""Patient: demographics, birth and death.

Source: https://hl7.org/fhir/R4/patient.html
"""

from typing import Literal

from meds import birth_code, death_code
from msgspec import UNSET

from transforms.fhir.codes import label, prefixed
from transforms.fhir.datatypes import (
    CodeableConcept,
    Coding,
    Element,
    Identifier,
    NotInR4,
    Resource,
)
from transforms.fhir.rows import Fact, Facts
from transforms.fhir.times import first_moment_us, last_moment_us

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_RACE, _ETHNICITY, _BIRTH_SEX = _US_CORE + "race", _US_CORE + "ethnicity", _US_CORE + "birthsex"

_SMALL = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
SMALL_ZIP3 = frozenset(_SMALL.split())
"""Three-digit zips of at most 20,000 people, kept as 000 (45 CFR 164.514(b)(2)(i)(B)).

Source: https://www.hhs.gov/hipaa/for-professionals/special-topics/de-identification/index.html
"""

_UNITED_STATES = frozenset({"US", "USA", "UNITED STATES", "UNITED STATES OF AMERICA"})


class Extension(Element):
    """An extension, as far as US Core's race, ethnicity and birth sex need it."""

    url: str = ""
    extension: tuple["Extension", ...] = ()
    value_coding: Coding | None = None
    value_code: str | None = None


class Address(Element):
    """State and zip; street and city are not read."""

    use: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Patient(Resource, kw_only=True):
    """What is kept of a Patient; its identifiers go to the restricted namespace alone."""

    identifier: tuple[Identifier, ...] = ()
    extension: tuple[Extension, ...] = ()
    gender: Literal["male", "female", "other", "unknown"] | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None
    marital_status: CodeableConcept | None = None
    address: tuple[Address, ...] = ()
    animal: NotInR4 = UNSET
    care_provider: NotInR4 = UNSET


def facts_from_patient(patient: Patient) -> Facts:
    """Patient -> static facts (time None), birth at the start of its day and death.

    A death without a time is `DECEASED//true`, timed by the last update. A Patient who says
    nothing else gives `PATIENT`.

    Source: https://hl7.org/fhir/R4/patient.html,
    https://hl7.org/fhir/us/core/StructureDefinition-us-core-patient.html
    Raises: ValueError, when a date cannot be read.
    """
    facts: list[Fact] = []
    if patient.birth_date is not None:
        born = first_moment_us(patient.birth_date, "Patient.birthDate")
        facts.append((born, birth_code, None, None, None, None))
    if patient.gender is not None:
        facts.append(_static(f"SEX//{patient.gender}"))
    for extension in patient.extension:
        if extension.url == _RACE:
            facts += _omb_categories("RACE", extension)
        elif extension.url == _ETHNICITY:
            facts += _omb_categories("ETHNICITY", extension)
        elif extension.url == _BIRTH_SEX and extension.value_code:
            facts.append(_static(f"BIRTHSEX//{extension.value_code}"))
    if patient.marital_status is not None:
        facts.append(_marital_status(patient.marital_status))
    facts += _region(patient.address)
    if patient.deceased_date_time is not None:
        died = last_moment_us(patient.deceased_date_time, "Patient.deceasedDateTime")
        facts.append((died, death_code, None, None, None, None))
    elif patient.deceased_boolean and patient.meta is not None and patient.meta.last_updated:
        known = last_moment_us(patient.meta.last_updated, "Patient.meta.lastUpdated")
        facts.append((known, "DECEASED//true", None, None, None, None))
    return facts or [_static("PATIENT")]


def _static(code: str, text: str | None = None, codes: list[str] | None = None) -> Fact:
    return (None, code, None, text, None, codes)


def _omb_categories(prefix: str, extension: Extension) -> list[Fact]:
    """The OMB categories of US Core's race and ethnicity, with the detailed codes beside them."""
    detailed = [
        prefixed(prefix, part.value_coding)
        for part in extension.extension
        if part.url == "detailed" and part.value_coding is not None
    ]
    return [
        _static(prefixed(prefix, part.value_coding), None, detailed or None)
        for part in extension.extension
        if part.url == "ombCategory"
    ]


def _marital_status(concept: CodeableConcept) -> Fact:
    for coding in concept.coding:
        if coding.code:
            return _static(prefixed("MARITAL_STATUS", coding))
    return _static("MARITAL_STATUS//TEXT", label(concept))


def _region(addresses: tuple[Address, ...]) -> list[Fact]:
    """State and zip of the first address in use; a zip outside the United States is left out."""
    for address in addresses:
        if address.use == "old" or not (address.state or address.postal_code):
            continue
        facts = []
        if address.state:
            facts.append(_static(f"STATE//{address.state.strip()}"))
        zip3 = _zip3(address)
        if zip3 is not None:
            facts.append(_static(f"ZIP3//{zip3}"))
        return facts
    return []


def _zip3(address: Address) -> str | None:
    if address.country and address.country.strip().upper() not in _UNITED_STATES:
        return None
    digits = (address.postal_code or "").strip()[:5]
    if len(digits) < 5 or not (digits.isascii() and digits.isdigit()):
        return None
    return "000" if digits[:3] in SMALL_ZIP3 else digits[:3]
