"""IWPC's warfarin patients (PharmGKB, CC BY-SA) as FHIR: the weekly dose, in 5 folds by patient.

    python -m bench.quality MODELS treatment

The folder holds `iwpc_core_5700.csv`. A row with a dose is a patient; the dose is the label, from
`--labels`, in classes to 21, above 21 and below 49, and from 49 mg a week. `bench.quality.iwpc`
says what the product is told and what never. Baseline: IWPC's own pharmacogenetic formula on the
same rows. (It was fitted to four fifths of them, which favours it.)

Features and settings were chosen by cross-validation within folds 1 to 4, so fold 0 is reported by
itself, too.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.quality.iwpc import DOSE, ID, PREDICTED, formula_doses, resources
from bench.quality.rows import KEY, Clock, Row, bootstrap, ndjson, nightrounds
from transforms.keys import Keys
from transforms.metrics import calibration_error

MODEL = "treatment"
SET = "IWPC core"
FOLDS = 5
TUNING_PART = 8
CUTS = (21.0, 49.0)
CLASSES = ("≤21 mg/week", ">21 to <49 mg/week", "≥49 mg/week")
SETTINGS = ("dose_cuts=21,49", "trees=100", "min_examples=30")
PUBLISHED = {"mae": 8.5}

Array = npt.NDArray[Any]


def read_patients(folder: Path) -> pl.DataFrame:
    """The rows of the set that have a dose, text as it stands; `dose` float64, mg a week."""
    rows = pl.read_csv(folder / "iwpc_core_5700.csv", infer_schema_length=0)
    return rows.with_columns(pl.col(DOSE).cast(pl.Float64).alias("dose")).drop_nulls("dose")


def fold_of(patient: str) -> int:
    """Fold of a patient: SHA-256 of the subject id, modulo 5.

    >>> fold_of("PA135312261")
    4
    """
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % FOLDS


def make_splits(patients: Sequence[str], fold: int) -> pl.DataFrame:
    """Patients -> `subject_id, split`: held out is the fold, tuning an eighth of the others."""

    def split(patient: str) -> str:
        if fold_of(patient) == fold:
            return "held_out"
        part = hashlib.sha256(f"tuning {patient}".encode()).digest()[0] % TUNING_PART
        return "tuning" if part == 0 else "train"

    return pl.DataFrame(
        {"subject_id": [f"p{p}" for p in patients], "split": [split(p) for p in patients]}
    )


def make_labels(patients: pl.DataFrame) -> pl.DataFrame:
    """Rows -> the file of `--labels`."""
    return patients.select(
        pl.format("p{}", ID).alias("subject_id"),
        pl.lit(None, pl.String).alias("entity_id"),
        pl.lit(PREDICTED).alias("prediction_time"),
        pl.col("dose").alias("float_value"),
    )


def write_inputs(patients: pl.DataFrame, folder: Path) -> None:
    """Writes `patients.ndjson`, `treatment.csv` and `splits-<fold>.csv`."""
    told = patients.drop("dose")
    (folder / "patients.ndjson").write_bytes(ndjson(resources(told)))
    make_labels(patients).write_csv(folder / f"{MODEL}.csv")
    for fold in range(FOLDS):
        make_splits(patients[ID].to_list(), fold).write_csv(folder / f"splits-{fold}.csv")


def run_fold(folder: Path, fold: int, seed: int) -> pl.DataFrame:
    """Trains without the fold, in a registry without other versions -> predictions of the fold."""
    warehouse, splits = folder / "warehouse", folder / f"splits-{fold}.csv"
    # A champion of another fold has seen this one's patients: the gate must not compare with it.
    shutil.rmtree(warehouse / "models", ignore_errors=True)
    given = ("--warehouse", warehouse, "--splits", splits)
    nightrounds("train", MODEL, *given, "--set", *SETTINGS, f"seed={seed}")
    nightrounds("evaluate", MODEL, *given, "-o", folder / f"fold-{fold}.parquet")
    return pl.read_parquet(folder / f"fold-{fold}.parquet")


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """The rows of the table; `quick` runs one fold."""
    patients = read_patients(folder)
    clock = Clock()
    with tempfile.TemporaryDirectory(prefix="bench-treatment-") as name:
        scratch = Path(name)
        write_inputs(patients, scratch)
        with clock():
            given = ("--fhir", scratch / "patients.ndjson", "--labels", scratch / f"{MODEL}.csv")
            nightrounds("ingest", "--warehouse", scratch / "warehouse", *given)
            parts = [run_fold(scratch, fold, seed) for fold in range(1 if quick else FOLDS)]
    return measure(patients, pl.concat(parts), clock.seconds)


def dose_class(dose: Array) -> Array:
    """Doses -> 0 to 21, 1 above it and below 49, 2 from 49 mg a week."""
    found: Array = (dose > CUTS[0]).astype(int) + (dose >= CUTS[1])
    return found


def bucket_accuracy(dose: Array, found: Array) -> float:
    """Share of true doses whose class (number) was found."""
    return float((dose_class(dose) == found).mean())


def within_20pct(dose: Array, predicted: Array) -> float:
    """Share of predictions at most 20 % of the true dose away from it."""
    return float((np.abs(predicted - dose) <= 0.2 * dose).mean())


def mae(dose: Array, predicted: Array) -> float:
    """Mean absolute error, mg a week."""
    return float(np.abs(predicted - dose).mean())


def brier(dose: Array, probabilities: Array) -> float:
    """Squared distance of the three probabilities from what was, summed over classes; mean."""
    return float(np.square(probabilities - np.eye(3)[dose_class(dose)]).sum(axis=1).mean())


def ece(dose: Array, probabilities: Array) -> float:
    """Calibration error of the likeliest class's probability."""
    right = probabilities.argmax(axis=1) == dose_class(dose)
    return calibration_error(probabilities.max(axis=1), right.astype(float), np.ones(len(dose)))


