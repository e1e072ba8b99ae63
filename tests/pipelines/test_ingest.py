"""`ingest` end to end on small files: every format, every fate, repeats, updates, deletions."""

import datetime
import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipelines.ingest import Inputs
from tests.builders import bundle, lines, observation, patient
from tests.pipelines.warehouses import select
from tests.transforms.dicom import builders as dicom
from transforms.errors import Refused, UsageError
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


def substance(smiles: str, updated: str = "2024-01-01T00:00:00Z") -> dict[str, object]:
    return {
        "resourceType": "SubstanceDefinition",
        "id": "s1",
        "meta": {"lastUpdated": updated},
        "name": [{"name": "aspirin"}],
        "structure": {"representation": [{"representation": smiles, "format": {"text": "SMILES"}}]},
    }


def test_pairs_counts_and_molecules_come_in_one_run(tmp_path, run, keys):
    fhir, pairs, counts = tmp_path / "fhir.ndjson", tmp_path / "pairs.csv", tmp_path / "ili.csv"
    target = {"resourceType": "MolecularSequence", "id": "q1", "coordinateSystem": 0, "type": "aa"}
    target |= {"identifier": [{"value": "EGFR"}], "observedSeq": "MRPSGTAGAALLALLAALCP"}
    no_structure = {"resourceType": "SubstanceDefinition", "id": "s2"}
    fhir.write_bytes(lines(substance("CCO"), target, no_structure, substance("C1CC") | {"id": "x"}))
    pairs.write_text(
        "compound,target,smiles,affinity,split\n"
        "aspirin,EGFR,,6.5,train\n"
        "aspirin,EGFR,,7.5,train\n"  # the same pair again
        "broken,EGFR,C1CC,5,\n"
        "ethanol,EGFR,CCO,,\n"
    )
    counts.write_text(
        "region,week,cases,known\n"
        "MA,2024-W05,12,\n"
        "MA,2024-W05,13,2024-02-20\n"  # a revision
        "MA,2024-W06,,\n"
        "MA,2024-W07,-1,\n"
    )
    outcome = run(fhir, pairs=pairs, counts=counts)
    fates = {
        name: (s.read, s.written, s.quarantined, s.duplicate, s.skipped)
        for name, s in outcome.stages.items()
    }
    assert fates["read_fhir"] == (4, 2, 1, 0, {"no SMILES": 1})
    assert fates["read_pairs"] == (4, 2, 1, 1, {})
    assert fates["read_counts"] == (4, 2, 1, 0, {"no cases given": 1})
    assert select(tmp_path, "SELECT kind, name, smiles, sequence FROM molecules ORDER BY ALL") == [
        ("compound", "aspirin", "CCO", None),
        ("target", "EGFR", None, "MRPSGTAGAALLALLAALCP"),
    ]
    assert select(tmp_path, "SELECT pair_id, smiles, affinity FROM pairs ORDER BY affinity") == [
        (keys.pair_id("aspirin", "EGFR"), None, 7.5),
        (keys.pair_id("ethanol", "EGFR"), "CCO", None),
    ]
    monday, region = datetime.date(2024, 1, 29), keys.region_id("ili", "MA")
    assert select(
        tmp_path, "SELECT region_id, week, cases, known::DATE FROM counts ORDER BY known"
    ) == [
        (region, monday, 12.0, datetime.date(2024, 2, 4)),
        (region, monday, 13.0, datetime.date(2024, 2, 20)),
    ]
    assert select(tmp_path, "SELECT stage, position FROM quarantine ORDER BY stage") == [
        ("read_counts", 3),
        ("read_fhir", fhir.read_bytes().rindex(b"\n", 0, -1) + 1),
        ("read_pairs", 2),
    ]
    again = run(fhir, pairs=pairs, counts=counts)
    for stage, duplicate in (("read_fhir", 2), ("read_pairs", 3), ("read_counts", 2)):
        assert (again.stages[stage].written, again.stages[stage].duplicate) == (0, duplicate)
    assert not any(again.rows_added.get(name) for name in ("molecules", "pairs", "counts"))


def test_a_compound_is_replaced_by_its_newer_version_and_leaves_when_deleted(tmp_path, run):
    path = tmp_path / "export.ndjson"
    smiles = "SELECT smiles FROM molecules"
    for written, expected in (
        (substance("CCO", "2024-02-01T00:00:00Z"), "CCO"),
        (substance("CCN", "2024-01-01T00:00:00Z"), "CCO"),  # older, though it comes later
        (substance("CCS", "2024-03-01T00:00:00Z"), "CCS"),
    ):
        path.write_bytes(lines(written))
        run(path)
        assert select(tmp_path, smiles) == [(expected,)]
    gone = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": "SubstanceDefinition/s1"}}],
    }
    path.write_bytes(lines(gone))
    outcome = run(path)
    assert outcome.stages["read_fhir"].skipped == {"deleted": 1}
    assert outcome.rows_added["molecules"] == -1
    assert open_warehouse(str(tmp_path / "w")).files("molecules") == []


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("pairs", "compound\na\n", r"--pairs .*/t.csv: no column target"),
        ("counts", "region,week\nMA,2024-W05\n", r"--counts .*/t.csv: no column cases"),
    ],
)
def test_tables_without_their_columns_are_refused_before_any_work(
    tmp_path, keys, kind, text, message
):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        Inputs(**{kind: (str(path),)}).check(keys)
    with pytest.raises(UsageError, match=f"--{kind} nowhere: no such file"):
        Inputs(**{kind: ("nowhere",)}).check(keys)
