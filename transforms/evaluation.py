"""Predictions beside the labels of the same examples: what `evaluate` measures."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.examples import KEYS
from transforms.metrics import (
    Estimate,
    Measures,
    binary_measures,
    class_measures,
    estimate,
    minus,
    quantity_measures,
)

TRUTH = "truth"
_OWNER = "owner"
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


def beside_truth(
    predictions: pl.DataFrame,
    examples: pl.DataFrame,
    label: pa.Field,
    groups: Mapping[str, pl.Series],
) -> pl.DataFrame:
    """Predictions with the label (`truth`) and the groups of the same example, by key.

    `groups` are values by name for each row of `examples`, in their order. A prediction without
    example, or the other way round, is left out.
    """
    truth = examples.select(*KEYS.names, pl.col(label.name).alias(TRUTH)).with_columns(**groups)
    both = predictions.join(truth, on=KEYS.names, how="inner", nulls_equal=True)
    return both.sort(KEYS.names)


def evaluate_predictions(
    both: pl.DataFrame,
    label: pa.Field,
    classes: tuple[str, ...],
    groups: Iterable[str],
    cut: float = 0.5,
) -> Evaluation:
    """Predictions beside the truth -> measures, of all and of each group.

    `both` has the keys, `truth`, `score`, for a string label `probabilities` (a list of key and
    value), and the columns `groups`; a value of at least SMALLEST_SLICE rows is measured on its
    own. `cut` is the probability from which on a bool label is decided for. A class that is not
    among `classes` was not seen in training: it has the probability 0.
    """
    both = both.with_columns(pl.coalesce("subject_id", "entity_id").alias(_OWNER))
    if pa.types.is_string(label.type):
        classes = (*classes, *sorted(set(both[TRUTH].to_list()) - set(classes)))
    slices = {}
    for name in groups:
        for (value,), part in sorted(both.drop_nulls(name).group_by(name), key=lambda g: str(g[0])):
            if part.height >= SMALLEST_SLICE:
                part = part.sort(KEYS.names)
                found = estimate(measures_of(part, label, classes, cut), part[_OWNER].to_numpy())
                slices[f"{name}={value}"] = (part.height, found)
    measured = measures_of(both, label, classes, cut)
    return Evaluation(
        rows=both.height,
        subjects=both[_OWNER].n_unique(),
        measures=estimate(measured, both[_OWNER].to_numpy()),
        baseline=_baseline(both, label, classes),
        slices=slices,
    )


def difference(
    new: tuple[pl.DataFrame, tuple[str, ...]],
    old: tuple[pl.DataFrame, tuple[str, ...]],
    label: pa.Field,
    measure: str,
) -> Estimate:
    """Two versions' predictions beside the truth, and their classes -> the measure, new - old.

    Both are resampled together, on the rows that both have.
    """
    found = []
    for frame, other in ((new, old), (old, new)):
        common = frame[0].join(other[0].select(KEYS.names), on=KEYS.names, nulls_equal=True)
        found.append(common.sort(KEYS.names))
    classes = sorted({*new[1], *old[1], *(found[0][TRUTH] if new[1] else ())})
    one, two = (measures_of(frame, label, tuple(classes))[measure] for frame in found)
    owner = found[0].select(pl.coalesce("subject_id", "entity_id")).to_series().to_numpy()
    return estimate({measure: minus(one, two)}, owner)[measure]


def measures_of(
    both: pl.DataFrame, label: pa.Field, classes: tuple[str, ...], cut: float = 0.5
) -> Measures:
    """Predictions with the column TRUTH -> measures that fit the label's type."""
    if pa.types.is_boolean(label.type):
        return binary_measures(_floats(both["score"]), _floats(both[TRUTH]), cut)
    if pa.types.is_string(label.type):
        return class_measures(_probabilities(both, classes), _class_index(both, classes))
    return quantity_measures(_floats(both["score"]), _floats(both[TRUTH]))


def _baseline(both: pl.DataFrame, label: pa.Field, classes: tuple[str, ...]) -> dict[str, float]:
    rows = both.height
    if not rows:
        return {}
    if pa.types.is_string(label.type):
        index = _class_index(both, classes)
        shares = np.bincount(index, minlength=len(classes)) / rows
        found = class_measures(np.tile(shares, (rows, 1)), index)
    else:
        truth = _floats(both[TRUTH])
        constant = np.full(rows, truth.mean())
        binary = pa.types.is_boolean(label.type)
        found = (binary_measures if binary else quantity_measures)(constant, truth)
    return {name: measure(np.ones(rows)) for name, measure in found.items()}


def _floats(column: pl.Series) -> np.ndarray:
    return column.cast(pl.Float64).to_numpy()


def _class_index(both: pl.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    return both[TRUTH].cast(pl.Enum(classes)).to_physical().cast(pl.Int64).to_numpy()


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


def slice_groups(examples: pl.DataFrame, also: Sequence[str] = ()) -> dict[str, pl.Series]:
    """Sex, race and age band of examples, where the model reads them as `sex`, `race`, `age_years`.

    `also` names further features whose values are groups.
    """
    groups = {}
    for name in dict.fromkeys(("sex", "race", *also)):
        if name in examples.columns:
            values = examples[name].cast(pl.String)
            groups[name] = values.set(values == "", None)
    if "age_years" in examples.columns:
        bands = pl.lit(None, pl.String)
        for low, high in AGE_BANDS:
            inside = (pl.col("age_years") >= low) & (pl.col("age_years") < high)
            bands = pl.when(inside).then(pl.lit(f"{low}-{high - 1}")).otherwise(bands)
        groups["age"] = examples.select(bands.alias("age"))["age"]
    return groups
