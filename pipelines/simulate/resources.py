"""FHIR R4 resources as JSON objects, in the shape that US Core exports have.

Every resource gets an id from the generator given and `meta.lastUpdated`, an hour after the
latest fact in it. References are written `Type/id`.

Source: https://hl7.org/fhir/us/core/
"""

import base64
import datetime
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

Resource = dict[str, Any]
Code = tuple[str, str, str]  # system, code, display

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
UCUM = "http://unitsofmeasure.org"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def new_id(rng: np.random.Generator) -> str:
    """A UUID in text, random but repeatable."""
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))


def instant(time: datetime.datetime) -> str:
    """A UTC time as FHIR writes it, to the second.

    >>> instant(datetime.datetime(2024, 3, 1, 7, 8, 9, tzinfo=datetime.UTC))
    '2024-03-01T07:08:09+00:00'
    """
    return time.isoformat(timespec="seconds")


def concept(*codes: Code) -> dict[str, Any]:
    """Codes with the same meaning -> CodeableConcept, the first display as its text."""
    return {
        "coding": [{"system": s, "code": c, "display": display} for s, c, display in codes],
        "text": codes[0][2],
    }


def reference(resource: Resource) -> dict[str, str]:
    """Resource -> Reference to it."""
    return {"reference": f"{resource['resourceType']}/{resource['id']}"}


def _new(
    rng: np.random.Generator, resource_type: str, updated: datetime.datetime, **fields: Any
) -> Resource:
    last_updated = instant(updated + datetime.timedelta(hours=1))
    return {
        "resourceType": resource_type,
        "id": new_id(rng),
        "meta": {"versionId": "1", "lastUpdated": last_updated},
        **{name: value for name, value in fields.items() if value is not None},
    }


def encounter(
    rng: np.random.Generator,
    patient: Resource,
    *,
    encounter_class: str,
    kind: Code,
    start: datetime.datetime,
    end: datetime.datetime | None,
    reason: Code | None = None,
    priority: str | None = None,
    disposition: str | None = None,
) -> Resource:
    """Encounter of class AMB, EMER or IMP; still open when `end` is None."""
    period = {"start": instant(start)} | ({"end": instant(end)} if end else {})
    return _new(
        rng,
        "Encounter",
        end or start,
        status="finished" if end else "in-progress",
        **{"class": {"system": ACT_CODE, "code": encounter_class}},
        type=[concept(kind)],
        priority=concept((ACT_PRIORITY, priority, priority)) if priority else None,
        subject=reference(patient),
        period=period,
        reasonCode=[concept(reason)] if reason else None,
        hospitalization={"dischargeDisposition": concept((DISPOSITION, disposition, disposition))}
        if disposition
        else None,
    )


def condition(
    rng: np.random.Generator,
    patient: Resource,
    codes: tuple[Code, ...],
    onset: datetime.datetime,
    *,
    within: Resource | None = None,
    recorded: datetime.datetime | None = None,
) -> Resource:
    """Confirmed, active Condition."""
    status = "http://terminology.hl7.org/CodeSystem/condition-"
    return _new(
        rng,
        "Condition",
        recorded or onset,
        clinicalStatus={"coding": [{"system": status + "clinical", "code": "active"}]},
        verificationStatus={"coding": [{"system": status + "ver-status", "code": "confirmed"}]},
        code=concept(*codes),
        subject=reference(patient),
        encounter=reference(within) if within else None,
        onsetDateTime=instant(onset),
        recordedDate=instant(recorded or onset),
    )


def observation(
    rng: np.random.Generator,
    patient: Resource,
    code: Code,
    time: datetime.datetime,
    *,
    value: float | None = None,
    unit: str = "1",
    answer: Code | None = None,
    text: str | None = None,
    component: list[dict[str, Any]] | None = None,
    category: str = "laboratory",
    within: Resource | None = None,
) -> Resource:
    """Final Observation with a quantity, a coded answer, a string or components as its value."""
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return _new(
        rng,
        "Observation",
        time,
        status="final",
        category=[concept((_CATEGORY, category, category))],
        code=concept(code),
        subject=reference(patient),
        encounter=reference(within) if within else None,
        effectiveDateTime=instant(time),
        valueQuantity=quantity if value is not None else None,
        valueCodeableConcept=concept(answer) if answer else None,
        valueString=text,
        component=component,
    )


def medication_request(
    rng: np.random.Generator,
    patient: Resource,
    drug: Code,
    time: datetime.datetime,
    *,
    within: Resource | None = None,
) -> Resource:
    """Completed order of a drug."""
    return _new(
        rng,
        "MedicationRequest",
        time,
        status="completed",
        intent="order",
        medicationCodeableConcept=concept(drug),
        subject=reference(patient),
        encounter=reference(within) if within else None,
        authoredOn=instant(time),
    )


