"""The elements that are read from FHIR, each with what becomes of it.

De-identification is an allow-list: what stands in no line of `ELEMENTS` is skipped while decoding
and is kept nowhere, such as names, telecom, streets, cities, narratives, notes, references'
displays, contained resources and extensions. A line names an element of the resource; its `Use`
says which parts of that element reach which columns, and why. Parts that a `Use` does not name are
not kept.

A test compares the list with the structs, in both ways; another plants a value in every element
that R4B has and looks where it comes out.

Source: https://hl7.org/fhir/R4/secpriv-module.html#deId
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Use:
    """What becomes of an element: part of it ("" for itself) -> columns that may hold it."""

    why: str
    kept: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


_CODE, _TEXT, _UNIT = ("code", "codes"), ("text_value",), ("unit",)
_CODING = {"coding.system": _CODE, "coding.code": _CODE}
_LABEL = {"coding.code": (*_CODE, *_TEXT), "coding.display": _TEXT, "text": _TEXT}
_NUMBER = {"value": ("numeric_value", *_TEXT), "unit": _UNIT, "code": _UNIT}

# Not kept.
RESTRICTED = Use("kept in `restricted` alone")
HASHED = Use("an identity: a keyed hash of it is kept, the text only in `restricted`")
DECIDES = Use("decides whether, or as what, the resource is read; the text is not kept")
TIME = Use("when it was known: models may not see a fact early, so dates are full", {"": ("time",)})
PERIOD = Use(TIME.why, {"start": ("time",), "end": ("time",)})

# Kept.
VERSION_TIME = Use("which version is the newest", {"": ("version_time", "time")})
VERSION_ID = Use("the server's counter, compared where times are equal", {"": ("version_id",)})
CODED = Use("coded values are what models read; text and display are not kept", _CODING)
CONCEPT = Use("coded, else as text: without it an uncoded fact would say nothing", _CODING | _LABEL)
LABEL = Use("as CONCEPT, without its system", _LABEL)
CODING = Use("a coded value", {"system": _CODE, "code": _CODE})
CODE_ONLY = Use("a coded value, without its system", {"code": _CODE})
TERM = Use("a code that has no system", {"": _CODE})
QUANTITY = Use("a number in its unit; text with the comparator, as in `<5`", _NUMBER)
AMOUNT = Use("a number in its unit", {**_NUMBER, "value": ("numeric_value",)})
RANGE = Use(
    "`low..high` and its unit", {f"{e}.{p}": c for e in ("low", "high") for p, c in _NUMBER.items()}
)
RATIO = Use(
    "`1:128`, its quotient and unit",
    {f"{e}.{p}": c for e in ("numerator", "denominator") for p, c in _NUMBER.items()},
)
SAMPLES = Use("measured values", {"data": _TEXT, "origin.unit": _UNIT, "origin.code": _UNIT})
NUMBER = Use("a number", {"": ("numeric_value",)})
MOMENT = Use("an answer that is a date or a time", {"": _TEXT})
MOMENTS = Use("an answer that is a period, `start..end`", {"start": _TEXT, "end": _TEXT})
FREE_TEXT = Use("what was written is what models read; it may name people", {"": _TEXT})
NOTE = Use("the text of a note is what models read; it may name people", {"data": _TEXT})
ANSWER = Use(
    "a coded answer, and its wording", {**CODING.kept, "code": (*_CODE, *_TEXT), "display": _TEXT}
)
REGION = Use("a region of many people: the state", {"": ("code",)})
ZIP3 = Use("three digits of a zip, 000 where few live there; 45 CFR 164.514(b)(2)(i)(B)")
OF_A_COMPOUND = Use("a compound or target is no patient", {"": ("name",)})
STRUCTURE = Use("SMILES or amino acids: letters of an alphabet, checked")
COMPOUNDS_ID = Use("a compound or target is no patient", {"value": ("name",)})


def _resource(subject: str = "subject", encounter: str = "encounter") -> dict[str, Use]:
    """What is read of every type; `subject` and `encounter` under the names that it has for them.

    `contained` is only looked at where a reference leads to it: its Patient has a hash, its
    Medication the codes of the drug.
    """
    return {
        "id": HASHED,
        "meta.lastUpdated": VERSION_TIME,
        "meta.versionId": VERSION_ID,
        "contained": DECIDES,
        "status": DECIDES,
        subject: HASHED,
        encounter: HASHED,
    }


def _without(elements: dict[str, Use], name: str) -> dict[str, Use]:
    return {path: use for path, use in elements.items() if path != name}


_MEDICATION = {"medicationCodeableConcept": CONCEPT, "medicationReference": HASHED}
_VALUES = {
    "valueQuantity": QUANTITY,
    "valueCodeableConcept": CONCEPT,
    "valueString": FREE_TEXT,
    "valueBoolean": DECIDES,
    "valueInteger": NUMBER,
    "valueRange": RANGE,
    "valueRatio": RATIO,
    "valueSampledData": SAMPLES,
    "valueTime": MOMENT,
    "valueDateTime": MOMENT,
    "valuePeriod": MOMENTS,
    "dataAbsentReason": CODED,
    "interpretation": CODED,
}

ELEMENTS: dict[str, dict[str, Use]] = {
    "Bundle": {
        "meta.lastUpdated": VERSION_TIME,
        "meta.versionId": DECIDES,
        "timestamp": VERSION_TIME,
        "entry.fullUrl": HASHED,
        "entry.request.method": DECIDES,
        "entry.request.url": HASHED,
        "entry.response.lastModified": VERSION_TIME,
        "entry.response.etag": VERSION_ID,
    },
    "Patient": {
        **_resource(),
        "identifier": HASHED,
        "extension.url": DECIDES,
        "extension.valueCoding": CODE_ONLY,  # race and ethnicity of US Core, no other extension
        "extension.valueCode": TERM,  # birth sex of US Core
        "gender": DECIDES,  # one of four codes
        "birthDate": TIME,  # in full: the age is a feature, in days for the newborn
        "deceasedBoolean": DECIDES,
        "deceasedDateTime": TIME,
        "maritalStatus": LABEL,
        "address.use": DECIDES,
        "address.state": REGION,
        "address.postalCode": ZIP3,
        "address.country": DECIDES,
    },
    "Encounter": {
        **_resource(),
        "class": CODE_ONLY,
        "type": CONCEPT,
        "serviceType": CONCEPT,
        "priority": CONCEPT,
        "period": PERIOD,
        "reasonCode": CONCEPT,
        "hospitalization.admitSource": CONCEPT,
        "hospitalization.dischargeDisposition": CONCEPT,
    },
    "Condition": {
        **_resource(),
        **dict.fromkeys(("clinicalStatus", "verificationStatus"), DECIDES),
        **dict.fromkeys(("category", "severity", "bodySite"), CODED),
        "code": CONCEPT,
        **dict.fromkeys(("onsetDateTime", "abatementDateTime", "recordedDate"), TIME),
        **dict.fromkeys(("onsetPeriod", "abatementPeriod"), PERIOD),
    },
    "AllergyIntolerance": {
        **_resource("patient"),
        **dict.fromkeys(("clinicalStatus", "verificationStatus"), DECIDES),
        **dict.fromkeys(("type", "criticality"), DECIDES),  # each one of a few codes
        "category": TERM,
        "code": CONCEPT,
        **dict.fromkeys(("onsetDateTime", "recordedDate"), TIME),
        "onsetPeriod": PERIOD,
        **dict.fromkeys(("reaction.substance", "reaction.manifestation"), CODED),
    },
    "FamilyMemberHistory": {
        **_resource("patient"),
        "date": TIME,
        "relationship": CONCEPT,
        "condition.code": CONCEPT,
    },
    "Observation": {
        **_resource(),
        **dict.fromkeys(("category", "bodySite", "method"), CODED),
        "code": CONCEPT,
        **dict.fromkeys(("effectiveDateTime", "effectiveInstant", "issued"), TIME),
        "effectivePeriod": PERIOD,
        **_VALUES,
        "component.code": CONCEPT,
        **{f"component.{element}": use for element, use in _VALUES.items()},
    },
    "Procedure": {
        **_resource(),
        **dict.fromkeys(("category", "reasonCode", "bodySite", "outcome"), CODED),
        "code": CONCEPT,
        "performedDateTime": TIME,
        "performedPeriod": PERIOD,
    },
    "Immunization": {
        **_resource("patient"),
        "vaccineCode": CONCEPT,
        **dict.fromkeys(("occurrenceDateTime", "recorded"), TIME),
        "occurrenceString": DECIDES,
        **dict.fromkeys(("site", "route", "reasonCode"), CODED),
    },
    "MedicationRequest": {
        **_resource(),
        **_MEDICATION,
        **dict.fromkeys(("intent", "doNotPerform"), DECIDES),
        **dict.fromkeys(("category", "reasonCode"), CODED),
        "authoredOn": TIME,
        "dosageInstruction.doseAndRate.doseQuantity": QUANTITY,
    },
    "MedicationAdministration": {
        **_resource(encounter="context"),
        **_MEDICATION,
        **dict.fromkeys(("category", "reasonCode", "dosage.route"), CODED),
        "effectiveDateTime": TIME,
        "effectivePeriod": PERIOD,
        "dosage.dose": QUANTITY,
    },
    "MedicationStatement": {
        **_resource(encounter="context"),
        **_MEDICATION,
        **dict.fromkeys(("category", "reasonCode"), CODED),
        **dict.fromkeys(("effectiveDateTime", "dateAsserted"), TIME),
        "effectivePeriod": PERIOD,
    },
    "MedicationDispense": {
        **_resource(encounter="context"),
        **_MEDICATION,
        **dict.fromkeys(("category", "type"), CODED),
        "quantity": QUANTITY,
        **dict.fromkeys(("whenPrepared", "whenHandedOver"), TIME),
    },
    # Its codes reach the events of those that refer to it.
    "Medication": {
        **_resource(),
        **dict.fromkeys(("meta.lastUpdated", "meta.versionId"), RESTRICTED),
        "code": CONCEPT,
        "ingredient.itemCodeableConcept": CONCEPT,
    },
    "SubstanceDefinition": {
        **_without(_resource(), "status"),
        "id": OF_A_COMPOUND,
        "identifier": COMPOUNDS_ID,
        "name.name": OF_A_COMPOUND,
        "name.preferred": DECIDES,
        "structure.representation.type": DECIDES,
        "structure.representation.format": DECIDES,
        "structure.representation.representation": STRUCTURE,
    },
    "MolecularSequence": {
        **_resource("patient"),  # one that has a patient is left out
        "id": OF_A_COMPOUND,
        "identifier": COMPOUNDS_ID,
        "type": DECIDES,
        "referenceSeq.referenceSeqId": Use(
            OF_A_COMPOUND.why, {"coding.code": ("name",), "text": ("name",)}
        ),
        "observedSeq": STRUCTURE,
    },
    "DiagnosticReport": {
        **_resource(),
        **dict.fromkeys(("category", "conclusionCode"), CODED),
        "code": CONCEPT,
        **dict.fromkeys(("effectiveDateTime", "issued"), TIME),
        "effectivePeriod": PERIOD,
        "conclusion": FREE_TEXT,
        "presentedForm": NOTE,
    },
    "DocumentReference": {
        **_resource(),
        "docStatus": DECIDES,
        "type": CONCEPT,
        **dict.fromkeys(("category", "context.event"), CODED),
        **dict.fromkeys(("context.facilityType", "context.practiceSetting"), CODED),
        "date": TIME,
        "content.attachment": NOTE,
        "context.encounter": HASHED,
        "context.period": PERIOD,
    },
    "ImagingStudy": {
        **_resource(),
        "identifier": HASHED,
        "modality": CODE_ONLY,
        "started": TIME,
        **dict.fromkeys(("procedureCode", "reasonCode"), CODED),
        "series.modality": CODE_ONLY,
        "series.bodySite": CODING,
    },
    "Communication": {
        **_resource(),
        **dict.fromkeys(("category", "topic", "reasonCode"), CONCEPT),
        "medium": CODED,
        **dict.fromkeys(("sent", "received"), TIME),
        "sender": HASHED,  # beside it what sort of sender: `SENDER//Patient`
        "payload.contentString": FREE_TEXT,
        "payload.contentAttachment": NOTE,
    },
    "QuestionnaireResponse": {
        **_resource(),
        "questionnaire": TERM,
        "authored": TIME,
        "item.linkId": TERM,
        "item.answer.valueBoolean": DECIDES,
        **dict.fromkeys(("item.answer.valueDecimal", "item.answer.valueInteger"), NUMBER),
        **dict.fromkeys(("item.answer.valueDate", "item.answer.valueDateTime"), MOMENT),
        "item.answer.valueTime": MOMENT,
        **dict.fromkeys(("item.answer.valueString", "item.answer.valueUri"), FREE_TEXT),
        "item.answer.valueAttachment": NOTE,
        "item.answer.valueCoding": ANSWER,
        "item.answer.valueQuantity": QUANTITY,
    },
    "ServiceRequest": {
        **_resource(),
        **dict.fromkeys(("intent", "doNotPerform"), DECIDES),
        **dict.fromkeys(("category", "orderDetail", "reasonCode", "bodySite"), CODED),
        "code": CONCEPT,
        "quantityQuantity": AMOUNT,
        **dict.fromkeys(("occurrenceDateTime", "authoredOn"), TIME),
        "occurrencePeriod": PERIOD,
    },
    "Specimen": {
        **_resource(),
        "type": CONCEPT,
        **dict.fromkeys(("receivedTime", "collection.collectedDateTime"), TIME),
        "collection.collectedPeriod": PERIOD,
        **dict.fromkeys(("collection.method", "collection.bodySite", "condition"), CODED),
    },
    "Device": {**_resource("patient"), "type": CONCEPT},
}
"""Resource type -> path of an element, without indices -> its use.

Items within items and answers are the same elements as those around them, and so are extensions
within extensions.
"""
