"""ImagingStudy: that images were taken, and the link to the DICOM study.

Source: https://hl7.org/fhir/R4/imagingstudy.html
"""

from typing import Literal

from msgspec import UNSET

from transforms.fhir.codes import coding_texts
from transforms.fhir.datatypes import (
    CodeableConcept,
    Element,
    Identifier,
    NotInR4,
    PlainCoding,
    Reference,
    Resource,
    SiteCoding,
)
from transforms.fhir.rows import Facts
from transforms.fhir.times import known_us


class Series(Element):
    """One series of a study; its UIDs are not read."""

    modality: PlainCoding
    body_site: SiteCoding | None = None


class ImagingStudy(Resource, kw_only=True):
    """What is kept of an ImagingStudy."""

    status: Literal["registered", "available", "cancelled", "entered-in-error", "unknown"]
    subject: Reference
    identifier: tuple[Identifier, ...] = ()
    modality: tuple[PlainCoding, ...] = ()
    started: str | None = None
    procedure_code: tuple[CodeableConcept, ...] = ()
    reason_code: tuple[CodeableConcept, ...] = ()
    series: tuple[Series, ...] = ()
    accession: NotInR4 = UNSET
    availability: NotInR4 = UNSET
    context: NotInR4 = UNSET
    modality_list: NotInR4 = UNSET
    part_of: NotInR4 = UNSET
    patient: NotInR4 = UNSET
    procedure: NotInR4 = UNSET
    reason: NotInR4 = UNSET
    uid: NotInR4 = UNSET


def facts_from_imaging_study(study: ImagingStudy) -> Facts:
    """ImagingStudy -> `IMAGING_STUDY//<modality>` per modality, when it was started.

    Procedures, reasons and body sites are its further codes; no UID is kept here.

    Source: https://hl7.org/fhir/R4/imagingstudy.html
    Raises: ValueError, when the time cannot be read.
    """
    time = known_us(None, study.started, "ImagingStudy.started")
    codes = coding_texts(study.procedure_code) + coding_texts(study.reason_code)
    sites = [series.body_site for series in study.series if series.body_site is not None]
    codes += dict.fromkeys(coding_texts((CodeableConcept(tuple(sites)),)))
    listed = [*study.modality, *(series.modality for series in study.series)]
    modalities = dict.fromkeys(coding.code for coding in listed if coding.code)
    return [
        (time, f"IMAGING_STUDY//{modality}", None, None, None, codes or None)
        for modality in modalities or ["UNKNOWN"]
    ]


def study_instance_uid(study: ImagingStudy) -> str | None:
    """StudyInstanceUID among the identifiers of the study, None where there is none.

    Source: https://hl7.org/fhir/R4/imagingstudy.html#notes

    >>> study = ImagingStudy(status="available", subject=Reference("Patient/1"), identifier=(
    ...     Identifier("urn:dicom:uid", "urn:oid:2.16.124"),))
    >>> study_instance_uid(study)
    '2.16.124'
    """
    for identifier in study.identifier:
        value = identifier.value or ""
        if value.startswith("urn:oid:"):
            return value.removeprefix("urn:oid:")
        if identifier.system == "urn:dicom:uid" and value:
            return value
    return None
