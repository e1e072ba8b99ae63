"""Shapes of other FHIR versions, and why a resource was refused.

The structs refuse what R4 does not have (`NotInR4`) and what has another type there; this table
says which version the refused shape belongs to.

Sources: the R4 Diff of each page of https://hl7.org/fhir/R5/ (for example
https://hl7.org/fhir/R5/encounter.html#tab-diff-r4) and https://hl7.org/fhir/R4/diff.html for STU3.
"""

import re
from typing import Any

import msgspec

from transforms.errors import InputError, WrongVersion
from transforms.fhir.kinds import decode_resource
from transforms.fhir.names import OTHER_VERSIONS_TYPES, R4_TYPES, R4B_TYPES

_CODE_REFERENCE = "R5"  # where R5 put a CodeableReference or a CodeableConcept

ELEMENTS: dict[str, dict[str, str]] = {
    "Patient": {"animal": "STU3", "careProvider": "DSTU2"},
    "Encounter": {
        "actualPeriod": "R5",
        "admission": "R5",
        "incomingReferral": "STU3",
        "patient": "DSTU2",
        "reason": "STU3 or R5",
        "subjectStatus": "R5",
    },
    "Condition": {
        "abatementBoolean": "STU3",
        "assertedDate": "STU3",
        "context": "STU3",
        "dateRecorded": "DSTU2",
        "participant": "R5",
        "patient": "DSTU2",
    },
    "AllergyIntolerance": {
        "assertedDate": "STU3",
        "participant": "R5",
        "substance": "DSTU2",
        "reaction.manifestation.concept": _CODE_REFERENCE,
        "reaction.manifestation.reference": _CODE_REFERENCE,
    },
    "FamilyMemberHistory": {
        "definition": "STU3",
        "notDone": "STU3",
        "participant": "R5",
        "procedure": "R5",
        "reason": "R5",
    },
    "Observation": {
        "bodyStructure": "R5",
        "comment": "STU3",
        "comments": "DSTU2",
        "context": "STU3",
        "instantiatesCanonical": "R5",
        "instantiatesReference": "R5",
        "related": "STU3",
        "triggeredBy": "R5",
        "valueAttachment": "STU3 or R5",
        "valueReference": "R5",
        "component.valueAttachment": "STU3 or R5",
        "component.valueReference": "R5",
    },
    "Procedure": {
        "context": "STU3",
        "definition": "STU3",
        "focus": "R5",
        "notDone": "STU3",
        "notPerformed": "DSTU2",
        "occurrenceAge": "R5",
        "occurrenceDateTime": "R5",
        "occurrencePeriod": "R5",
        "occurrenceRange": "R5",
        "occurrenceString": "R5",
        "occurrenceTiming": "R5",
        "reason": "R5",
        "recorded": "R5",
    },
    "Immunization": {
        "administeredProduct": "R5",
        "date": "STU3",
        "explanation": "STU3",
        "informationSource": "R5",
        "notGiven": "STU3",
        "reason": "R5",
        "wasNotGiven": "DSTU2",
    },
    "Medication": {
        "definition": "R5",
        "doseForm": "R5",
        "isBrand": "STU3",
        "isOverTheCounter": "STU3",
        "marketingAuthorizationHolder": "R5",
        "package": "STU3",
        "product": "DSTU2",
        "totalVolume": "R5",
    },
    "MedicationRequest": {
        "context": "STU3",
        "dateWritten": "DSTU2",
        "definition": "STU3",
        "device": "R5",
        "effectiveDosePeriod": "R5",
        "informationSource": "R5",
        "medication": "R5",
        "patient": "DSTU2",
        "reason": "R5",
        "reported": "R5",
        "statusChanged": "R5",
    },
    "MedicationAdministration": {
        "basedOn": "R5",
        "definition": "STU3",
        "effectiveTimeDateTime": "DSTU2",
        "effectiveTimePeriod": "DSTU2",
        "encounter": "R5",
        "medication": "R5",
        "notGiven": "STU3",
        "occurenceDateTime": "R5",
        "occurencePeriod": "R5",
        "occurenceTiming": "R5",
        "patient": "DSTU2",
        "prescription": "STU3",
        "reason": "R5",
        "reasonNotGiven": "STU3",
        "recorded": "R5",
        "wasNotGiven": "DSTU2",
    },
    "MedicationStatement": {
        "adherence": "R5",
        "effectiveTiming": "R5",
        "encounter": "R5",
        "medication": "R5",
        "patient": "DSTU2",
        "reason": "R5",
        "reasonNotTaken": "STU3",
        "taken": "STU3",
        "wasNotTaken": "DSTU2",
    },
    "MedicationDispense": {
        "basedOn": "R5",
        "encounter": "R5",
        "medication": "R5",
        "notDone": "STU3",
        "notDoneReasonCodeableConcept": "STU3",
        "notPerformedReason": "R5",
        "patient": "DSTU2",
        "recorded": "R5",
        "statusChanged": "R5",
    },
    "DiagnosticReport": {
        "codedDiagnosis": "STU3",
        "composition": "R5",
        "context": "STU3",
        "image": "STU3",
        "note": "R5",
        "study": "R5",
        "supportingInfo": "R5",
    },
    "DocumentReference": {
        "attester": "R5",
        "basedOn": "R5",
        "bodySite": "R5",
        "class": "STU3",
        "created": "STU3",
        "event": "R5",
        "facilityType": "R5",
        "indexed": "STU3",
        "modality": "R5",
        "period": "R5",
        "practiceSetting": "R5",
        "version": "R5",
        "content.profile": "R5",
    },
    "ImagingStudy": {
        "accession": "STU3",
        "availability": "STU3",
        "context": "STU3",
        "modalityList": "STU3",
        "partOf": "R5",
        "patient": "STU3",
        "procedure": "R5",
        "reason": "STU3 or R5",
        "uid": "STU3",
        "modality.coding": _CODE_REFERENCE,
        "series.modality.coding": _CODE_REFERENCE,
        "series.bodySite.concept": _CODE_REFERENCE,
        "series.bodySite.reference": _CODE_REFERENCE,
    },
    "Communication": {
        "context": "STU3",
        "definition": "STU3",
        "notDone": "STU3",
        "notDoneReason": "STU3",
        "reason": "R5",
        "payload.contentCodeableConcept": "R5",
    },
    "QuestionnaireResponse": {"context": "STU3", "group": "DSTU2", "parent": "STU3"},
    "ServiceRequest": {
        "bodyStructure": "R5",
        "focus": "R5",
        "reason": "R5",
        "code.concept": _CODE_REFERENCE,
        "code.reference": _CODE_REFERENCE,
    },
    "Specimen": {
        "combined": "R5",
        "feature": "R5",
        "role": "R5",
        "treatment": "STU3",
        "collection.bodySite.concept": _CODE_REFERENCE,
        "collection.bodySite.reference": _CODE_REFERENCE,
    },
    "Device": {
        "availabilityStatus": "R5",
        "biologicalSourceEvent": "R5",
        "category": "R5",
        "conformsTo": "R5",
        "displayName": "R5",
        "model": "STU3",
        "name": "R5",
        "udi": "STU3",
    },
    "SubstanceDefinition": {
        "characterization": "R5",
        "nucleicAcid": "R5",
        "polymer": "R5",
        "protein": "R5",
        "referenceInformation": "R5",
    },
    "MolecularSequence": {
        "focus": "R5",
        "formatted": "R5",
        "literal": "R5",
        "relative": "R5",
        "subject": "R5",
    },
}
"""Element that R4 does not have -> the version that has it, by resource type."""

