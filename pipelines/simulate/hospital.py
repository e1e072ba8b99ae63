"""A small hospital that never was: all that the engine reads, the same for each seed.

About half of the patients come as transaction Bundles, one file each, the others as a bulk
export of NDJSON, one file per type, among them a `.gz` and a `.zip`. Labels, pairs and counts are
CSV. All of it is made up.
"""

import collections
import dataclasses
import datetime
import gzip
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import orjson

from pipelines.simulate.broken import GOOD_OBSERVATIONS, Broken, write_broken
from pipelines.simulate.clinical_notes import RADIOLOGY, simulate_notes
from pipelines.simulate.compounds import simulate_compounds
from pipelines.simulate.epidemic import simulate_epidemic
from pipelines.simulate.imaging import Imaged, simulate_imaging
from pipelines.simulate.labels import Label, label_of, write_labels
from pipelines.simulate.messages import simulate_messages
from pipelines.simulate.people import Person, make_person
from pipelines.simulate.resources import Resource, new_id
from pipelines.simulate.stays import simulate_stays
from pipelines.simulate.treatments import AGES, simulate_treatment
from transforms.errors import UsageError

BEGIN = datetime.datetime(2021, 7, 1, tzinfo=datetime.UTC)
AS_OF = datetime.date(2024, 12, 31)
MIN_PATIENTS, MIN_STUDIES = 20, 10
_BASE = "https://fhir.hospital.example/r4/"
_GZIPPED, _ZIPPED = "Observation", "Condition"
_ABSOLUTE = "MedicationRequest"
_ZIP_TIME = (2025, 1, 1, 0, 0, 0)
_PEOPLE, _STAYS, _TREATMENTS, _IMAGING, _DRUGS, _FAULTS = range(6)
_MESSAGES, _NOTES, _COMPOUNDS, _EPIDEMIC = range(6, 10)


@dataclasses.dataclass(frozen=True)
class Simulated:
    """What was written, for callers and for tests.

    `labels` is a folder with one file per model, `pairs` and `counts` are files. The history ends
    with the day `as_of`; a stay that has not ended by then is open.
    `resources` counts distinct whole resources by type, `identities` are the texts that name
    people in the files and must appear nowhere else.
    """

    fhir: Path
    dicom: Path
    labels: Path
    pairs: Path
    counts: Path
    as_of: datetime.date
    patients: int
    studies: int
    instances: int
    resources: dict[str, int]
    broken: tuple[Broken, ...]
    identities: frozenset[str]


def simulate_hospital(
    folder: Path, *, patients: int, studies: int, seed: int, broken: bool
) -> Simulated:
    """Write `fhir`, `dicom`, `labels`, `pairs.csv` and `ili.csv` into `folder`; what they hold.

    Patient number n is the same whatever `patients` is. `broken` adds inputs with faults.

    Raises: UsageError, for too few patients or studies, or when the folder is not empty.
    """
    if patients < MIN_PATIENTS or studies < MIN_STUDIES:
        raise UsageError(
            f"patients {patients}, studies {studies}: "
            f"at least {MIN_PATIENTS} and {MIN_STUDIES} are needed"
        )
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty")
    as_of = datetime.datetime.combine(AS_OF, datetime.time(), datetime.UTC)
    as_of += datetime.timedelta(days=1)  # a day is meant to its end
    people, records = _histories(patients, seed, as_of)
    imaged = simulate_imaging(_generator(seed, _IMAGING), people, studies, BEGIN, as_of)
    for study in imaged:
        records[study.person.mrn] += study.resources
    fhir, dicom, labels = folder / "fhir", folder / "dicom", folder / "labels"
    for part in (fhir / "bundles", fhir / "bulk", dicom, labels):
        part.mkdir(parents=True)
    for model, rows in _words(people, records, imaged, seed, as_of).items():
        write_labels(labels / f"{model}.csv", rows)
    pairs, counts = folder / "pairs.csv", folder / "ili.csv"
    molecules = simulate_compounds(_generator(seed, _COMPOUNDS), BEGIN, as_of, pairs)
    simulate_epidemic(_generator(seed, _EPIDEMIC), BEGIN, as_of, counts)
    bulk = [person for number, person in enumerate(people) if number % 2]
    written = [person for number, person in enumerate(people) if number % 2 == 0]
    for number, person in enumerate(written):
        _write_bundle(fhir / "bundles", number, person, records[person.mrn])
    drugs = _write_bulk(
        fhir / "bulk",
        [r for person in bulk for r in [person.patient, *records[person.mrn]]] + molecules,
        _generator(seed, _DRUGS),
    )
    instances = _write_studies(dicom, imaged)
    faults: list[Broken] = []
    if broken:
        whole = [person for person in bulk if person.died is None]
        faults = write_broken(
            _generator(seed, _FAULTS),
            whole[0],
            imaged[0].study.instances[0],
            as_of - datetime.timedelta(days=2),
            fhir=fhir,
            dicom=dicom,
            pairs=pairs,
        )
    everything = [resource for record in records.values() for resource in record] + molecules
    types = collections.Counter(resource["resourceType"] for resource in everything)
    types.update(Patient=len(people), Medication=drugs)
    types.update(Observation=GOOD_OBSERVATIONS if broken else 0)
    return Simulated(
        fhir,
        dicom,
        labels,
        pairs,
        counts,
        AS_OF,
        len(people),
        len(imaged),
        instances,
        dict(sorted(types.items())),
        tuple(faults),
        frozenset(text for person in people for text in person.identities),
    )


