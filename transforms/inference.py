"""Record batches of examples -> what an estimator says, through Beam's RunInference, -> rows.

One element is one record batch, in and out. A batch that does not fit into memory is halved and
tried again, and the process remembers what fitted; one that a bad row spoils is halved until that
row stands alone and is refused. A row that alone does not fit is refused too; a few of them in one
batch, and the model has failed. An estimator that fails says so in place of its outputs, and is
asked no more by that process.

Source: https://beam.apache.org/documentation/ml/about-ml/
"""

import dataclasses
import datetime
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
from apache_beam.ml.inference.base import ModelHandler

from transforms.calibration import (
    Calibration,
    calibrate_binary,
    calibrate_classes,
    calibrate_quantity,
    with_interval,
)
from transforms.examples import batches_of, owners
from transforms.model_faults import reason_of
from transforms.prediction_rows import (
    Outputs,
    Predictions,
    Provenance,
    extraction_table,
    prediction_table,
)
from transforms.preprocess import quiet_tensorflow
from transforms.registry import ModelVersion, local_copy
from transforms.tensors import encode_text, label_values

_TOO_LARGE = "does not fit into memory"
_MOST_TOO_LARGE = 10  # rows of a batch; more tell of the machine, not of the rows

KERAS = "keras"
FOREST = "forest"


class Room:
    """How many rows fit into memory at once, as far as a process knows: it learns by failing.

    What takes memory beside a model comes and goes, so that it tries twice as many now and then.
    """

    TRY_AFTER = 32

    def __init__(self) -> None:
        self.rows = sys.maxsize
        self._full = 0

    def learn(self, largest: int, *, failed: bool) -> None:
        """From one batch: its largest part that fitted, and whether another did not."""
        if failed and largest:
            self.rows, self._full = largest, 0
        elif largest == self.rows:
            self._full += 1
            if self._full == self.TRY_AFTER:
                self.rows, self._full = 2 * self.rows, 0


class Estimator(Protocol):
    """What scores a batch."""

    def predict(self, batch: pa.RecordBatch) -> Outputs:
        """A batch with the columns of FEATURES, its text encoded -> outputs of each row."""


@dataclasses.dataclass(frozen=True)
class Scoring:
    """One version of one model, the Config it was trained with, and for whom it scores."""

    version: ModelVersion
    estimator: str
    features: pa.Schema
    label: pa.Field
    classes: tuple[str, ...]
    config: Any
    to_predictions: Callable[[Outputs, Any], Predictions]
    provenance: Provenance
    calibration: Calibration = dataclasses.field(default_factory=Calibration)
    to_extractions: Callable[[pa.RecordBatch, Outputs, Any], pl.DataFrame] | None = None


class Inferred(NamedTuple):
    """Parts of a batch, their text encoded, with what the estimator says; and rows it refused.

    `failed` says why there are none, where the estimator failed.
    """

    parts: list[tuple[pa.RecordBatch, Outputs]]
    refused: Counter[str]
    failed: str | None = None

    @property
    def nbytes(self) -> int:
        """Of the batches."""
        return sum(part.nbytes for part, _ in self.parts)


class Scored(NamedTuple):
    """Rows of PREDICTIONS, how many rows were refused, by reason, and rows of EXTRACTIONS."""

    rows: pa.Table
    refused: Counter[str]
    extractions: pa.Table | None = None


def load_estimator(scoring: Scoring) -> Estimator:
    """The estimator of a version, copied to this machine where it lies elsewhere."""
    quiet_tensorflow()
    with local_copy(scoring.version) as folder:
        if scoring.estimator == KERAS:
            from transforms.keras_estimator import KerasEstimator

            return KerasEstimator(f"{folder}/saved_model", scoring.features, scoring.classes)
        from transforms.forest_estimator import ForestEstimator

        return ForestEstimator(folder, scoring.features, scoring.label, scoring.classes)


def infer(estimator: Estimator, batch: pa.RecordBatch, features: pa.Schema, room: Room) -> Inferred:
    """Keys and features -> what the estimator says; rows that it cannot take are refused."""
    refused: Counter[str] = Counter()
    encoded = encode_text(batch, features)
    return Inferred(list(predict_parts(estimator, encoded, refused, room)), refused)


def make_rows(inferred: Inferred, scoring: Scoring) -> Scored:
    """What the estimator says -> prediction rows; those whose score is no number are refused."""
    refused = inferred.refused.copy()
    tables, extractions = [], []
    for part, raw in inferred.parts:
        outputs = scoring.calibration.apply(raw, scoring.label)
        predictions = scoring.to_predictions(outputs, scoring.config)
        predictions = with_interval(predictions, outputs, scoring.label)
        finite = np.isfinite(predictions.score)
        table = prediction_table(part, scoring.features, outputs, predictions, scoring.provenance)
        if not finite.all():
            refused["score is not finite"] += int((~finite).sum())
            table = table.filter(pa.array(finite))
            part = part.filter(pa.array(finite))
            said = {name: values[finite] for name, values in outputs.values.items()}
            outputs = dataclasses.replace(outputs, values=said)
        tables.append(table)
        if scoring.to_extractions is not None and part.num_rows:
            found = scoring.to_extractions(part, outputs, scoring.config)
            extractions.append(extraction_table(found, scoring.provenance))
    return Scored(
        pa.concat_tables(tables) if tables else pa.table({}),
        refused,
        pa.concat_tables(extractions) if extractions else None,
    )