SHAPES: dict[str, dict[str, tuple[type, str]]] = {
    "Encounter": {"class": (list, "R5"), "serviceType": (list, "R5")},
    "Condition": {
        "clinicalStatus": (str, "STU3"),
        "verificationStatus": (str, "STU3"),
        "category": (dict, "DSTU2"),
    },
    "AllergyIntolerance": {
        "clinicalStatus": (str, "STU3"),
        "verificationStatus": (str, "STU3"),
        "type": (dict, "R5"),
        "category": (str, "DSTU2"),
    },
    "Observation": {"interpretation": (dict, "STU3"), "category": (dict, "DSTU2")},
    "Procedure": {"category": (list, "R5")},
    "MedicationRequest": {"category": (dict, "STU3")},
    "MedicationAdministration": {"category": (list, "R5")},
    "MedicationStatement": {"category": (list, "R5")},
    "MedicationDispense": {"category": (list, "R5")},
    "DiagnosticReport": {"category": (dict, "STU3")},
    "DocumentReference": {"context": (list, "R5")},
    "QuestionnaireResponse": {"questionnaire": (dict, "STU3")},
    "Communication": {"topic": (list, "STU3")},
    "Device": {"type": (list, "R5")},
}
"""Element with another cardinality or type than in R4 -> that JSON type and its version."""

