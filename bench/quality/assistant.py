"""Symptom2Disease (CC0) as messages of patients: the condition, in 5 folds by text.

    python -m bench.quality MODELS assistant

The folder holds `Symptom2Disease.csv`. Each different text becomes a Patient and a Communication
that the patient sent; the label comes from `--labels`. The set says nothing of age, sex or vital
signs. Fold: SHA-256 of the text, modulo 5; an eighth of the other folds is the tuning split.

Baseline: tf-idf and logistic regression, words or words and pairs and the strength of the penalty
chosen by cross-validation within the other folds. Published: bidirectional LSTM, on another
split.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from bench.quality.rows import KEY, Clock, Row, bootstrap, ndjson, nightrounds
from transforms.keys import Keys
from transforms.metrics import class_measures

MODEL, SET, SPLIT = "assistant", "Symptom2Disease", "5 folds"
FOLDS = 5
TUNING_PART = 8
AS_OF = "2024-02-01"
SENT = "2024-01-01T10:00:00Z"
PUBLISHED = {"accuracy": 0.971}
MEASURES = ("accuracy", "macro_f1", "brier", "ece")
QUICK_TEXTS = 240

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """One ingest, then the product's mean of several networks and a single one, in each fold.

    `quick` takes some of the texts, two epochs and one fold, to see that the bench works.
    """
    texts = read_texts(folder)
    if quick:
        texts = texts.head(QUICK_TEXTS)
    classes = texts["label"].unique().sort().to_list()
    truth = texts["label"].replace_strict(classes, range(len(classes))).to_numpy()
    folds = range(1 if quick else FOLDS)
    tested = texts["fold"].is_in(list(folds)).to_numpy()
    simple = np.zeros((len(texts), len(classes)))
    for fold in folds:
        inside = (texts["fold"] == fold).to_numpy()
        simple[inside] = baseline(texts, fold, classes)
    compared = measure(simple[tested], truth[tested], seed=seed)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-assistant-") as name:
        scratch = Path(name)
        write_inputs(texts, scratch)
        ingest = Clock()
        with ingest():
            given = ("--fhir", scratch / "messages.ndjson", "--labels", scratch / f"{MODEL}.csv")
            nightrounds("ingest", "--warehouse", scratch / "warehouse", *given)
        for note, settings in (("", []), ("single member", ["members=1"])):
            clock = Clock()
            found = np.zeros_like(simple)
            for fold in folds:
                few = ["epochs=2"] if quick else []
                with clock():
                    predictions = run_fold(scratch, fold, [f"seed={seed}", *settings, *few])
                inside = (texts["fold"] == fold).to_numpy()
                found[inside] = held_out(predictions, texts.filter(inside), classes)
                right = (found[inside].argmax(axis=1) == truth[inside]).mean()
                sys.stderr.write(f"  fold {fold} {note}: accuracy {right:.4f}\n")
            seconds = ingest.seconds + clock.seconds
            for metric, value in measure(found[tested], truth[tested], seed=seed).items():
                known = (compared[metric][0], PUBLISHED.get(metric))
                rows.append(Row(MODEL, SET, SPLIT, metric, *value, *known, seconds, note))
    return rows


def read_texts(folder: Path) -> pl.DataFrame:
    """-> `id, text, label, fold, tuning`, each different text once, in the order of the file."""
    texts = pl.read_csv(folder / "Symptom2Disease.csv").unique(
        "text", keep="first", maintain_order=True
    )
    hashes = [int(hashlib.sha256(text.encode()).hexdigest(), 16) for text in texts["text"]]
    return pl.DataFrame(
        {
            "id": [f"m{number}" for number in range(len(texts))],
            "text": texts["text"],
            "label": texts["label"],
            "fold": [number % FOLDS for number in hashes],
            "tuning": [number // FOLDS % TUNING_PART == 0 for number in hashes],
        }
    )


def resources(texts: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Texts -> a Patient and a Communication for each; the label is in neither."""
    for name, text in texts.select("id", "text").iter_rows():
        patient = {"reference": f"Patient/{name}"}
        yield {"resourceType": "Patient", "id": name}
        yield {
            "resourceType": "Communication",
            "id": name,
            "status": "completed",
            "subject": patient,
            "sender": patient,
            "sent": SENT,
            "payload": [{"contentString": text}],
        }


