"""FHIR resources with a traceable value in every element that R4B has.

The elements come from the classes of `fhir.resources`, recursively. Text holds `PLANTED<n>`, in the
form that its type demands; dates, times and numbers are unlike all others.
"""

import base64
import dataclasses
import datetime
import itertools
import re
from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from msgspec import inspect

from tests.privacy.test_fhir_allowlist import elements_of
from transforms.fhir.kinds import KINDS, MAPPED

PATIENT = "Patient-PLANTED000000"
TEXT = re.compile(r"PLANTED\d{6}")
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
_OMB = "urn:oid:2.16.840.1.113883.6.238"
_MAX_DEPTH = 7
_SHAPES = ("full", "uncoded", "undisplayed", "bare")
"""All of a coding; text and display alone; display alone; code alone."""

# What a reader must find in this form, or the resource is not read at all.
FIXED = {
    "Communication.status": "completed",
    "MedicationRequest.doNotPerform": False,
    "ServiceRequest.doNotPerform": False,
    "SubstanceDefinition.structure.representation.representation": "CCO",
    "MolecularSequence.type": "aa",
    "MolecularSequence.observedSeq": "MKTAYIAKQRQISFVKSHFS",
    "Bundle.entry.request.method": "PUT",
}
_FORMAT = "SubstanceDefinition.structure.representation.format."
_PATIENTS_OWN = {"MolecularSequence.patient"}  # the sequence of a patient is left out