def predict_parts(
    estimator: Estimator, batch: pa.RecordBatch, refused: Counter[str], room: Room
) -> Iterator[tuple[pa.RecordBatch, Outputs]]:
    """A batch -> its parts with their outputs, in their order; one part, where nothing goes wrong.

    No part is larger than there is room for, and what does not fit is remembered there.

    Raises: tf.errors.ResourceExhaustedError or MemoryError, when more than a few rows do not
    fit into memory each by itself.
    """
    import tensorflow as tf

    starts = range(0, batch.num_rows, room.rows) or [0]
    waiting = [batch.slice(start, room.rows) for start in reversed(starts)]
    largest, failed = 0, False
    while waiting:
        part = waiting.pop()
        try:
            outputs = estimator.predict(part)
        except (tf.errors.ResourceExhaustedError, MemoryError):
            failed = True
            if part.num_rows == 1:
                refused[_TOO_LARGE] += 1
                if refused[_TOO_LARGE] > _MOST_TOO_LARGE:
                    raise
                continue
        except tf.errors.InvalidArgumentError as error:
            if part.num_rows == 1:
                refused[type(error).__name__] += 1
                continue
        else:
            largest = max(largest, part.num_rows)
            yield part, outputs
            continue
        half = part.num_rows // 2
        waiting += [part.slice(half), part.slice(0, half)]
    room.learn(largest, failed=failed)


def calibrate(scoring: Scoring, tuning: pa.Table) -> Calibration:
    """Labelled examples of the tuning split -> the calibration of a version without one."""
    estimator = load_estimator(scoring)
    label, refused = scoring.label, Counter[str]()
    found, truths, subjects, room = [], [], [], Room()
    for batch in batches_of(tuning):
        text = encode_text(batch, scoring.features)
        for part, outputs in predict_parts(estimator, text, refused, room):
            if pa.types.is_float32(label.type):
                found.append(scoring.to_predictions(outputs, scoring.config).score)
            else:
                found.append(outputs.values[label.name])
            truth = pa.chunked_array([part.column(label.name)])
            truths.append(label_values(truth, label, scoring.classes))
            subjects.append(owners(pa.Table.from_batches([part])))
    if not found:
        return Calibration()
    said, truth, owner = (np.concatenate(parts) for parts in (found, truths, subjects))
    told = np.isfinite(said.reshape(len(said), -1)).all(axis=1)
    if not told.any():
        return Calibration()
    said, truth, owner = said[told], truth[told], owner[told]
    if pa.types.is_float32(label.type):
        return calibrate_quantity(said, truth)
    if pa.types.is_boolean(label.type):
        return calibrate_binary(said.reshape(-1), truth, owner)
    known = truth >= 0  # a class that training never saw
    return calibrate_classes(said[known], truth[known], owner[known])


@dataclasses.dataclass
class Loaded:
    """An estimator in a worker process, or why it failed: it is not asked again then."""

    estimator: Estimator | None
    failed: str | None = None
    room: Room = dataclasses.field(default_factory=Room)


class ScoreBatches(ModelHandler[pa.RecordBatch, Inferred, Loaded]):
    """Handler of RunInference whose elements are record batches of keys and features.

    Threads of a process share one estimator, as RunInference does by itself. Processes do not:
    batches and outputs would be pickled on the way to the one that has it and back.
    """

    def __init__(self, scoring: Scoring, accelerator: str | None = None) -> None:
        super().__init__()
        self._scoring = scoring
        self._accelerator = accelerator

    def get_resource_hints(self) -> dict[str, str]:
        """What the machines should have on which this step, and no other, runs."""
        return {"accelerator": self._accelerator} if self._accelerator else {}

    def load_model(self) -> Loaded:
        """Loads the version once for each worker process."""
        try:
            return Loaded(load_estimator(self._scoring))
        except Exception as error:  # a model may fail in any way
            return Loaded(None, reason_of("load", error))

    def should_skip_batching(self) -> bool:
        """A record batch is a batch already."""
        return True

    def run_inference(
        self,
        batch: pa.RecordBatch,
        model: Loaded,
        inference_args: dict[str, Any] | None = None,
    ) -> list[Inferred]:
        """The one Inferred of a record batch."""
        del inference_args
        if model.estimator is not None and model.failed is None:
            try:
                return [infer(model.estimator, batch, self._scoring.features, model.room)]
            except Exception as error:  # a model may fail in any way
                model.failed = reason_of("predict", error)
        return [Inferred([], Counter(), model.failed)]

    def get_num_bytes(self, batch: pa.RecordBatch) -> int:
        """Bytes of the batch; the inherited way would pickle it."""
        return int(batch.nbytes)


def utc_without_zone(moment: datetime.datetime) -> datetime.datetime:
    """A time with zone -> the same in UTC without; one without zone is UTC.

    >>> utc_without_zone(datetime.datetime(2024, 1, 1)).isoformat()
    '2024-01-01T00:00:00'
    """
    if moment.tzinfo is None:
        return moment
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)


def feature_types(features: pa.Schema) -> dict[str, str]:
    """FEATURES as model.json keeps them: a version scores only what it was trained on.

    >>> feature_types(pa.schema([("age", pa.float32())]))
    {'age': 'float'}
    """
    return {field.name: str(field.type) for field in features}
