"""`quarantine`, `gc`, `export-meds`: what an operator does with a warehouse."""

import datetime
import json
import os
import shutil

import meds
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipelines.cli import main
from pipelines.export_meds import export_meds
from pipelines.gc import collect_garbage
from pipelines.ingest import Inputs
from pipelines.quarantine import open_refusals, replay_inputs
from tests.builders import lines, observation, patient
from tests.pipelines.warehouses import select
from transforms.errors import Refused, UsageError
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


@pytest.fixture
def export(tmp_path, run):
    """A warehouse of one patient, one good and one broken Observation."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "good.ndjson").write_bytes(lines(patient("a"), observation("o1", "Patient/a")))
    (folder / "bad.ndjson").write_bytes(b'{"resourceType": "Observation", "id": "o2"}\n')
    run(folder)
    return folder


def warehouse(tmp_path):
    return open_warehouse(str(tmp_path / "w"))


def test_a_refusal_stands_until_its_mended_source_is_read(tmp_path, export, run):
    bad = str(export / "bad.ndjson")
    assert open_refusals(warehouse(tmp_path)).rows() == [("read_fhir", bad, "fhir")]
    inputs, gone = replay_inputs(warehouse(tmp_path))
    assert (inputs.fhir, inputs.dicom, gone) == ((bad,), (), [])
    run(export)  # not mended: it stands, once
    assert open_refusals(warehouse(tmp_path)).height == 1
    assert select(tmp_path, "SELECT count(*) FROM quarantine") == [(1,)]
    (export / "bad.ndjson").write_bytes(lines(observation("o2", "Patient/a", 9.0)))
    run(export / "bad.ndjson")
    assert open_refusals(warehouse(tmp_path)).height == 0
    assert select(tmp_path, "SELECT numeric_value FROM events WHERE numeric_value = 9") == [(9.0,)]


def test_tables_brought_along_are_replayed_too(tmp_path, run):
    pairs, counts = tmp_path / "pairs.csv", tmp_path / "ili.csv"
    pairs.write_text("compound,target,smiles\na,EGFR,CCO\nb,EGFR,C1CC\n")
    counts.write_text("region,week,cases\nMA,2024-W05,-1\n")
    run(pairs, kind="pairs", counts=counts)
    assert sorted(open_refusals(warehouse(tmp_path)).rows()) == [
        ("read_counts", str(counts), "counts"),
        ("read_pairs", str(pairs), "pairs"),
    ]
    inputs, gone = replay_inputs(warehouse(tmp_path))
    assert inputs == Inputs(pairs=(str(pairs),), counts=(str(counts),))
    assert (bool(inputs), gone) == (True, [])
    pairs.write_text("compound,target,smiles\na,EGFR,CCO\nb,EGFR,C1CCC1\n")
    outcome = run(pairs, kind="pairs")
    assert (outcome.stages["read_pairs"].written, outcome.stages["read_pairs"].duplicate) == (1, 1)
    assert replay_inputs(warehouse(tmp_path))[0] == Inputs(counts=(str(counts),))


def test_a_source_that_is_gone_is_named(tmp_path, export):
    (export / "bad.ndjson").unlink()
    inputs, gone = replay_inputs(warehouse(tmp_path))
    assert (inputs.fhir, gone) == ((), [str(export / "bad.ndjson")])


def test_a_mended_file_leaves_the_quarantine_through_the_command_line(
    tmp_path, export, monkeypatch, keys, capsys
):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", keys.secret.decode())
    where = ["--warehouse", str(tmp_path / "w")]

    def listed():
        capsys.readouterr()
        assert main(["quarantine", "list", *where, "--format", "json"]) == 0
        return json.loads(capsys.readouterr().out)

    (refused,) = listed()
    assert refused["uri"] == str(export / "bad.ndjson")
    assert (refused["stage"], refused["resource_type"]) == ("read_fhir", "Observation")
    assert main(["quarantine", "replay", *where, "--quiet"]) == 0
    assert len(listed()) == 1  # it is as broken as before
    (export / "bad.ndjson").write_bytes(lines(observation("o2", "Patient/a", 9.0)))
    assert main(["quarantine", "replay", *where, "--quiet"]) == 0
    assert listed() == []
    assert select(tmp_path, "SELECT count(*) FROM events WHERE numeric_value = 9") == [(1,)]
    assert main(["quarantine", "replay", *where, "--quiet"]) == 0
    assert "nothing to replay" in capsys.readouterr().err
    assert select(tmp_path, "SELECT count(*) FROM events WHERE numeric_value = 9") == [(1,)]


def test_a_replay_of_a_file_that_is_gone_says_so_and_the_refusal_stays(
    tmp_path, export, monkeypatch, keys, capsys
):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", keys.secret.decode())
    (export / "bad.ndjson").unlink()
    assert main(["quarantine", "replay", "--warehouse", str(tmp_path / "w"), "--quiet"]) == 0
    assert "bad.ndjson is gone: its refusals stay" in capsys.readouterr().err
    assert open_refusals(warehouse(tmp_path)).height == 1


def test_the_refused_bytes_are_kept_unless_the_warehouse_says_not_to(tmp_path, export, run):
    raw = "SELECT raw FROM quarantine"
    ((kept,),) = select(tmp_path, raw)
    assert b'"id": "o2"' in kept
    toml = tmp_path / "w" / "nightrounds.toml"
    toml.write_text(toml.read_text() + "quarantine_raw = false\n")
    (export / "worse.ndjson").write_bytes(b'{"resourceType": "Observation", "id": "SECRET"}\n')
    run(export / "worse.ndjson")
    new = "SELECT raw, error_class IS NOT NULL, message IS NOT NULL FROM quarantine"
    assert (None, True, True) in select(tmp_path, new)
    assert open_refusals(warehouse(tmp_path)).height == 2  # both are listed and replayed
    files = [p for p in (tmp_path / "w").rglob("*") if p.is_file()]
    assert not [p for p in files if b"SECRET" in p.read_bytes() and "restricted" not in p.parts]
    toml.write_text("buckets = 2\nquarantine_raw = 0\n")
    with pytest.raises(UsageError, match="quarantine_raw = 0: not true or false"):
        warehouse(tmp_path)


def test_a_new_warehouse_can_be_told_before_it_is_made(tmp_path, run):
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "nightrounds.toml").write_text("quarantine_raw = false\n")
    (tmp_path / "bad.ndjson").write_bytes(b'{"resourceType": "Observation", "id": "o2"}\n')
    for _ in range(2):
        run(tmp_path / "bad.ndjson")
        assert select(tmp_path, "SELECT raw FROM quarantine") == [(None,)]
    assert not warehouse(tmp_path).quarantine_raw


def test_gc_removes_old_orphans_only(tmp_path, export):
    opened = warehouse(tmp_path)
    live = opened.paths("events")
    folder = os.path.dirname(live[0])
    old, young = f"{folder}/old.parquet", f"{folder}/young.parquet"
    for path in (old, young):
        with open(path, "wb") as file:
            file.write(b"12345")
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).timestamp()
    for path in [old, *live]:
        os.utime(path, (long_ago, long_ago))
    now = datetime.datetime.now(datetime.UTC)
    assert collect_garbage(opened, now) == (1, 5)
    assert not os.path.exists(old)
    assert os.path.exists(young)
    assert all(os.path.exists(path) for path in live)


def test_gc_takes_nothing_from_a_copy(tmp_path, export):
    """Its tables name the files of the warehouse that it was copied from."""
    shutil.copytree(tmp_path / "w", tmp_path / "copy")
    copied = sorted((tmp_path / "copy").rglob("*.parquet"))
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=2)
    with pytest.raises(Refused, match="name files in another folder: it was copied"):
        collect_garbage(open_warehouse(str(tmp_path / "copy")), later)
    assert copied
    assert all(path.exists() for path in copied)


def test_the_exported_events_are_valid_meds(tmp_path, export, keys):
    folder = tmp_path / "meds"
    events = export_meds(warehouse(tmp_path), folder)
    assert events == select(tmp_path, "SELECT count(*) FROM events")[0][0]
    shards = sorted((folder / "data").glob("*.parquet"))
    tables = [pq.read_table(path) for path in shards]
    for table in tables:
        meds.DataSchema.validate(table)
    frame = pl.concat([pl.DataFrame(table) for table in tables])
    assert frame["subject_id"].unique().to_list() == [keys.subject_id("a")]
    creatinine = frame.filter(pl.col("code") == "LOINC//2160-0")
    assert creatinine.select("numeric_value", "unit").rows() == [(7.0, "mg/dL")]
    times = frame["time"].to_list()
    assert times == sorted(times, key=lambda t: (t is not None, t))
    splits = pq.read_table(folder / meds.subject_splits_filepath)
    meds.SubjectSplitSchema.validate(splits)
    assert splits["subject_id"].to_pylist() == [keys.subject_id("a")]
    codes = pq.read_table(folder / meds.code_metadata_filepath)
    assert set(codes["code"].to_pylist()) == set(frame["code"].to_list())
    about = json.loads((folder / meds.dataset_metadata_filepath).read_text())
    meds.DatasetMetadataSchema.validate(about)
    with pytest.raises(UsageError, match="not empty"):
        export_meds(warehouse(tmp_path), folder)


def test_gc_removes_what_a_training_left_behind(tmp_path, export):
    opened = warehouse(tmp_path)
    model = tmp_path / "w" / "models" / "m"
    for name in (".work-old", ".work-running"):
        (model / name).mkdir(parents=True)
        (model / name / "examples.parquet").write_bytes(b"12345")
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).timestamp()
    for path in (model / ".work-old", model / ".work-old" / "examples.parquet"):
        os.utime(path, (long_ago, long_ago))
    os.utime(model / ".work-running", (long_ago, long_ago))
    files, size = collect_garbage(opened, datetime.datetime.now(datetime.UTC))
    assert files == 1
    assert size >= 5
    assert sorted(path.name for path in model.iterdir()) == [".work-running"]


def test_gc_removes_the_notes_of_a_killed_run(tmp_path, export):
    opened, staging = warehouse(tmp_path), tmp_path / "w" / "staging"
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).timestamp()
    for name in ("killed", "running"):
        (staging / name / "progress").mkdir(parents=True)
        (staging / name / "progress" / "1.json").write_bytes(b"12345")
    for path in (staging / "killed", *(staging / "killed").rglob("*")):
        os.utime(path, (long_ago, long_ago))
    collect_garbage(opened, datetime.datetime.now(datetime.UTC))
    assert os.listdir(staging) == ["running"]
