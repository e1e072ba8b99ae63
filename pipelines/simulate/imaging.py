"""Imaging studies of the patients, how they are linked to the record, and how they were read."""

import dataclasses
import datetime

import numpy as np

from pipelines.simulate import resources
from pipelines.simulate.images import Study, make_study
from pipelines.simulate.people import CANCER, Person
from pipelines.simulate.resources import ICD10CM, LOINC, SNOMED, Code, Resource

_DISEASED = 0.4
_UNREAD = 0.1
UNMATCHED = 2
_CT: Code = (LOINC, "24627-2", "CT Chest")
_XRAY: Code = (LOINC, "36643-5", "XR Chest 2 Views")
_NORMAL: tuple[Code, ...] = ((SNOMED, "17621005", "Normal"),)
_FINDINGS: tuple[tuple[tuple[Code, ...], float], ...] = (
    (((SNOMED, "233604007", "Pneumonia"), (ICD10CM, "J18.9", "Pneumonia, unspecified")), 0.7),
    (
        (
            (SNOMED, "254637007", "Non-small cell lung cancer"),
            (ICD10CM, "C34.90", "Malignant neoplasm of bronchus or lung"),
        ),
        0.3,
    ),
)


@dataclasses.dataclass(frozen=True)
class Imaged:
    """One study with the person it belongs to and the resources that mention it."""

    person: Person
    study: Study
    resources: tuple[Resource, ...]


def simulate_imaging(
    rng: np.random.Generator,
    people: list[Person],
    studies: int,
    begin: datetime.datetime,
    as_of: datetime.datetime,
) -> list[Imaged]:
    """`studies` chest studies of people without a tumour before, half linked by ImagingStudy.

    The other half is linked by PatientID, which is the medical record number; the last two
    are of nobody known. The newest tenth has not been read and is what the model is asked for.
    """
    known = [person for person in people if CANCER not in person.chronic and person.died is None]
    order = rng.permutation(len(known))
    imaged = []
    for index in range(studies):
        person = known[order[index % len(known)]]
        unread = index < studies * _UNREAD
        latest = (as_of - begin).days
        day = rng.uniform(latest - 14, latest - 1) if unread else rng.uniform(30, latest - 60)
        time = begin + datetime.timedelta(minutes=int(day * 1440))
        diseased = bool(rng.random() < _DISEASED)
        by_study, by_nobody = index % 2 == 0, index >= studies - UNMATCHED
        patient_id = f"PACS{880_000 + index}" if by_study or by_nobody else person.mrn
        study = make_study(rng, person, time, diseased=diseased, patient_id=patient_id)
        written: list[Resource] = []
        if not by_nobody:
            written = _record(rng, person, study, linked=by_study, read=not unread)
        imaged.append(Imaged(person, study, tuple(written)))
    return imaged


def _record(
    rng: np.random.Generator, person: Person, study: Study, *, linked: bool, read: bool
) -> list[Resource]:
    """ImagingStudy, then the report a day later at most, then the diagnosis that it led to."""
    patient, written = person.patient, []
    entry = None
    if linked:
        entry = resources.imaging_study(
            rng,
            patient,
            study.study_instance_uid,
            study.modality,
            study.time,
            len(study.instances),
        )
        written.append(entry)
    if not read:
        return written
    finding, _ = _FINDINGS[rng.choice(len(_FINDINGS), p=[share for _, share in _FINDINGS])]
    issued = study.time + datetime.timedelta(minutes=int(rng.uniform(60, 1440)))
    written.append(
        resources.diagnostic_report(
            rng,
            patient,
            _CT if study.modality == "CT" else _XRAY,
            study.time,
            issued,
            finding if study.diseased else _NORMAL,
            study=entry,
        )
    )
    if study.diseased:
        written.append(
            resources.condition(rng, patient, finding[::-1], issued + datetime.timedelta(hours=2))
        )
    return written
