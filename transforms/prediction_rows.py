"""What estimators and models say about a batch, and the prediction rows made of it."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from transforms.input_hash import hash_rows
from transforms.schemas import EXTRACTIONS, PREDICTIONS

CONTRIBUTIONS = "contributions"
DRIVER_INDEX = "driver_index"
DRIVER_CONTRIBUTION = "driver_contribution"
MAX_DRIVERS = 5

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What an estimator gives for n examples.

    `values` are arrays by output name, their first axis is n. `classes` are those of a string
    label, in the order of the last axis of `values[LABEL.name]`; empty for other labels.

    What the tuning split tells (`transforms.calibration`): probabilities are calibrated already;
    `cut` is the probability from which on a bool label is decided for; `residuals`, float32 (k,),
    are rising quantiles of truth - score of a quantity, (0,) before they are known.
    """

    values: Mapping[str, Array]
    classes: tuple[str, ...] = ()
    cut: float = 0.5
    residuals: npt.NDArray[np.float32] = dataclasses.field(
        default_factory=lambda: np.zeros(0, np.float32)
    )


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says about n examples.

    `score` is float32 (n,). `classes` names the k classes of `probabilities`, float32 (n, k);
    both empty and None for a quantity. `label` is int (n,): index of the class decided for, -1
    for none. The intervals are float32 (n,). `quantiles`: the names of the levels, as "0.025",
    and their values, float32 (n, q), rising along the last axis. `advice`: what the model's rule
    says to do, for each. `picture`: a small PNG, or None, for each.
    """

    score: npt.NDArray[np.float32]
    classes: tuple[str, ...] = ()
    probabilities: npt.NDArray[np.float32] | None = None
    label: npt.NDArray[np.integer[Any]] | None = None
    interval_low: npt.NDArray[np.float32] | None = None
    interval_high: npt.NDArray[np.float32] | None = None
    quantiles: tuple[tuple[str, ...], npt.NDArray[np.float32]] | None = None
    advice: Sequence[str] | None = None
    picture: Sequence[bytes | None] | None = None


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What is the same in every row that a run writes for one model."""

    model: str
    model_version: str
    run_id: str
    run_date: datetime.date
    entity_type: str


def prediction_table(
    batch: pa.RecordBatch,
    features: pa.Schema,
    outputs: Outputs,
    predictions: Predictions,
    provenance: Provenance,
) -> pa.Table:
    """Keys and features, outputs and predictions of n examples -> n rows of PREDICTIONS.

    Text that repeats is dictionary-encoded, so the columns' types are those of PREDICTIONS only
    once they are in a Parquet file.
    """
    rows = batch.num_rows
    classes, label = predictions.classes, predictions.label
    levels, quantiles = predictions.quantiles or ((), None)
    columns: dict[str, pa.Array] = {
        "model": _constant(provenance.model, rows),
        "run_date": pa.repeat(pa.scalar(provenance.run_date, pa.date32()), rows),
        "model_version": _constant(provenance.model_version, rows),
        "run_id": _constant(provenance.run_id, rows),
        "subject_id": batch.column("subject_id"),
        "entity_type": _constant(provenance.entity_type, rows),
        "entity_id": batch.column("entity_id"),
        "prediction_time": batch.column("prediction_time"),
        "target_time": batch.column("target_time"),
        "score": _floats(predictions.score, rows),
        "label": _text(np.full(rows, -1) if label is None else label, classes),
        "probabilities": _by_name(classes, predictions.probabilities, rows),
        "interval_low": _floats(predictions.interval_low, rows),
        "interval_high": _floats(predictions.interval_high, rows),
        "quantiles": _by_name(levels, quantiles, rows),
        "advice": pa.nulls(rows, pa.string())
        if predictions.advice is None
        else pa.array(predictions.advice, pa.string()).dictionary_encode(),
        "drivers": _drivers(outputs, features.names, rows),
        "picture": pa.array(predictions.picture or [None] * rows, pa.binary()),
        "input_hash": pa.array(hash_rows(batch.select(features.names))),
    }
    fields = [pa.field(f.name, columns[f.name].type, f.nullable, f.metadata) for f in PREDICTIONS]
    return pa.Table.from_arrays([columns[f.name] for f in PREDICTIONS], schema=pa.schema(fields))


def extraction_table(found: pl.DataFrame, provenance: Provenance) -> pa.Table:
    """What `to_extractions` gives -> rows of EXTRACTIONS.

    Raises: polars.exceptions.ColumnNotFoundError, when it lacks a column.
    """
    same = {
        "model": provenance.model,
        "run_date": provenance.run_date,
        "model_version": provenance.model_version,
        "run_id": provenance.run_id,
        "entity_type": provenance.entity_type,
    }
    frame = found.with_columns(pl.lit(value).alias(name) for name, value in same.items())
    table: pa.Table = frame.select(EXTRACTIONS.names).to_arrow().cast(EXTRACTIONS)
    return table


def _constant(text: str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text]))


def _text(index: npt.NDArray[np.integer[Any]], texts: Sequence[str]) -> pa.Array:
    """Indices into `texts`, below 0 for null -> dictionary-encoded strings."""
    absent = index < 0
    mask = absent if absent.any() else None
    indices = pa.array(index.astype(np.int32), mask=mask)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()))


def _floats(values: npt.NDArray[np.float32] | None, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, pa.float32())
    return pa.array(values.astype(np.float32, copy=False))


def _by_name(names: Sequence[str], values: npt.NDArray[np.float32] | None, rows: int) -> pa.Array:
    """Values (n, names) -> a map for each row; null where the model gives none."""
    if values is None:
        return pa.nulls(rows, pa.map_(pa.string(), pa.float32()))
    count = len(names)
    each = np.tile(np.arange(count, dtype=np.int32), rows)
    keys = pa.DictionaryArray.from_arrays(each, pa.array(names, pa.string()))
    flat = _floats(np.ascontiguousarray(values).reshape(-1), rows * count)
    return pa.MapArray.from_arrays(
        pa.array(np.arange(rows + 1, dtype=np.int32) * count), keys, flat
    )


def _drivers(outputs: Outputs, names: Sequence[str], rows: int) -> pa.Array:
    """Contributions that are not 0, the largest first; null where the model gives none."""
    if DRIVER_INDEX not in outputs.values:
        return pa.nulls(rows, PREDICTIONS.field("drivers").type)
    contribution = outputs.values[DRIVER_CONTRIBUTION].astype(np.float32, copy=False)
    index = outputs.values[DRIVER_INDEX]
    moved = contribution != 0
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(moved.sum(axis=1, dtype=np.int32), out=offsets[1:])
    structs = pa.StructArray.from_arrays(
        [_text(index[moved], names), pa.array(contribution[moved])],
        names=["feature", "contribution"],
    )
    return pa.ListArray.from_arrays(pa.array(offsets), structs)
