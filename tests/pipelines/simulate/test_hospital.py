import collections
import csv
import datetime
import gzip
import hashlib
import io
import zipfile

import orjson
import pydicom
import pytest

from pipelines.simulate import simulate_hospital
from transforms.errors import UsageError


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    return simulate_hospital(folder, patients=30, studies=20, seed=3, broken=False)


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def plain(path):
    """The content of a file, unpacked."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())
    return path.read_bytes()


def read_resources(folder):
    """Every resource with its fullUrl or a relative one."""
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        if path.parent.name == "bundles":
            for entry in orjson.loads(plain(path))["entry"]:
                yield entry["fullUrl"], entry["resource"]
        else:
            for line in plain(path).splitlines():
                resource = orjson.loads(line)
                yield f"{resource['resourceType']}/{resource['id']}", resource


def instances(folder):
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    yield pydicom.dcmread(io.BytesIO(archive.read(name)))
        elif path.is_file():
            yield pydicom.dcmread(path)


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "reference":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("broken", [False, True])
def test_same_seed_same_bytes(tmp_path, broken):
    made = [
        simulate_hospital(tmp_path / name, patients=20, studies=10, seed=seed, broken=broken)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = (hashes(tmp_path / name) for name in "abc")
    assert first == again
    assert made[0].identities == made[1].identities
    assert not set(first.values()) & set(other.values()) - {
        hashes(tmp_path / "a").get("dicom/readme.dcm")
    }


def test_patients_do_not_depend_on_their_number(tmp_path, hospital):
    simulate_hospital(tmp_path, patients=24, studies=20, seed=3, broken=False)
    more, fewer = (
        {r["id"]: r for _, r in read_resources(folder) if r["resourceType"] == "Patient"}
        for folder in (hospital.fhir, tmp_path / "fhir")
    )
    assert len(fewer) == 24
    assert fewer.items() <= more.items()


def test_counts_are_those_of_the_files(hospital):
    found = collections.Counter(r["resourceType"] for _, r in read_resources(hospital.fhir))
    assert dict(sorted(found.items())) == hospital.resources
    assert found["Patient"] == 30
    files = list(instances(hospital.dicom))
    assert len(files) == hospital.instances
    assert len({file.StudyInstanceUID for file in files}) == hospital.studies == 20


def test_every_form_of_input_occurs(hospital):
    suffixes = collections.Counter(
        "".join(path.suffixes) for path in hospital.fhir.rglob("*") if path.is_file()
    )
    assert suffixes[".json"] >= 14
    assert {".json.gz", ".ndjson", ".ndjson.gz", ".zip"} <= set(suffixes)
    assert {path.suffix for path in hospital.dicom.rglob("*") if path.is_file()} == {
        *("", ".dcm", ".zip")
    }


def test_every_reference_leads_somewhere(hospital):
    found = list(read_resources(hospital.fhir))
    known = {url for url, _ in found}
    base = "https://fhir.hospital.example/r4/"
    kinds = collections.Counter()
    for _, resource in found:
        for reference in references(resource):
            assert reference.removeprefix(base) in known
            kinds[reference.partition(":")[0].partition("/")[0]] += 1
    assert {"urn", "https", "Patient", "Encounter"} <= set(kinds)


def test_nothing_lies_after_the_last_day(hospital):
    assert hospital.as_of == datetime.date(2024, 12, 31)
    end = "2025-01-01T00:00:00"
    names = ("onsetDateTime", "effectiveDateTime", "authoredOn", "issued", "performedDateTime")
    names += ("sent", "authored", "date")
    times = [r[name] for _, r in read_resources(hospital.fhir) for name in names if name in r]
    assert len(times) > 500
    assert max(times) < end
    for _, resource in read_resources(hospital.fhir):
        period = resource.get("period", {})
        assert period.get("start", "") < end
        assert period.get("end", "") < end
    assert max(str(file.StudyDate) for file in instances(hospital.dicom)) <= "20241231"


def test_studies_are_linked_in_each_way(hospital):
    found = [resource for _, resource in read_resources(hospital.fhir)]
    by_study = {
        resource["identifier"][0]["value"].removeprefix("urn:oid:")
        for resource in found
        if resource["resourceType"] == "ImagingStudy"
    }
    numbers = {
        identifier["value"]
        for resource in found
        if resource["resourceType"] == "Patient"
        for identifier in resource["identifier"]
    }
    links = {}
    for file in instances(hospital.dicom):
        kind = (file.StudyInstanceUID in by_study, file.PatientID in numbers)
        assert links.setdefault(file.StudyInstanceUID, kind) == kind
    assert collections.Counter(links.values()) == {
        (True, False): 9,
        (False, True): 9,
        (False, False): 2,
    }


def test_every_label_is_of_a_resource_of_its_patient(hospital):
    found = {f"{r['resourceType']}/{r['id']}": r for _, r in read_resources(hospital.fhir)}
    types = {}
    for path in sorted(hospital.labels.iterdir()):
        with path.open() as file:
            for label in csv.DictReader(file):
                resource = found[label["entity_id"]]
                assert label["subject_id"] in resource["subject"]["reference"]
                types.setdefault(path.name, set()).add(resource["resourceType"])
    assert types == {
        "assistant.csv": {"Communication", "QuestionnaireResponse"},
        "note_extraction.csv": {"DiagnosticReport", "DocumentReference"},
    }


def test_what_is_about_nobody_names_nobody(hospital):
    for path in (hospital.pairs, hospital.counts):
        text = path.read_text()
        assert len(text.splitlines()) > 500
        assert not [name for name in hospital.identities if name in text]


def test_identities_stand_in_the_files(hospital):
    everything = b"".join(plain(p) for p in sorted(hospital.fhir.rglob("*")) if p.is_file())
    assert len(hospital.identities) > 150
    assert [text for text in hospital.identities if text.encode() not in everything] == []


@pytest.mark.parametrize(("patients", "studies"), [(19, 10), (20, 9)])
def test_too_few_are_refused(tmp_path, patients, studies):
    with pytest.raises(UsageError, match=f"patients {patients}, studies {studies}"):
        simulate_hospital(tmp_path, patients=patients, studies=studies, seed=1, broken=False)


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        simulate_hospital(tmp_path, patients=20, studies=10, seed=1, broken=False)