STATUSES: dict[str, dict[str, str]] = {
    "Encounter": {
        "on-hold": "R5",
        "discharged": "R5",
        "completed": "R5",
        "discontinued": "R5",
    },
    "MedicationRequest": {"ended": "R5"},
    "MedicationAdministration": {"cancelled": "R5"},
    "MedicationStatement": {"recorded": "R5"},
    "Procedure": {"suspended": "STU3", "aborted": "STU3"},
    "Communication": {"suspended": "STU3", "aborted": "STU3"},
    "ServiceRequest": {"suspended": "STU3", "cancelled": "STU3", "ended": "R5"},
    "DiagnosticReport": {"modified": "R5"},
    "Device": {"available": "DSTU2", "not-available": "DSTU2"},
}
"""Status that R4 does not have -> the version that has it."""

_JSON_NAMES: dict[type, str] = {list: "a list", dict: "an object", str: "a string"}
# From the first quote to the last: a value may hold quotes itself, and stands in double ones then,
# as "O'Brien" does.
_QUOTED = re.compile(r"""(['"]).*\1""", re.DOTALL)


def explain(raw: bytes) -> InputError:
    """Why the JSON of a resource does not decode: WrongVersion, or InputError with its path.

    The message holds element paths, types and versions, and no values.

    >>> str(explain(b'{"resourceType": "Encounter", "class": [], "status": "finished"}'))
    'Encounter.class is a list: FHIR R5'
    """
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return InputError(unreadable(error))
    if not isinstance(document, dict):
        return InputError("expected a resource as a JSON object")
    name = document.get("resourceType")
    if not isinstance(name, str):
        return InputError("resourceType: missing, but required")
    if name in OTHER_VERSIONS_TYPES:
        return WrongVersion(f"{name} is a resource type of FHIR {OTHER_VERSIONS_TYPES[name]}")
    if name not in R4_TYPES and name not in R4B_TYPES:
        return InputError("resourceType: expected a type of FHIR R4 or R4B")
    shape = _other_version(name, document)
    if shape is not None:
        return WrongVersion(shape)
    try:
        decode_resource(raw)
    except msgspec.ValidationError as error:
        return describe(name, error)
    return InputError(f"{name}: cannot be read")


def describe(root: str, error: Exception) -> InputError:
    """What decoding raised -> the path below `root` and what was expected there, without values."""
    if not isinstance(error, msgspec.ValidationError):
        return InputError(f"{root}: {unreadable(error)}")
    what, _, path = _QUOTED.sub("(value)", str(error)).partition(" - at `$")
    return InputError(f"{root}{path.rstrip('`')}: {what}")


def unreadable(error: Exception) -> str:
    """What is wrong with JSON that cannot be parsed, without its content."""
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, RecursionError):
        return "JSON nested too deeply"
    return _QUOTED.sub("(value)", str(error))


def _other_version(name: str, document: dict[str, Any]) -> str | None:
    """The first shape of another version in the document."""
    for element, (shape, version) in SHAPES.get(name, {}).items():
        if type(document.get(element)) is shape:
            return f"{name}.{element} is {_JSON_NAMES[shape]}: FHIR {version}"
    for element, version in ELEMENTS.get(name, {}).items():
        if _has(document, element.split(".")):
            return f"{name}.{element} is an element of FHIR {version}"
    status = document.get("status")
    if isinstance(status, str) and status in STATUSES.get(name, {}):
        return f"{name}.status is a code of FHIR {STATUSES[name][status]}"
    return None


def _has(value: Any, path: list[str]) -> bool:
    """Whether the path leads anywhere, through lists and objects."""
    if not path:
        return True
    if isinstance(value, list):
        return any(_has(item, path) for item in value)
    return isinstance(value, dict) and path[0] in value and _has(value[path[0]], path[1:])
