"""From a resource's references to the keys of what it belongs to.

Source: https://hl7.org/fhir/R4/references.html
"""

import re
from typing import TypeVar

import msgspec

from transforms.errors import Unresolved
from transforms.fhir.codes import read_concept
from transforms.fhir.datatypes import Identifier, Reference, Resource
from transforms.fhir.kinds import decode_head, decode_resource
from transforms.fhir.medication import Drug, Medication, MedicationEvent, drug_from_medication
from transforms.fhir.names import known_type
from transforms.fhir.patient import Patient
from transforms.fhir.references import References, Search
from transforms.keys import Keys

_Kind = TypeVar("_Kind", Patient, Medication)

_PLAIN_ENCOUNTER = re.compile(r"Encounter/[A-Za-z0-9.-]+")

NO_PATIENT = "no patient"

Subject = int | list[int] | str
"""subject_id, or link keys of identifiers that name the patient, or why there is no patient."""


class Linker:
    """The keys that references of one unit (a Bundle, or the lines of a file) lead to.

    `subjects` and `encounters` hold what was found, by the text of the reference.
    """

    def __init__(self, keys: Keys, references: References):
        self._keys = keys
        self._references = references
        self.subjects: dict[str | None, int] = {}
        self.encounters: dict[str | None, int | None] = {}

    def subject(self, reference: Reference | None, resource: Resource) -> Subject:
        """Reference to the patient -> its subject_id, link keys, or the reason to skip.

        Raises: Unresolved, when it leads nowhere; ValueError, when it is no reference.
        """
        if reference is None:
            return NO_PATIENT
        text = reference.reference
        if text is None:
            return self._logical_subject(reference)
        if text.startswith("#"):
            return self._contained_subject(text[1:], resource)
        try:
            target = self._references.find(text)
        except ValueError:
            raise ValueError("subject.reference: expected a FHIR reference") from None
        except Unresolved as error:
            raise Unresolved(f"subject.reference: {error}") from None
        if target.type != "Patient":
            # What stands before the slash may be anything, and the reason is kept.
            return f"subject is {target.type if known_type(target.type) else 'no FHIR type'}"
        if isinstance(target, Search):
            return self._by_identifiers([Identifier(target.system, target.value)])
        subject_id = self._keys.subject_id(target.id)
        self.subjects[text] = subject_id
        return subject_id

    def encounter(self, reference: Reference) -> int | None:
        """Reference to the Encounter -> encounter_id; None for one only described or searched for.

        Raises: Unresolved, when a URN is not in the Bundle; ValueError, when it is no reference.
        """
        text = reference.reference
        if text is None or text.startswith("#"):
            return None
        if _PLAIN_ENCOUNTER.fullmatch(text):
            plain = self._keys.hash(text)  # as resource_id, without taking the text apart
            self.encounters[text] = plain
            return plain
        try:
            target = self._references.find(text)
        except ValueError:
            raise ValueError("encounter.reference: expected a FHIR reference") from None
        except Unresolved as error:
            raise Unresolved(f"encounter.reference: {error}") from None
        found = None
        if target.type == "Encounter" and not isinstance(target, Search):
            found = self._keys.resource_id(target.type, target.id)
        self.encounters[text] = found
        return found

    def drug(self, event: MedicationEvent, resource_type: str) -> Drug:
        """medication[x] -> the drug; where its Medication is elsewhere, its link key.

        A Medication that is only described or searched for leaves the code `UNKNOWN`.

        Raises: ValueError, when medication[x] is missing or no reference; Unresolved, when it
        leads nowhere.
        """
        if event.medication_codeable_concept is not None:
            return Drug(*read_concept(event.medication_codeable_concept, resource_type))
        if event.medication_reference is None:
            raise ValueError(f"{resource_type}.medication[x]: missing, but required")
        text = event.medication_reference.reference
        unknown = f"{resource_type}//UNKNOWN"
        if text is None:
            return Drug(unknown, None, [])
        if text.startswith("#"):
            return drug_from_medication(_contained(text[1:], event, Medication), resource_type)
        try:
            target = self._references.find(text)
        except ValueError:
            raise ValueError("medicationReference.reference: expected a FHIR reference") from None
        except Unresolved as error:
            raise Unresolved(f"medicationReference.reference: {error}") from None
        if isinstance(target, Search) or target.type != "Medication":
            return Drug(unknown, None, [])
        medication = self._references.medication(target.id)
        if medication is not None:
            return drug_from_medication(medication, resource_type)
        return Drug(unknown, None, [], self._keys.medication_link(target.id))

    def _logical_subject(self, reference: Reference) -> Subject:
        """A subject named by an identifier alone."""
        identifier = reference.identifier
        if reference.type is not None and reference.type != "Patient":
            return "subject is not a Patient"
        if identifier is None or not identifier.value:
            raise Unresolved("subject: neither reference nor identifier")
        return self._by_identifiers([identifier])

    def _contained_subject(self, contained_id: str, resource: Resource) -> Subject:
        """A subject inside the resource: known by its identifiers."""
        for raw in resource.contained:
            head = decode_head(raw)
            if head.id == contained_id and head.resource_type != "Patient":
                return "subject is not a Patient"
        patient = _contained(contained_id, resource, Patient)
        identifiers = [identifier for identifier in patient.identifier if identifier.value]
        if not identifiers:
            raise Unresolved("subject: a contained Patient without identifier")
        return self._by_identifiers(identifiers)

    def _by_identifiers(self, identifiers: list[Identifier]) -> Subject:
        """A Patient of the Bundle with one of the identifiers, else their link keys."""
        keys = []
        for identifier in identifiers:
            system, value = identifier.system or "", identifier.value or ""
            patient_id = self._references.patient_id(system, value)
            if patient_id is not None:
                return self._keys.subject_id(patient_id)
            keys.append(self._keys.identifier_link(system, value))
        return keys


def _contained(contained_id: str, resource: Resource, kind: type[_Kind]) -> _Kind:
    """The contained resource with the id.

    Raises: Unresolved, when there is none of that kind.
    """
    for raw in resource.contained:
        if decode_head(raw).id == contained_id:
            try:
                found = decode_resource(raw)
            except msgspec.ValidationError:
                raise Unresolved(f"contained {kind.__name__}: cannot be read") from None
            if isinstance(found, kind):
                return found
    raise Unresolved(f"no such contained {kind.__name__}")