@dataclasses.dataclass
class Planter:
    """Makes resources and remembers what it planted where."""

    paths: dict[str, str] = dataclasses.field(default_factory=lambda: {PATIENT[-13:]: "Patient.id"})
    """`PLANTED<n>`, an ISO time, a date or a number as text -> path of its element."""
    days: int = 0
    choice: int = 0
    shape: str = "full"
    literals: dict[str, str] = dataclasses.field(default_factory=dict)

    def text(self, path: str) -> str:
        """The next unmistakable text."""
        value = f"PLANTED{len(self.paths) + 1:06}"
        self.paths[value] = path
        return value

    def resource(self, name: str, resource_id: str, choice: int = 0, shape: str = "full") -> dict:
        """One resource of the type, with the element number `choice` of each choice of types."""
        self.choice, self.shape = choice, shape
        self.literals = _literals(name)
        found = {"resourceType": name, **self._fill(name, name, ())}
        found["id"] = resource_id
        if name == "Patient":
            found["extension"] += self._us_core()
        return found

    def bundle(self, *resources: dict) -> dict[str, Any]:
        """A Bundle of the resources, with all that an entry has beside."""
        self.literals = {}
        found = {"resourceType": "Bundle", **self._fill("Bundle", "Bundle", ())}
        found["entry"] = [
            {**self._fill("BundleEntry", "Bundle.entry", ("Bundle",)), "resource": resource}
            for resource in resources
        ]
        return found

    def _fill(self, name: str, path: str, above: tuple[str, ...]) -> dict[str, Any]:
        cls = get_fhir_model_class(name)
        found: dict[str, Any] = {}
        groups: dict[str, list[str]] = {}
        for field, about in cls.model_fields.items():
            if group := (about.json_schema_extra or {}).get("one_of_many"):
                groups.setdefault(group, []).append(field)
        chosen = {members[self.choice % len(members)] for members in groups.values()}
        if name == "Extension":
            members = groups["value"]
            chosen = (
                {members[len(self.paths) % len(members)]} if len(above) < 2 else {"valueString"}
            )
        for field, about in cls.model_fields.items():
            alias = about.alias or field
            if field == "fhir_comments" or alias in ("resourceType", "resource_type"):
                continue
            if (about.json_schema_extra or {}).get("one_of_many") and field not in chosen:
                continue
            below = f"{path}.{alias}"
            if below in _PATIENTS_OWN or (field.endswith("__ext") and len(above) > 3):
                continue
            value = self._value(repr(about.annotation), below, (*above, name))
            if value is not None:
                found[alias] = value
        if name == "Period":
            found["start"], found["end"] = sorted((found["start"], found["end"]))
            for part in ("start", "end"):
                self.paths[found[part]] = f"{path}.{part}"
        if name in ("Coding", "Quantity") and self.shape in ("uncoded", "undisplayed"):
            del found["code"]
        if name == "Range" and self.shape in ("uncoded", "undisplayed"):
            found["low"] = {"value": found["low"]["value"]}  # then the unit is that of the other
            if self.shape == "undisplayed":
                code = self.text(f"{path}.high.code")
                found["high"] = {"value": found["high"]["value"], "code": code}
        if self.shape == "undisplayed" and name == "CodeableConcept":
            del found["text"]
        if self.shape == "bare":
            left_out = {"Coding": "display", "Quantity": "unit", "CodeableConcept": "text"}
            found.pop(left_out.get(name), None)
        return found

    def _value(self, annotation: str, path: str, above: tuple[str, ...]) -> Any:
        many = "List[" in annotation
        klass = re.search(r"abc\.(\w+)Type\b", annotation)
        if path in FIXED or path.endswith(".comparator"):
            return FIXED.get(path, "<")
        if path in self.literals:
            return self.literals[path]
        if klass is None:
            value = self._primitive(annotation, path)
        else:
            value = self._element(klass[1], path, above)
        return value if value is None or not many else [value]

    def _element(self, name: str, path: str, above: tuple[str, ...]) -> Any:
        if name == "FHIRPrimitiveExtension":
            url = self.text(f"{path}.extension.url")
            return {"extension": [{"url": url, "valueString": self.text(f"{path}.extension")}]}
        if name == "Resource":  # contained
            if len(above) > 1:
                return None
            inner = self._fill("Practitioner", path, (*above, "Practitioner"))
            return {"resourceType": "Practitioner", **inner}
        limit = 1 if name == "Extension" and len(above) > 1 else 2
        if above.count(name) >= limit or len(above) > _MAX_DEPTH:
            return None
        found = self._fill(name, path, above)
        last = path.rpartition(".")[2]
        if name == "Reference" and last in ("subject", "patient") and len(above) == 1:
            found["reference"], found["type"] = f"Patient/{PATIENT}", "Patient"
        elif last == "medicationReference":
            found["reference"] = f"Medication/Medication-{self.shape}"
        elif name == "Reference":
            found["reference"] = f"{_target(last)}/{found['reference']}"
            found["type"] = _target(last)
        elif name == "Attachment":
            found["contentType"] = f"text/plain; name={found['contentType']}"
        return found

    def _primitive(self, annotation: str, path: str) -> Any:
        number = len(self.paths) + 1
        if "datetime.datetime" in annotation:
            at = datetime.datetime(2019, 1, 1, 0, 0, 0, number, tzinfo=datetime.UTC)
            return self._form(path, (at + datetime.timedelta(minutes=number)).isoformat())
        if "datetime.date" in annotation:
            self.days += 1
            day = datetime.date(1850, 1, 1) + datetime.timedelta(days=self.days)
            return self._form(path, day.isoformat())
        if "datetime.time" in annotation:
            return self._form(path, datetime.time(5, 6, 7, number).isoformat())
        if "bool" in annotation:
            return None if "deceased" not in path and "value" not in path else True
        if "Base64" in annotation or "bytes" in annotation:
            return base64.b64encode(self.text(path).encode()).decode()
        if "Decimal" in annotation or "int" in annotation.replace("Integer", "int"):
            self.paths[str(7_000_000 + number)] = path
            return 7_000_000 + number
        value = self.text(path)
        if re.search(r"Ur[il]\(|Canonical\(", annotation):
            return f"http://planted.example/{value}"
        if path.endswith(".div"):
            return f'<div xmlns="http://www.w3.org/1999/xhtml">{value}</div>'
        return f"smiles {value}" if path.startswith(_FORMAT) else value

    def _form(self, path: str, value: str) -> str:
        self.paths[value] = path
        return value

    def _us_core(self) -> list[dict[str, Any]]:
        def coding() -> dict[str, Any]:
            path = "Patient.extension.extension.valueCoding"
            return {
                "system": _OMB,
                "code": self.text(f"{path}.code"),
                "display": self.text(f"{path}.display"),
            }

        parts = [
            {"url": "ombCategory", "valueCoding": coding()},
            {"url": "detailed", "valueCoding": coding()},
            {"url": "text", "valueString": self.text("Patient.extension.extension.valueString")},
        ]
        sex = {"url": _US_CORE + "birthsex", "valueCode": self.text("Patient.extension.valueCode")}
        return [{"url": _US_CORE + part, "extension": parts} for part in ("race", "ethnicity")] + [
            sex
        ]


