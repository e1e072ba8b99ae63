"""`ingest` end to end on small files: every format, every fate, repeats, updates, deletions."""

import datetime
import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.builders import bundle, lines, observation, patient
from tests.pipelines.warehouses import select
from tests.transforms.dicom import builders as dicom
from transforms.errors import Refused
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
DAY = datetime.date(2024, 6, 1)


def rows(tmp_path: Path) -> list[tuple[object, ...]]:
    return select(tmp_path, "SELECT * FROM events ORDER BY ALL")


def test_every_format_is_read_and_every_input_accounted_for(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "bundle.json").write_text(
        json.dumps(bundle(patient("a"), observation("o1", "Patient/a")))
    )
    (folder / "Observation.ndjson").write_bytes(
        b"\xef\xbb\xbf" + lines(observation("o2", "Patient/a")).replace(b"\n", b"\r\n") + b"\n\n"
    )
    (folder / "more.ndjson.gz").write_bytes(gzip.compress(lines(observation("o3", "Patient/a"))))
    with zipfile.ZipFile(folder / "z.zip", "w") as archive:
        archive.writestr("one.json", json.dumps(observation("o4", "Patient/a")))
        archive.writestr("two.ndjson", lines({"resourceType": "Basic", "id": "b"}))
    (folder / "README.txt").write_text("not FHIR")
    (folder / "broken.json").write_text('{"resourceType": "Patient", "id": ')
    outcome = run(folder)
    assert outcome.stages["read_fhir"].summary() == {
        "stage": "read_fhir",
        "read": 8,
        "written": 5,
        "quarantined": 1,
        "duplicate": 0,
        "skipped": {"not FHIR JSON": 1, "type Basic": 1},
    }
    assert outcome.rows_added["sources"] == 7
    found = select(
        tmp_path, "SELECT DISTINCT subject_id, numeric_value FROM events WHERE unit = 'mg/dL'"
    )
    assert found == [(keys.subject_id("a"), 7.0)]
    assert select(tmp_path, "SELECT stage, raw FROM quarantine") == [
        ("read_fhir", b'{"resourceType": "Patient", "id": ')
    ]
    assert select(
        tmp_path, "SELECT stage, status, read, written FROM runs WHERE stage='read_fhir'"
    ) == [("read_fhir", "published", 8, 5)]


def test_the_same_run_again_leaves_the_same_rows(tmp_path, run):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(bundle(patient("a"), observation("o1", "Patient/a"))))
    run(folder)
    before = rows(tmp_path)
    outcome = run(folder)
    assert rows(tmp_path) == before
    assert (outcome.stages["read_fhir"].written, outcome.stages["read_fhir"].duplicate) == (0, 2)
    assert outcome.rows_added.get("events", 0) == 0


def test_a_second_export_updates_and_deletes(tmp_path, run, keys):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    old = {"meta": {"lastUpdated": "2024-01-02T00:00:00Z"}}
    new = {"meta": {"lastUpdated": "2024-02-02T00:00:00Z"}}
    (first / "a.ndjson").write_bytes(
        lines(
            patient("a"),
            observation("o1", "Patient/a", 1.0, **old),
            observation("o2", "Patient/a", 2.0, **old),
            observation("o3", "Patient/a", 3.0, **new),
        )
    )
    (second / "a.ndjson").write_bytes(
        lines(
            observation("o1", "Patient/a", 10.0, **new),
            observation("o3", "Patient/a", 30.0, **old),
        )
    )
    gone = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": "Observation/o2"}}],
    }
    (second / "deleted.ndjson").write_bytes(lines(gone))
    run(first)
    outcome = run(second)
    found = select(
        tmp_path, "SELECT numeric_value FROM events WHERE code='LOINC//2160-0' ORDER BY 1"
    )
    assert found == [(3.0,), (10.0,)]
    stage = outcome.stages["read_fhir"]
    assert (stage.read, stage.written, stage.duplicate) == (3, 1, 1)
    assert outcome.rows_added["events"] == -1
    # An older export that comes late does not bring it back.
    run(first)
    assert (
        select(tmp_path, "SELECT numeric_value FROM events WHERE code='LOINC//2160-0' ORDER BY 1")
        == found
    )


