"""Predictions beside the labels of the same examples: what `evaluate` measures."""

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.metrics import (
    Estimate,
    Measures,
    binary_measures,
    class_measures,
    estimate,
    quantity_measures,
)

_KEYS = ["subject_id", "entity_id", "prediction_time"]
SMALLEST_SLICE = 50
AGE_BANDS = ((0, 18), (18, 45), (45, 65), (65, 80), (80, 150))


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Measures of one model on one set of examples.

    `baseline` is what knowing only the labels' mean or frequencies gives. `slices` are by name,
    as `sex=F`.
    """

    rows: int
    subjects: int
    measures: dict[str, Estimate]
    baseline: dict[str, float]
    slices: dict[str, tuple[int, dict[str, Estimate]]]

    def as_json(self) -> dict[str, Any]:
        """Plain values; NaN as null."""
        return {
            "rows": self.rows,
            "subjects": self.subjects,
            "measures": {name: _plain(e) for name, e in self.measures.items()},
            "baseline": {name: _number(value) for name, value in self.baseline.items()},
            "slices": {
                name: {"rows": rows, "measures": {k: _plain(e) for k, e in found.items()}}
                for name, (rows, found) in self.slices.items()
            },
        }


def _plain(found: Estimate) -> dict[str, float | None]:
    return {k: _number(v) for k, v in dataclasses.asdict(found).items()}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 6)


def evaluate_predictions(
    predictions: pl.DataFrame,
    examples: pl.DataFrame,
    label: pa.Field,
    classes: tuple[str, ...],
    groups: dict[str, pl.Series],
) -> Evaluation:
    """Predictions and labelled examples -> measures, joined by the keys.

    `predictions` have the keys, `score` and `probabilities`, a list of (key, value).

    `groups` are values by name for each row of `examples`, in their order; a value of at least
    SMALLEST_SLICE rows is measured on its own.
    """
    labelled = examples.select(*_KEYS, pl.col(label.name).alias("truth")).with_columns(**groups)
    both = labelled.join(predictions, on=_KEYS, how="inner").sort(_KEYS)
    subject = both["subject_id"].to_numpy()
    slices = {}
    for name in groups:
        for (value,), part in sorted(both.drop_nulls(name).group_by(name), key=lambda g: str(g[0])):
            if part.height >= SMALLEST_SLICE:
                part = part.sort(_KEYS)
                found = estimate(measures_of(part, label, classes), part["subject_id"].to_numpy())
                slices[f"{name}={value}"] = (part.height, found)
    measured = measures_of(both, label, classes)
    return Evaluation(
        rows=both.height,
        subjects=both["subject_id"].n_unique(),
        measures=estimate(measured, subject),
        baseline=_baseline(both, label, classes),
        slices=slices,
    )


def measures_of(both: pl.DataFrame, label: pa.Field, classes: tuple[str, ...]) -> Measures:
    """Predictions with the column `truth` -> measures that fit the label's type."""
    if pa.types.is_boolean(label.type):
        return binary_measures(_floats(both["score"]), _floats(both["truth"]))
    if pa.types.is_string(label.type):
        return class_measures(_probabilities(both, classes), _class_index(both, classes))
    return quantity_measures(_floats(both["score"]), _floats(both["truth"]))


def _baseline(both: pl.DataFrame, label: pa.Field, classes: tuple[str, ...]) -> dict[str, float]:
    rows = both.height
    if not rows:
        return {}
    if pa.types.is_string(label.type):
        index = _class_index(both, classes)
        shares = np.bincount(index, minlength=len(classes)) / rows
        found = class_measures(np.tile(shares, (rows, 1)), index)
    else:
        truth = _floats(both["truth"])
        constant = np.full(rows, truth.mean())
        binary = pa.types.is_boolean(label.type)
        found = (binary_measures if binary else quantity_measures)(constant, truth)
    return {name: measure(np.ones(rows)) for name, measure in found.items()}


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).to_numpy()


def _class_index(both: pl.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    return both["truth"].cast(pl.Enum(classes)).to_physical().cast(pl.Int64).to_numpy()


def _probabilities(both: pl.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """The lists of probabilities -> float64 (n, classes)."""
    long = (
        both.select(pl.int_range(pl.len()).alias("row"), "probabilities")
        .explode("probabilities")
        .unnest("probabilities")
    )
    found = np.zeros((both.height, len(classes)))
    place = long["key"].cast(pl.Enum(classes)).to_physical().cast(pl.Int64).to_numpy()
    found[long["row"].to_numpy(), place] = long["value"].to_numpy()
    return found


def slice_groups(examples: pl.DataFrame) -> dict[str, pl.Series]:
    """Sex and age band of examples, where the model reads them as `sex` and `age_years`."""
    groups = {}
    if "sex" in examples.columns and examples.schema["sex"] == pl.String:
        sex = examples["sex"]
        groups["sex"] = sex.set(sex == "", None)
    if "age_years" in examples.columns:
        bands = pl.lit(None, pl.String)
        for low, high in AGE_BANDS:
            inside = (pl.col("age_years") >= low) & (pl.col("age_years") < high)
            bands = pl.when(inside).then(pl.lit(f"{low}-{high - 1}")).otherwise(bands)
        groups["age"] = examples.select(bands.alias("age"))["age"]
    return groups