def _target(element: str) -> str:
    """The type that a reference in this element leads to."""
    known = {"encounter": "Encounter", "context": "Encounter"}
    return known.get(element, "Practitioner")


def _literals(name: str) -> dict[str, str]:
    """Path -> a code, where the struct takes only some, that does not leave the resource out."""
    if name not in MAPPED:
        return {}
    left_out = KINDS[MAPPED[name]].left_out
    found = {}
    for path, kind in elements_of(inspect.type_info(MAPPED[name])):
        if isinstance(kind, inspect.LiteralType):
            found[f"{name}.{path}"] = next(v for v in kind.values if v not in left_out)
    return found


def variants(planter: Planter, name: str) -> Iterator[dict[str, Any]]:
    """Resources of the type: every member of its choices, and every shape of its codings."""
    for number, choice in enumerate(range(_choices(name))):
        for shape in (
            _SHAPES if number < 2 or name in ("Observation", "QuestionnaireResponse") else ("full",)
        ):
            resource_id = f"{name}-{planter.text(f'{name}.id')}"
            if name == "Patient":
                resource_id = PATIENT if number == 0 and shape == "full" else resource_id
            if name == "Medication" and number == 0:
                resource_id = f"Medication-{shape}"
            yield planter.resource(name, resource_id, choice, shape)


# What is read only where something else is missing: (type, elements that are left out).
_FALLBACKS = (
    *(("SubstanceDefinition", ("name",)), ("SubstanceDefinition", ("name", "identifier"))),
    ("MolecularSequence", ("identifier",)),
    ("MolecularSequence", ("identifier", "referenceSeq")),
    ("DiagnosticReport", ("conclusion", "presentedForm")),
    ("DocumentReference", ("content",)),
)


def with_fallbacks(planter: Planter) -> Iterator[dict[str, Any]]:
    """Resources without the first choice, and Bundles of a MedicationRequest and its Medication."""
    for (name, left_out), shape in itertools.product(_FALLBACKS, _SHAPES):
        resource_id = f"{name}-{planter.text(f'{name}.id')}"
        found = planter.resource(name, resource_id, shape=shape)
        for element in left_out:
            found.pop(element, None)
        if name == "DocumentReference":
            found["content"] = [{"attachment": {"title": planter.text(f"{name}.content.title")}}]
        yield found
    for shape, ingredient in itertools.product(_SHAPES, (False, True)):
        medication = planter.resource("Medication", f"Medication-{shape}", shape=shape)
        if ingredient:
            del medication["code"]
        resource_id = f"MedicationRequest-{planter.text('MedicationRequest.id')}"
        request = planter.resource("MedicationRequest", resource_id, choice=1, shape=shape)
        if "medicationReference" not in request:
            request = planter.resource("MedicationRequest", resource_id, choice=0, shape=shape)
        yield planter.bundle(request, medication)


def _choices(name: str, seen: frozenset[str] = frozenset()) -> int:
    """The most members that a choice of the type or of its own elements has."""
    cls = get_fhir_model_class(name)
    sizes: dict[str, int] = {}
    inner = 1
    for about in cls.model_fields.values():
        if group := (about.json_schema_extra or {}).get("one_of_many"):
            sizes[group] = sizes.get(group, 0) + 1
        for below in re.findall(r"abc\.(\w+)Type\b", repr(about.annotation)):
            if below.startswith(name) and below not in seen:
                inner = max(inner, _choices(below, seen | {name}))
    return max([inner, *sizes.values()])