Measure = Callable[[Array, Array], float]


def measure(patients: pl.DataFrame, predictions: pl.DataFrame, seconds: float) -> list[Row]:
    """The set and the predictions with `truth` -> rows, all folds and fold 0."""
    keys = Keys(KEY.encode())
    known = patients.select(
        pl.Series("subject_id", [keys.subject_id(f"p{p}") for p in patients[ID]]),
        pl.Series("formula", formula_doses(patients)),
        pl.Series("fold", [fold_of(p) for p in patients[ID]]),
    )
    both = predictions.join(known, on="subject_id", validate="1:1").sort("subject_id")
    rows = []
    for note, part in {"": both, "fold 0": both.filter(pl.col("fold") == 0)}.items():
        dose, score, formula = (
            part[c].cast(pl.Float64).to_numpy() for c in ("truth", "score", "formula")
        )
        chosen = probabilities_of(part)
        measures: list[tuple[str, Measure, Array, Array | None, str]] = [
            ("bucket_accuracy", bucket_accuracy, chosen.argmax(axis=1), dose_class(formula), note),
            ("within_20pct", within_20pct, score, formula, note),
            ("mae", mae, score, formula, note),
            ("brier", brier, chosen, None, note),
            ("ece", ece, chosen, None, note),
        ]
        for metric, function, found, simple, said in measures:
            value = bootstrap(function, dose, found)
            compared = None if simple is None else function(dose, simple)
            published = PUBLISHED.get(metric)
            rows.append(
                Row(
                    MODEL, SET, f"{FOLDS} folds", metric, *value, compared, published, seconds, said
                )
            )
    return rows


def probabilities_of(predictions: pl.DataFrame) -> Array:
    """The column `probabilities` -> float64 (n, 3), in the order of CLASSES."""
    return np.array(
        [
            [dict((e["key"], e["value"]) for e in row).get(name, 0.0) for name in CLASSES]
            for row in predictions["probabilities"].to_list()
        ]
    )
