import dataclasses
import datetime
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import apache_beam as beam
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from apache_beam.internal import pickler
from apache_beam.ml.inference.base import RunInference, _RunInferenceDoFn
from apache_beam.testing.util import assert_that, equal_to

from pipelines.runner import pipeline_options
from tests.builders import SCORING
from transforms import inference
from transforms.inference import Loaded, Room, ScoreBatches, infer, make_rows
from transforms.prediction_rows import Outputs
from transforms.schemas import EXTRACTIONS

BAD = -1.0


def batch(values):
    return pa.record_batch(
        {
            "subject_id": np.arange(len(values)),
            "entity_id": np.arange(len(values)),
            "prediction_time": pa.array([0] * len(values), pa.timestamp("us")),
            "target_time": pa.array([0] * len(values), pa.timestamp("us")),
            "x": pa.array(values, pa.float32()),
        }
    )


class FakeEstimator:
    """Doubles x; refuses batches above a size as memory does, and those with a bad row."""

    def __init__(self, capacity=1000):
        self.capacity = capacity
        self.calls = []

    def predict(self, found):
        import tensorflow as tf

        values = found.column("x").to_numpy(zero_copy_only=False)
        self.calls.append(len(values))
        if len(values) > self.capacity:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        if (values == BAD).any():
            raise tf.errors.InvalidArgumentError(None, None, "bad row")
        return Outputs({"y": values * 2})


def score_batch(estimator, found, room=None):
    return make_rows(infer(estimator, found, SCORING.features, room or Room()), SCORING)


def test_a_batch_is_scored_in_one_call():
    estimator = FakeEstimator()
    found = score_batch(estimator, batch([1, 2, 3]))
    assert found.rows["score"].to_pylist() == [2, 4, 6]
    assert estimator.calls == [3]
    assert found.refused == Counter()


def test_a_batch_that_does_not_fit_is_halved():
    estimator = FakeEstimator(capacity=3)
    found = score_batch(estimator, batch(range(10)))
    assert found.rows["score"].to_pylist() == [2 * n for n in range(10)]
    assert max(estimator.calls[1:]) == 5
    assert found.refused == Counter()


def test_what_fitted_is_remembered():
    handler, loaded = ScoreBatches(SCORING), Loaded(FakeEstimator(capacity=3))
    for _ in range(3):
        (inferred,) = handler.run_inference(batch(range(10)), loaded)
        scores = make_rows(inferred, SCORING).rows["score"].to_pylist()
        assert scores == [2 * n for n in range(10)]
    assert loaded.estimator.calls == [10, 5, 2, 3, 5, 2, 3, *2 * [3, 3, 3, 1]]


def test_more_rows_are_tried_again_now_and_then():
    estimator, room = FakeEstimator(capacity=3), Room()
    score_batch(estimator, batch(range(10)), room)
    estimator.calls.clear()
    for _ in range(4 * Room.TRY_AFTER):
        score_batch(estimator, batch(range(10)), room)
    failed = [rows for rows in estimator.calls if rows > 3]
    assert 0 < len(failed) <= 4 * 2  # once in so many batches, which are two parts then
    estimator.capacity = 1000
    for _ in range(2 * Room.TRY_AFTER + 2):
        score_batch(estimator, batch(range(10)), room)
    assert estimator.calls[-1] == 10


def test_a_batch_of_which_nothing_fitted_says_nothing_of_the_size():
    room = Room()
    score_batch(FakeEstimator(capacity=0), batch([1]), room)
    assert room.rows == Room().rows


def test_a_single_row_that_does_not_fit_is_refused():
    found = score_batch(FakeEstimator(capacity=0), batch([1]))
    assert found.rows.num_rows == 0
    assert found.refused == {"does not fit into memory": 1}


def test_more_than_a_few_rows_that_do_not_fit_are_a_fault():
    import tensorflow as tf

    assert score_batch(FakeEstimator(capacity=0), batch(range(10))).refused.total() == 10
    estimator = FakeEstimator(capacity=0)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        score_batch(estimator, batch(range(1000)))
    assert len(estimator.calls) < 40


def test_memory_of_the_machine_counts_too():
    class Full(FakeEstimator):
        def predict(self, found):
            if found.num_rows > 1:
                raise MemoryError
            return super().predict(found)

    assert score_batch(Full(), batch([1, 2, 3])).rows["score"].to_pylist() == [2, 4, 6]


def test_an_estimator_that_fails_is_asked_no_more():
    class Broken(FakeEstimator):
        def predict(self, found):
            self.calls.append(found.num_rows)
            raise ValueError("of a patient")

    handler, loaded = ScoreBatches(SCORING), Loaded(Broken())
    for _ in range(2):
        (inferred,) = handler.run_inference(batch([1, 2]), loaded)
        assert inferred.parts == []
        assert inferred.failed.startswith("predict: ValueError at test_inference.py:")
    assert loaded.estimator.calls == [2]