def procedure(
    rng: np.random.Generator,
    patient: Resource,
    code: Code,
    time: datetime.datetime,
    *,
    within: Resource | None = None,
) -> Resource:
    """Completed Procedure at a moment."""
    return _new(
        rng,
        "Procedure",
        time,
        status="completed",
        code=concept(code),
        subject=reference(patient),
        encounter=reference(within) if within else None,
        performedDateTime=instant(time),
    )


def imaging_study(
    rng: np.random.Generator,
    patient: Resource,
    study_instance_uid: str,
    modality: str,
    time: datetime.datetime,
    instances: int,
) -> Resource:
    """ImagingStudy that names a DICOM study by its UID."""
    return _new(
        rng,
        "ImagingStudy",
        time,
        identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:{study_instance_uid}"}],
        status="available",
        modality=[{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": modality}],
        subject=reference(patient),
        started=instant(time),
        numberOfSeries=1,
        numberOfInstances=instances,
    )


def diagnostic_report(
    rng: np.random.Generator,
    patient: Resource,
    code: Code,
    time: datetime.datetime,
    issued: datetime.datetime,
    conclusion: tuple[Code, ...],
    *,
    study: Resource | None = None,
) -> Resource:
    """Final radiology report on a study of `time`, issued later, with a coded conclusion."""
    section = "http://terminology.hl7.org/CodeSystem/v2-0074"
    return _new(
        rng,
        "DiagnosticReport",
        issued,
        status="final",
        category=[concept((section, "RAD", "Radiology"))],
        code=concept(code),
        subject=reference(patient),
        effectiveDateTime=instant(time),
        issued=instant(issued),
        imagingStudy=[reference(study)] if study else None,
        conclusion=conclusion[0][2],
        conclusionCode=[concept(*conclusion)],
    )


def communication(
    rng: np.random.Generator, patient: Resource, text: str, sent: datetime.datetime
) -> Resource:
    """A message that the patient sent."""
    return _new(
        rng,
        "Communication",
        sent,
        status="completed",
        subject=reference(patient),
        sender=reference(patient),
        sent=instant(sent),
        payload=[{"contentString": text}],
    )


def questionnaire_response(
    rng: np.random.Generator,
    patient: Resource,
    questionnaire: str,
    answers: Mapping[str, str],
    authored: datetime.datetime,
) -> Resource:
    """Free-text answers of the patient, by linkId."""
    return _new(
        rng,
        "QuestionnaireResponse",
        authored,
        questionnaire=questionnaire,
        status="completed",
        subject=reference(patient),
        author=reference(patient),
        authored=instant(authored),
        item=[
            {"linkId": link_id, "answer": [{"valueString": text}]}
            for link_id, text in answers.items()
        ],
    )


def document_reference(
    rng: np.random.Generator,
    patient: Resource,
    kind: Code | None,
    text: str,
    date: datetime.datetime,
) -> Resource:
    """A note in plain text, of a type or, not filed yet, of none."""
    data = base64.b64encode(text.encode()).decode()
    attachment = {"contentType": "text/plain; charset=utf-8", "data": data}
    return _new(
        rng,
        "DocumentReference",
        date,
        status="current",
        docStatus="final",
        type=concept(kind) if kind else None,
        subject=reference(patient),
        date=instant(date),
        content=[{"attachment": attachment}],
    )


def substance(
    rng: np.random.Generator, name: str, smiles: str, updated: datetime.datetime
) -> Resource:
    """SubstanceDefinition (R4B) of a compound with its SMILES."""
    return _new(
        rng,
        "SubstanceDefinition",
        updated,
        name=[{"name": name, "preferred": True}],
        structure={"representation": [{"representation": smiles, "format": {"text": "SMILES"}}]},
    )


def molecular_sequence(
    rng: np.random.Generator, name: str, amino_acids: str, updated: datetime.datetime
) -> Resource:
    """MolecularSequence of a protein that is about no patient."""
    return _new(
        rng,
        "MolecularSequence",
        updated,
        identifier=[{"system": "http://hospital.example/targets", "value": name}],
        type="aa",
        coordinateSystem=0,
        observedSeq=amino_acids,
    )


def claim(rng: np.random.Generator, patient: Resource, time: datetime.datetime) -> Resource:
    """Claim: a type that the engine skips, as every real export has some."""
    return _new(
        rng,
        "Claim",
        time,
        status="active",
        use="claim",
        patient=reference(patient),
        created=instant(time),
    )