def test_references_are_answered_across_files(tmp_path, run, keys):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_bytes(lines(patient("a"), patient("b")))
    (folder / "Medication.ndjson").write_bytes(
        lines(
            {
                "resourceType": "Medication",
                "id": "m",
                "code": {
                    "coding": [
                        {"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "11289"}
                    ]
                },
            }
        )
    )
    request = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/m"},
        "subject": {"reference": "Patient?identifier=urn:mrn|MRN-b"},
        "authoredOn": "2024-01-01T00:00:00Z",
    }
    lost = observation("o9", "Patient?identifier=urn:mrn|nobody")
    (folder / "rest.ndjson").write_bytes(lines(request, lost))
    outcome = run(folder)
    assert select(
        tmp_path, "SELECT subject_id, code FROM events WHERE resource_type LIKE 'Med%'"
    ) == [(keys.subject_id("b"), "RXNORM//11289")]
    assert select(tmp_path, "SELECT stage, error_class, raw FROM quarantine") == [
        ("link", "Unresolved", json.dumps(lost).encode())
    ]
    stage = outcome.stages["read_fhir"]
    assert (stage.read, stage.written, stage.quarantined) == (5, 4, 1)


def test_too_many_refusals_publish_nothing(tmp_path, run):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(lines(patient("a")) + b"{broken\n" * 11)
    with pytest.raises(Refused, match="11 of 12 inputs were refused, more than the limit of 10"):
        run(folder)
    assert select(tmp_path, "SELECT status FROM runs") == [("refused",)]
    assert open_warehouse(str(tmp_path / "w")).files("events") == []
    run(folder, limit=0.99)
    assert select(tmp_path, "SELECT count(*) FROM quarantine") == [(11,)]


def test_images_find_their_patients_and_move_when_these_arrive(tmp_path, run, keys):
    images, records = tmp_path / "pacs", tmp_path / "export"
    images.mkdir()
    records.mkdir()
    for number, patient_id in enumerate(["MRN-a", "unknown"]):
        dataset = dicom.image(
            stored=np.zeros((4, 4), np.uint16),
            patient_id=patient_id,
            study_uid=f"1.2.{number}",
            instance_uid=f"1.2.{number}.1",
        )
        (images / f"IM{number}").write_bytes(dicom.written(dataset=dataset).getvalue())
    (images / "notes.txt").write_text("not DICOM")
    (images / "broken.zip").write_bytes(b"PK\x03\x04 broken")
    outcome = run(images, kind="dicom")
    assert select(tmp_path, "SELECT stage, error_class FROM quarantine") == [
        ("read_dicom", "BadZipFile")
    ]
    assert outcome.stages["read_dicom"].summary()["skipped"] == {"not DICOM": 1}
    assert select(tmp_path, "SELECT match, count(*) FROM images GROUP BY 1") == [("none", 2)]
    (records / "p.ndjson").write_bytes(lines(patient("a")))
    run(records)
    outcome = run(images, kind="dicom")
    assert select(
        tmp_path,
        "SELECT match, subject_id = ? FROM images ORDER BY 1".replace(
            "?", str(keys.subject_id("a"))
        ),
    ) == [
        ("identifier", True),
        ("none", False),
    ]
    stage = outcome.stages["read_dicom"]
    assert (stage.read, stage.written, stage.duplicate) == (4, 1, 1)
    assert outcome.rows_added["images"] == 0


def test_labels_are_read_once(tmp_path, run, keys):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "treatment.csv").write_text(
        "subject_id,prediction_time,categorical_value\np1,2024-01-01T00:00:00,warfarin\n"
    )
    outcome = run(folder, kind="labels")
    assert (outcome.stages["read_labels"].read, outcome.stages["read_labels"].written) == (1, 1)
    assert run(folder, kind="labels").stages["read_labels"].duplicate == 1
    assert select(tmp_path, "SELECT model, subject_id, categorical_value FROM labels") == [
        ("treatment", keys.subject_id("p1"), "warfarin")
    ]