def test_a_bad_row_costs_one_row():
    found = score_batch(FakeEstimator(), batch([1, 2, BAD, 4, 5]))
    assert found.rows["entity_id"].to_pylist() == [0, 1, 3, 4]
    assert found.rows["score"].to_pylist() == [2, 4, 8, 10]
    assert found.refused == {"InvalidArgumentError": 1}


def test_a_score_that_is_no_number_is_refused():
    found = score_batch(FakeEstimator(), batch([1, np.nan, np.inf]))
    assert found.rows["score"].to_pylist() == [2]
    assert found.refused == {"score is not finite": 2}


def test_a_batch_of_bad_rows_gives_none():
    found = score_batch(FakeEstimator(), batch([BAD, BAD]))
    assert found.rows.num_rows == 0
    assert found.refused == {"InvalidArgumentError": 2}


@pytest.mark.parametrize("accelerator", [None, "type:nvidia-l4;count:1"])  # to be ignored here
def test_run_inference_takes_and_returns_batches(monkeypatch, accelerator):
    monkeypatch.setattr(inference, "load_estimator", lambda scoring: FakeEstimator())
    with beam.Pipeline(options=pipeline_options()) as pipeline:
        scores = (
            pipeline
            | beam.Create([batch([1, 2]), batch([3])])
            | RunInference(ScoreBatches(SCORING, accelerator))
            | beam.FlatMap(lambda inferred: make_rows(inferred, SCORING).rows["score"].to_pylist())
        )
        assert_that(scores, equal_to([2.0, 4.0, 6.0]))


def test_threads_of_a_process_share_one_estimator(monkeypatch):
    """As a worker has them: each thread unpickles the step, and the other does not wait for it."""
    loads, both = [], threading.Barrier(2, timeout=20)

    class Meets(FakeEstimator):
        def predict(self, found):
            both.wait()  # a lock around the estimator would never let two in
            return super().predict(found)

    def load(scoring):
        loads.append(threading.get_ident())
        time.sleep(0.1)  # the other thread comes to ask as well
        return Meets()

    monkeypatch.setattr(inference, "load_estimator", load)
    step = pickler.dumps(_RunInferenceDoFn(ScoreBatches(SCORING), time, "n"))

    def work(values):
        own = pickler.loads(step)
        own.setup()
        (inferred,) = own.process(batch(values), None, None)
        return own, make_rows(inferred, SCORING).rows["score"].to_pylist()

    with ThreadPoolExecutor(2) as threads:
        (one, first), (other, second) = threads.map(work, [[1, 2], [3]])
    assert (first, second) == ([2, 4], [6])
    assert one is not other
    assert len(loads) == 1


def test_an_accelerator_is_asked_for_where_models_score_and_nowhere_else():
    hint = "type:nvidia-l4;count:1"
    pipeline = beam.Pipeline(options=pipeline_options())
    read = pipeline | "Read" >> beam.Create([batch([1])])
    _ = read | "Score" >> RunInference(ScoreBatches(SCORING, hint)) | "Write" >> beam.Map(len)
    components = pipeline.to_runner_api().components
    asking = {
        step.unique_name
        for step in components.transforms.values()
        if hint.encode() in components.environments[step.environment_id].resource_hints.values()
    }
    assert asking == {"Score/BeamML_RunInference"}


def test_bytes_are_counted_without_pickling():
    assert ScoreBatches(SCORING).get_num_bytes(batch([1, 2])) == batch([1, 2]).nbytes


def test_a_refused_row_gives_no_extractions():
    def to_extractions(part, outputs, config):
        assert len(outputs.values["y"]) == part.num_rows
        empty = EXTRACTIONS.empty_table().drop_columns(["entity_id"])
        found = pl.DataFrame(empty).clear(part.num_rows)
        return found.with_columns(
            entity_id=pl.Series(part.column("entity_id").to_pylist()),
            subject_id=pl.lit(1),
            prediction_time=pl.lit(datetime.datetime(2024, 1, 1)),
            kind=pl.lit("sentence"),
            text=pl.lit("x"),
            sentence=pl.lit(0),
            begin=pl.lit(0),
            end=pl.lit(1),
        )

    scoring = dataclasses.replace(SCORING, to_extractions=to_extractions)
    inferred = infer(FakeEstimator(), batch([1, np.nan, 3]), SCORING.features, Room())
    found = make_rows(inferred, scoring)
    assert found.extractions["entity_id"].to_pylist() == [0, 2]
