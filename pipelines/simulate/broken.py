"""Inputs that are broken, each in its own way, as every real export has some.

In no stage more than ten are refused, so that a run with them is still published.
"""

import dataclasses
import datetime
import enum
import io
from pathlib import Path

import numpy as np
import orjson
from pydicom.dataset import FileDataset

from pipelines.simulate import resources
from pipelines.simulate.people import Person
from pipelines.simulate.resources import ICD10CM, Resource
from pipelines.simulate.stays import ALBUMIN

GOOD_OBSERVATIONS = 2
UNREADABLE = "c1cc(F)ccc1Nc1ncnc2cc"  # rings that are not closed
UNREADABLE_PAIRS = ("NR-2", "NR-3")


class Fault(enum.StrEnum):
    """What is wrong with an input, and so the reason for which it should be refused or skipped."""

    TRUNCATED_LINE = "truncated_line"
    R5_ENCOUNTER = "r5_encounter"
    STRING_FOR_NUMBER = "string_for_number"
    UNREADABLE_DATE = "unreadable_date"
    MISSING_REFERENCE = "missing_reference"
    TRUNCATED_BUNDLE = "truncated_bundle"
    TRUNCATED_DICOM = "truncated_dicom"
    TEXT_NAMED_DCM = "text_named_dcm"
    UNREADABLE_COMPOUND = "unreadable_compound"
    UNREADABLE_PAIR = "unreadable_pair"


@dataclasses.dataclass(frozen=True)
class Broken:
    """One broken input: the fault, its file, and the resource id or DICOM UID where it has one."""

    fault: Fault
    path: Path
    identity: str | None = None


def write_broken(
    rng: np.random.Generator,
    person: Person,
    instance: FileDataset,
    time: datetime.datetime,
    *,
    fhir: Path,
    dicom: Path,
    pairs: Path,
) -> list[Broken]:
    """Write one input for each fault, about `person`, whose other data stay whole.

    Lines go to `fhir/late.ndjson`, between GOOD_OBSERVATIONS that are good, of which one is
    there twice; the DICOM file is cut within its header. `pairs` gets two rows more.
    """
    patient = person.patient
    good = _albumin(rng, patient, time)
    lines: list[tuple[Fault | None, Resource]] = [
        (None, good),
        (None, good),
        (Fault.R5_ENCOUNTER, _r5_encounter(rng, patient, time)),
        (Fault.STRING_FOR_NUMBER, _string_for_number(rng, patient, time)),
        (Fault.UNREADABLE_DATE, _unreadable_date(rng, patient, time)),
        (Fault.TRUNCATED_LINE, _albumin(rng, patient, time)),
        (Fault.UNREADABLE_COMPOUND, resources.substance(rng, "NR-1", UNREADABLE, time)),
        (None, _albumin(rng, patient, time)),
    ]
    late = fhir / "late.ndjson"
    with late.open("wb") as file:
        for fault, resource in lines:
            text = orjson.dumps(resource)
            file.write(text[: len(text) // 2] if fault is Fault.TRUNCATED_LINE else text)
            file.write(b"\n")
    broken = [Broken(fault, late, line["id"]) for fault, line in lines if fault is not None]
    lost = _albumin(rng, patient, time)
    lost["subject"] = {"reference": f"urn:uuid:{resources.new_id(rng)}"}
    entry = {
        "fullUrl": f"urn:uuid:{lost['id']}",
        "resource": lost,
        "request": {"method": "POST", "url": "Observation"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    whole = orjson.dumps(bundle)
    (fhir / "no_patient.json").write_bytes(whole)
    (fhir / "cut_short.json").write_bytes(whole[: len(whole) * 2 // 3])
    (dicom / "cut_short.dcm").write_bytes(_header_bytes(instance))
    with pairs.open("a", encoding="utf-8") as file:
        file.writelines(f"{name},KIN1A,{UNREADABLE},6.5,\n" for name in UNREADABLE_PAIRS)
    (dicom / "readme.dcm").write_text("Exported from the archive.\nSee the list of studies.\n")
    return [
        *broken,
        Broken(Fault.MISSING_REFERENCE, fhir / "no_patient.json", lost["id"]),
        Broken(Fault.TRUNCATED_BUNDLE, fhir / "cut_short.json"),
        Broken(Fault.TRUNCATED_DICOM, dicom / "cut_short.dcm", str(instance.SOPInstanceUID)),
        Broken(Fault.TEXT_NAMED_DCM, dicom / "readme.dcm"),
        *(Broken(Fault.UNREADABLE_PAIR, pairs, name) for name in UNREADABLE_PAIRS),
    ]


def _albumin(rng: np.random.Generator, patient: Resource, time: datetime.datetime) -> Resource:
    return resources.observation(rng, patient, ALBUMIN, time, value=3.9, unit="g/dL")


def _r5_encounter(rng: np.random.Generator, patient: Resource, time: datetime.datetime) -> Resource:
    """R5 has `class` as a list of CodeableConcept and `actualPeriod` for `period`."""
    kind = (resources.SNOMED, "185349003", "Encounter for check up")
    encounter = resources.encounter(
        rng, patient, encounter_class="AMB", kind=kind, start=time, end=time
    )
    encounter["class"] = [{"coding": [encounter["class"]]}]
    encounter["actualPeriod"] = encounter.pop("period")
    return encounter


def _string_for_number(
    rng: np.random.Generator, patient: Resource, time: datetime.datetime
) -> Resource:
    observation = _albumin(rng, patient, time)
    observation["valueQuantity"]["value"] = "3.9"
    return observation


def _unreadable_date(
    rng: np.random.Generator, patient: Resource, time: datetime.datetime
) -> Resource:
    gout = (ICD10CM, "M10.9", "Gout, unspecified")
    condition = resources.condition(rng, patient, (gout,), time)
    condition["onsetDateTime"] = f"{time:%d.%m.%Y}"
    return condition


def _header_bytes(instance: FileDataset) -> bytes:
    """The file up to the middle of its SOPInstanceUID (0008,0018)."""
    buffer = io.BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    whole = buffer.getvalue()
    uid = str(instance.SOPInstanceUID).encode()
    in_data_set = whole.index(uid, whole.index(uid) + len(uid))  # the first is in the file meta
    return whole[: in_data_set + len(uid) // 2]
