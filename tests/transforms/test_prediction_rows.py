import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.input_hash import hash_rows
from transforms.prediction_rows import Outputs, Predictions, Provenance, prediction_table
from transforms.schemas import PREDICTIONS

FEATURES = pa.schema([("a", pa.float32()), ("b", pa.float32()), ("c", pa.float32())])
DAY = datetime.date(2024, 2, 1)
PROVENANCE = Provenance("readmission", "v1", "run", DAY, "encounter")
TIME = datetime.datetime(2024, 1, 31)
BATCH = pa.record_batch(
    {
        "subject_id": pa.array([1, None], pa.int64()),
        "entity_id": [10, 20],
        "prediction_time": pa.array([TIME, TIME], pa.timestamp("us")),
        "target_time": pa.array([TIME, TIME], pa.timestamp("us")),
        **{name: pa.array([1.0, 2.0], pa.float32()) for name in FEATURES.names},
    }
)


def written(outputs, predictions, folder):
    """Rows as they are read from the Parquet file."""
    table = prediction_table(BATCH, FEATURES, outputs, predictions, PROVENANCE)
    pq.write_table(table, folder / "p.parquet", store_schema=False)
    return pq.read_table(folder / "p.parquet")


def test_a_full_row(tmp_path):
    outputs = Outputs(
        {
            "driver_index": np.array([[2, 0], [1, 0]], np.int32),
            "driver_contribution": np.array([[-2.0, 1.0], [0.5, 0.0]], np.float32),
        }
    )
    predictions = Predictions(
        score=np.array([0.75, 0.25], np.float32),
        classes=("no", "yes"),
        probabilities=np.array([[0.25, 0.75], [0.75, 0.25]], np.float32),
        label=np.array([1, -1]),
        interval_low=np.array([0.5, 0.0], np.float32),
        interval_high=np.array([1.0, 0.5], np.float32),
        quantiles=(("0.1", "0.9"), np.array([[0.5, 1.0], [0.0, 0.5]], np.float32)),
        advice=["rest", "call"],
        picture=[b"png", None],
    )
    table = written(outputs, predictions, tmp_path)
    assert [f.type for f in table.schema] == [f.type for f in PREDICTIONS]
    assert [f.nullable for f in table.schema] == [f.nullable for f in PREDICTIONS]
    first, second = table.to_pylist()
    assert first == {
        "model": "readmission",
        "run_date": DAY,
        "model_version": "v1",
        "run_id": "run",
        "subject_id": 1,
        "entity_type": "encounter",
        "entity_id": 10,
        "prediction_time": TIME,
        "target_time": TIME,
        "score": 0.75,
        "label": "yes",
        "probabilities": [("no", 0.25), ("yes", 0.75)],
        "interval_low": 0.5,
        "interval_high": 1.0,
        "quantiles": [("0.1", 0.5), ("0.9", 1.0)],
        "advice": "rest",
        "drivers": [
            {"feature": "c", "contribution": -2.0},
            {"feature": "a", "contribution": 1.0},
        ],
        "picture": b"png",
        "input_hash": int(hash_rows(BATCH.select(FEATURES.names))[0]),
    }
    assert (second["subject_id"], second["label"]) == (None, None)
    assert second["drivers"] == [{"feature": "b", "contribution": 0.5}]  # 0 moved nothing


def test_what_a_model_does_not_give_is_null(tmp_path):
    predictions = Predictions(score=np.array([3.0, 4.0], np.float32))
    table = written(Outputs({}), predictions, tmp_path)
    assert [f.type for f in table.schema] == [f.type for f in PREDICTIONS]
    for name in ("label", "probabilities", "interval_low", "interval_high", "drivers", "quantiles"):
        assert table[name].null_count == 2, name