def make_labels(texts: pl.DataFrame) -> pl.DataFrame:
    """Texts -> the file of `--labels`."""
    return texts.select(
        pl.col("id").alias("subject_id"),
        pl.format("Communication/{}", "id").alias("entity_id"),
        pl.lit(SENT).alias("prediction_time"),
        pl.col("label").alias("categorical_value"),
    )


def make_splits(texts: pl.DataFrame, fold: int) -> pl.DataFrame:
    """Texts -> the file of `--splits`: held out is the fold, tuning an eighth of the others."""
    split = (
        pl.when(pl.col("fold") == fold)
        .then(pl.lit("held_out"))
        .when(pl.col("tuning"))
        .then(pl.lit("tuning"))
        .otherwise(pl.lit("train"))
    )
    return texts.select(pl.col("id").alias("subject_id"), split.alias("split"))


def write_inputs(texts: pl.DataFrame, folder: Path) -> None:
    """Writes `messages.ndjson`, `assistant.csv` and `splits-<fold>.csv`."""
    (folder / "messages.ndjson").write_bytes(ndjson(resources(texts)))
    make_labels(texts).write_csv(folder / f"{MODEL}.csv")
    for fold in range(FOLDS):
        make_splits(texts, fold).write_csv(folder / f"splits-{fold}.csv")


def run_fold(folder: Path, fold: int, settings: list[str]) -> pl.DataFrame:
    """Trains without the fold, in a registry without other versions -> predictions of the fold."""
    warehouse, out = folder / "warehouse", folder / "held-out.parquet"
    # A champion of another fold has seen this one's texts: the gate must not compare with it.
    shutil.rmtree(warehouse / "models", ignore_errors=True)
    splits = folder / f"splits-{fold}.csv"
    given = (MODEL, "--warehouse", warehouse, "--as-of", AS_OF, "--splits", splits)
    nightrounds("train", *given, "--set", *settings)
    nightrounds("evaluate", *given, "-o", out)
    return pl.read_parquet(out)


def held_out(predictions: pl.DataFrame, texts: pl.DataFrame, classes: list[str]) -> Floats:
    """Predictions of a fold -> probabilities (n, classes) in the order of the fold's texts.

    Raises: ValueError, when they are not of exactly these texts.
    """
    hash_text = Keys(KEY.encode()).hash
    ids = pl.Series("entity_id", [hash_text(f"Communication/{name}") for name in texts["id"]])
    if set(ids) != set(predictions["entity_id"]) or len(ids) != len(predictions):
        raise ValueError("the predictions are not those of the fold's texts")
    ordered = ids.to_frame().join(predictions, on="entity_id", how="left", maintain_order="left")[
        "probabilities"
    ]
    found = np.zeros((len(ids), len(classes)))
    for row, pairs in enumerate(ordered.to_list()):
        for name, probability in _items(pairs):
            found[row, classes.index(name)] = probability
    return found


def _items(pairs: Any) -> list[tuple[str, float]]:
    """A map column's value, as Polars or Arrow give it."""
    return [tuple(p.values()) if isinstance(p, Mapping) else tuple(p) for p in pairs]


def baseline(texts: pl.DataFrame, fold: int, classes: list[str]) -> Floats:
    """Tf-idf and logistic regression, chosen and fitted without the fold -> probabilities
    (n, classes) of the fold's texts.
    """
    known, tested = texts.filter(pl.col("fold") != fold), texts.filter(pl.col("fold") == fold)
    model = Pipeline(
        [("tf_idf", TfidfVectorizer()), ("regression", LogisticRegression(max_iter=500))]
    )
    choices = {"tf_idf__ngram_range": [(1, 1), (1, 2)], "regression__C": [1, 10, 100]}
    chosen = GridSearchCV(model, choices, cv=3).fit(known["text"].to_list(), known["label"])
    found = np.zeros((len(tested), len(classes)))
    columns = [classes.index(name) for name in chosen.classes_]
    found[:, columns] = chosen.predict_proba(tested["text"].to_list())
    return found


def measure(
    probabilities: Floats, truth: Ints, *, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Probabilities (n, k), class index (n,) -> value and 95 % interval by metric."""

    def metric(name: str) -> Any:
        return lambda p, actual: class_measures(p, actual)[name](np.ones(len(actual)))

    return {name: bootstrap(metric(name), probabilities, truth, seed=seed) for name in MEASURES}