def _generator(seed: int, *part: int) -> np.random.Generator:
    """An own stream of random numbers for each part, so that no part moves another."""
    return np.random.default_rng([seed, *part])


def _histories(
    patients: int, seed: int, as_of: datetime.datetime
) -> tuple[list[Person], dict[str, list[Resource]]]:
    """People, and by medical record number what happened to each."""
    people, records = [], {}
    for index in range(patients):
        person = make_person(_generator(seed, _PEOPLE, index), index, BEGIN)
        record = simulate_stays(_generator(seed, _STAYS, index), person, BEGIN, as_of)
        if AGES[0] <= person.age <= AGES[1] and person.died is None and index % 8 != 7:
            rng = _generator(seed, _TREATMENTS, index)
            record += simulate_treatment(rng, person, BEGIN, as_of)
        people.append(person)
        records[person.mrn] = record
    return people, records


def _words(
    people: list[Person],
    records: dict[str, list[Resource]],
    imaged: list[Imaged],
    seed: int,
    as_of: datetime.datetime,
) -> dict[str, list[Label]]:
    """Adds messages and notes to the records; model -> their labels."""
    labels: dict[str, list[Label]] = {"assistant": [], "note_extraction": []}
    for index, person in enumerate(people):
        messages = simulate_messages(_generator(seed, _MESSAGES, index), person, BEGIN, as_of)
        notes = simulate_notes(_generator(seed, _NOTES, index), person, BEGIN, as_of)
        records[person.mrn] += messages[0] + notes[0]
        labels["assistant"] += messages[1]
        labels["note_extraction"] += notes[1]
    labels["note_extraction"] += [
        label_of(item.person.patient, report, item.study.time, RADIOLOGY)
        for item in imaged
        for report in item.resources
        if report["resourceType"] == "DiagnosticReport"
    ]
    return labels


def _with_references(resource: Resource, pattern: str) -> Resource:
    """The resource with each reference `Type/id` written as `pattern` says."""

    def rewrite(value: object) -> object:
        if isinstance(value, dict):
            return {
                key: pattern.format(type=item.partition("/")[0], id=item.partition("/")[2])
                if key == "reference"
                else rewrite(item)
                for key, item in value.items()
            }
        return [rewrite(item) for item in value] if isinstance(value, list) else value

    return {key: rewrite(value) for key, value in resource.items()}


def _write_bundle(folder: Path, number: int, person: Person, record: list[Resource]) -> None:
    """One transaction Bundle under the patient's name, as some exports do."""
    entries = [
        {
            "fullUrl": f"urn:uuid:{resource['id']}",
            "resource": _with_references(resource, "urn:uuid:{id}"),
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for resource in [person.patient, *record]
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    name = f"{person.given}_{person.family}_{person.patient['id']}"
    if number % 50 == 7:
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(orjson.dumps(bundle), 6, mtime=0))
        return
    option = orjson.OPT_INDENT_2 if number % 3 == 0 else None
    (folder / f"{name}.json").write_bytes(orjson.dumps(bundle, option=option))


def _write_bulk(folder: Path, resources: Iterable[Resource], rng: np.random.Generator) -> int:
    """NDJSON, one file per type; the number of Medications that the orders refer to."""
    drugs: dict[str, Resource] = {}
    lines: dict[str, list[bytes]] = collections.defaultdict(list)
    for resource in resources:
        kind = resource["resourceType"]
        if kind == _ABSOLUTE:
            resource = _with_references(
                _with_medication(resource, drugs, rng), _BASE + "{type}/{id}"
            )
        lines[kind].append(orjson.dumps(resource))
    lines["Medication"] = [orjson.dumps(drug) for drug in drugs.values()]
    for kind, of_kind in lines.items():
        content = b"\n".join(of_kind) + b"\n"
        name = f"{kind}.ndjson"
        if kind == _GZIPPED:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 6, mtime=0))
        elif kind == _ZIPPED:
            _write_zip(folder / f"{kind}.zip", [(name, content)])
        else:
            (folder / name).write_bytes(content)
    return len(drugs)


def _with_medication(
    request: Resource, drugs: dict[str, Resource], rng: np.random.Generator
) -> Resource:
    """The order with a reference to a Medication in place of the code."""
    concept = request["medicationCodeableConcept"]
    code = concept["coding"][0]["code"]
    if code not in drugs:
        drugs[code] = {
            "resourceType": "Medication",
            "id": new_id(rng),
            "meta": request["meta"],
            "code": concept,
        }
    kept = {key: value for key, value in request.items() if key != "medicationCodeableConcept"}
    return kept | {"medicationReference": {"reference": f"Medication/{drugs[code]['id']}"}}


def _write_zip(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """A zip whose bytes depend on its content alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)


def _write_studies(folder: Path, imaged: list[Imaged]) -> int:
    """One folder per study, some files without extension, one study as a zip; the instances."""
    count = 0
    for number, item in enumerate(imaged):
        suffix = "" if number % 5 == 4 else ".dcm"
        members = []
        for index, instance in enumerate(item.study.instances, 1):
            buffer = io.BytesIO()
            instance.save_as(buffer, enforce_file_format=True)
            members.append((f"IM{index:04d}{suffix}", buffer.getvalue()))
        count += len(members)
        if number == 3:
            _write_zip(folder / f"study{number:04d}.zip", members)
            continue
        study = folder / f"study{number:04d}"
        study.mkdir()
        for name, content in members:
            (study / name).write_bytes(content)
    return count
