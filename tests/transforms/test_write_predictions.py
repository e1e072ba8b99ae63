from collections import Counter

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.runner import pipeline_options
from tests.builders import SCORING
from transforms import write_predictions
from transforms.inference import Inferred
from transforms.manifest import WriteManifest, read_manifest
from transforms.prediction_rows import Outputs
from transforms.write_predictions import WritePredictions


def inferred(rows, refused=0):
    batch = pa.record_batch(
        {
            "subject_id": np.arange(rows),
            "entity_id": np.arange(rows),
            "prediction_time": pa.array([0] * rows, pa.timestamp("us")),
            "target_time": pa.array([0] * rows, pa.timestamp("us")),
            "x": np.zeros(rows, np.float32),
        }
    )
    outputs = Outputs({"y": np.zeros(rows, np.float32)})
    return Inferred([(batch, outputs)], Counter({"bad": refused}) if refused else Counter())


def written(batches, folder):
    path = str(folder / "manifest.json")
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        (
            pipeline
            | beam.Create(batches, reshuffle=False)
            | WritePredictions(
                SCORING, {"predictions": str(folder / "out"), "extractions": str(folder / "x")}
            )
            | WriteManifest(path)
        )
    return read_manifest(path)


def write(batches, folder):
    entries = written(batches, folder)
    return [e for e in entries if e[0] == "file"], [e for e in entries if e[0] == "count"]


def test_a_bundle_is_one_file_and_refused_rows_are_counted(tmp_path):
    ((_, model, table, path, rows),), found = write([inferred(3), inferred(2, refused=4)], tmp_path)
    assert (model, table, rows) == ("m", "predictions", 5)
    assert pq.read_table(path).num_rows == 5
    assert found == [["count", "m", "quarantined", "bad", 4], ["count", "m", "written", "", 5]]


def test_a_large_bundle_is_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(write_predictions, "FILE_ROWS", 4)
    files, _ = write([inferred(3), inferred(3), inferred(1)], tmp_path)
    assert sorted(rows for *_, rows in files) == [1, 6]
    assert len({path for *_, path, _ in files}) == 2


def test_no_rows_give_no_file(tmp_path):
    files, found = write([Inferred([], Counter({"bad": 1}))], tmp_path)
    assert files == []
    assert found == [["count", "m", "quarantined", "bad", 1], ["count", "m", "written", "", 0]]


def test_a_fault_of_the_model_is_told_of(tmp_path):
    nothing_said = Inferred([(inferred(2).parts[0][0], Outputs({}))], Counter())
    for batches in ([nothing_said], [nothing_said, inferred(1)]):
        entries = written(batches, tmp_path)
        (why,) = [reason for kind, _, reason in (e[:3] for e in entries) if kind == "failed"]
        assert why.startswith("to_predictions: KeyError at ")
    said_before = Inferred([], Counter(), "predict: ValueError")
    assert ["failed", "m", "predict: ValueError"] in written([inferred(1), said_before], tmp_path)


def test_a_fault_of_the_disk_is_a_fault_of_the_run(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space")

    monkeypatch.setattr(write_predictions, "_Writer", full)
    with pytest.raises(OSError, match="no space"):
        written([inferred(1)], tmp_path)
