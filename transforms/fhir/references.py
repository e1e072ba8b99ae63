"""References: what they say and where in a Bundle they lead.

Source: https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/bundle.html#references
"""

import re
import urllib.parse
from collections.abc import Sequence
from typing import NamedTuple

from transforms.errors import InputError, Unresolved
from transforms.fhir.kinds import KINDS, UNMAPPED, Entry
from transforms.fhir.medication import Medication
from transforms.fhir.patient import Patient

_LITERAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([^/?#|\s]+)(?:/_history/[^/?#\s]+)?(?:#.*)?")
_CONDITIONAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)\?(.+)")


class Target(NamedTuple):
    """The resource that a reference leads to."""

    type: str
    id: str


class Search(NamedTuple):
    """The resource that has a business identifier."""

    type: str
    system: str
    value: str


def parse_reference(text: str) -> Target | Search:
    """Relative, absolute, versioned or conditional reference -> what it names.

    Raises: Unresolved, when it is a URN, a URL of another form or a search by more than an
    identifier; ValueError, when it is none of these.

    >>> parse_reference("https://server/fhir/Patient/7/_history/2")
    Target(type='Patient', id='7')
    >>> parse_reference("Patient?identifier=http://hospital.org|12")
    Search(type='Patient', system='http://hospital.org', value='12')
    """
    if match := _LITERAL.fullmatch(text):
        return Target(match.group(1), match.group(2))
    if text.startswith("urn:"):
        raise Unresolved("a URN that no entry of the Bundle has as its fullUrl")
    if match := _CONDITIONAL.fullmatch(text):
        parameters = urllib.parse.parse_qsl(match.group(2))
        if len(parameters) != 1 or parameters[0][0] != "identifier":
            raise Unresolved("a conditional reference by more than one identifier")
        system, bar, value = parameters[0][1].rpartition("|")
        return Search(match.group(1), system if bar else "", value)
    if "://" in text:
        raise Unresolved("a URL that names no type and id")
    raise ValueError("not a FHIR reference")


class Refused(NamedTuple):
    """What stands in the place of a resource that could not be decoded, and why."""

    type: str | None
    id: str | None
    reason: InputError


class References:
    """Where references lead within one Bundle; outside a Bundle there are no entries."""

    def __init__(self, entries: Sequence[Entry], refused: dict[int, Refused]):
        self._entries = entries
        self._refused = refused
        self._by_url: dict[str, int] | None = None
        self._patients: dict[tuple[str, str], str] | None = None
        self._medications: dict[str, Medication] | None = None

    def index(self, text: str) -> int | None:
        """Index of the entry whose fullUrl is the text."""
        if self._by_url is None:
            self._by_url = {
                entry.full_url: index
                for index, entry in enumerate(self._entries)
                if entry.full_url is not None
            }
        return self._by_url.get(text)

    def find(self, text: str) -> Target | Search:
        """A reference -> the type and id of its target, else what it searches for.

        Raises: Unresolved or ValueError, as parse_reference.
        """
        index = self.index(text)
        if index is None:
            return parse_reference(text)
        entry = self._entries[index]
        refused = self._refused.get(index)
        if refused is not None:
            return Target(refused.type or "?", refused.id or id_from_url(text) or text)
        resource_class = type(entry.resource)
        if resource_class in KINDS:
            given = entry.resource.id  # type: ignore[union-attr]
            return Target(KINDS[resource_class].name, given or id_from_url(text) or text)
        return Target(UNMAPPED.get(resource_class, "Bundle"), id_from_url(text) or text)

    def patient_id(self, system: str, value: str) -> str | None:
        """Id of the one Patient of the Bundle with the identifier; "" searches any system."""
        if self._patients is None:
            self._patients = {}
            for entry in self._entries:
                patient = entry.resource
                if not isinstance(patient, Patient):
                    continue
                patient_id = patient.id or id_from_url(entry.full_url)
                for identifier in patient.identifier:
                    if patient_id and identifier.value:
                        self._patients[identifier.system or "", identifier.value] = patient_id
                        self._patients.setdefault(("", identifier.value), patient_id)
        return self._patients.get((system, value))

    def medication(self, medication_id: str) -> Medication | None:
        """The Medication of the Bundle with this id."""
        if self._medications is None:
            self._medications = {}
            for entry in self._entries:
                if isinstance(entry.resource, Medication):
                    found = entry.resource.id or id_from_url(entry.full_url)
                    if found:
                        self._medications[found] = entry.resource
        return self._medications.get(medication_id)


def id_from_url(full_url: str | None) -> str | None:
    """Id that a fullUrl gives a resource without one: its UUID or OID, or the URL's last part.

    >>> id_from_url("urn:uuid:aa-bb"), id_from_url("http://server/fhir/Patient/7")
    ('aa-bb', '7')
    """
    if full_url is None:
        return None
    if full_url.startswith(("urn:uuid:", "urn:oid:")):
        return full_url.split(":", 2)[2]
    match = _LITERAL.fullmatch(full_url)
    return None if match is None else match.group(2)
