"""Quality of `note_extraction` on MTSamples clean10: 1,423 notes of 10 specialties (CC0).

Each note becomes a DocumentReference of a patient of its own, with the text as a base64
attachment; the specialty is its label. The product ingests, trains on the set's training part (an
eighth of it, by a hash of the note's number, is the tuning split) and scores its test part.
Baseline: logistic regression on tf-idf of words and pairs of words, fitted on all of the training
part. Nothing is published on these ten classes.

The set writes a comma where a note had a line break. Commas that can only be that become line
breaks again, so that the product sees notes as hospitals have them. Sex and age are those that
the note's first words state, for the measures by group.

Sentences: the class that the product wrote for each sentence of the test part, against what the
heading over it says, where it says something. The network never saw that heading. Baseline: the
commonest class of the training part.
"""

import argparse
import base64
import dataclasses
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bench.quality.rows import Clock, Row, bootstrap, ndjson, nightrounds
from model_defs._note_sections import kind_of, split_note
from transforms.warehouse import open_warehouse

MODEL = "note_extraction"
SET, SPLIT = "MTSamples clean10", "test"
SENTENCES = "MTSamples clean10, sentences by heading"
FILE = "mtsamples_clean10.csv.gz"
DATE = "2008-01-01T09:00:00Z"
AS_OF = "2008-12-31"
TUNING_SHARE = 8
QUICK_NOTES = 300

# After a mark, before a capital or the number of a list, or at the end.
_LINE_BREAK = re.compile(
    r"(?<=[.:;?!]),|(?<=[.:] ),|(?<![\d,]),(?=[A-Z0-9])|,(?=\d{1,2}\.\s)| ,(?=[A-Z])|,$"
)
_WHO = re.compile(
    r"\b(\d{1,3})[- ]year[- ]old\b.{0,40}?\b(male|man|gentleman|boy|female|woman|lady|girl)\b",
    re.IGNORECASE | re.DOTALL,
)
_WOMEN = {"female", "woman", "lady", "girl"}


@dataclasses.dataclass(frozen=True)
class Note:
    """One note of the set."""

    number: str
    text: str
    specialty: str
    split: str


def read_notes(folder: Path, *, quick: bool = False) -> list[Note]:
    """The set, in its own splits with a tuning split taken out of its training part."""
    frame = pl.read_csv(folder / FILE)
    if quick:
        frame = frame.sort(pl.col("note_id").hash(0)).head(QUICK_NOTES)
    return [
        Note(str(number), restore_lines(text), specialty, split_of(str(number), split))
        for number, specialty, split, text in frame.select(
            "note_id", "specialty", "split", "transcription"
        ).iter_rows()
    ]


def split_of(number: str, split: str) -> str:
    """The set's `test` is held out; an eighth of its `train` is for tuning.

    >>> split_of("4", "test"), split_of("4", "train"), split_of("11", "train")
    ('held_out', 'train', 'tuning')
    """
    if split == "test":
        return "held_out"
    digest = int(hashlib.sha256(number.encode()).hexdigest(), 16)
    return "tuning" if digest % TUNING_SHARE == 0 else "train"


def restore_lines(text: str) -> str:
    r"""The text with line breaks for the commas that stand for them; as long as before.

    >>> restore_lines("PLAN:, Rest, fluids.,1.  Aspirin 1,000 mg.,")
    'PLAN:\n Rest, fluids.\n1.  Aspirin 1,000 mg.\n'
    """
    return _LINE_BREAK.sub(lambda found: found[0].replace(",", "\n"), text)


def resources_of(note: Note) -> tuple[dict[str, Any], dict[str, Any]]:
    """A note -> its Patient and its DocumentReference."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": f"p{note.number}"}
    who = _WHO.search(note.text)
    if who:
        patient["gender"] = "female" if who[2].lower() in _WOMEN else "male"
        patient["birthDate"] = f"{int(DATE[:4]) - int(who[1]):04d}"
    data = base64.b64encode(note.text.encode()).decode()
    document = {
        "resourceType": "DocumentReference",
        "id": f"n{note.number}",
        "status": "current",
        "subject": {"reference": f"Patient/p{note.number}"},
        "date": DATE,
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
    }
    return patient, document


def write_inputs(notes: Sequence[Note], folder: Path) -> None:
    """Writes `notes.ndjson`, `note_extraction.csv` (labels) and `splits.csv`."""
    resources = [resource for note in notes for resource in resources_of(note)]
    (folder / "notes.ndjson").write_bytes(ndjson(resources))
    pl.DataFrame(
        {
            "subject_id": [f"p{note.number}" for note in notes],
            "entity_id": [f"DocumentReference/n{note.number}" for note in notes],
            "prediction_time": [DATE] * len(notes),
            "categorical_value": [note.specialty for note in notes],
        }
    ).write_csv(folder / f"{MODEL}.csv")
    pl.DataFrame(
        {
            "subject_id": [f"p{note.number}" for note in notes],
            "split": [note.split for note in notes],
        }
    ).write_csv(folder / "splits.csv")


Scored = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Truth int (n,) and probabilities (n, classes), by the sorted classes."""


def baseline(notes: Sequence[Note]) -> Scored:
    """Tf-idf and logistic regression, fitted on train and tuning, scored on held_out."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    fitted = [note for note in notes if note.split != "held_out"]
    scored = [note for note in notes if note.split == "held_out"]
    classes = sorted({note.specialty for note in fitted})
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = LogisticRegression(C=30, max_iter=1000)
    model.fit(
        words.fit_transform([note.text for note in fitted]),
        [classes.index(note.specialty) for note in fitted],
    )
    truth = np.array([classes.index(note.specialty) for note in scored])
    return truth, model.predict_proba(words.transform([note.text for note in scored]))


def train_and_score(work: Path, settings: Sequence[str]) -> Scored:
    """One training with these settings, in the warehouse in `work` -> its held-out scores."""
    warehouse, out = work / "warehouse", work / "held_out.parquet"
    shutil.rmtree(warehouse / "models" / MODEL, ignore_errors=True)  # no champion to beat
    where = ("--warehouse", warehouse, "--as-of", AS_OF, "--splits", work / "splits.csv")
    nightrounds("train", MODEL, *where, *[part for one in settings for part in ("--set", one)])
    nightrounds("evaluate", MODEL, *where, "-o", out)
    return read_scores(pl.read_parquet(out))


def read_scores(predictions: pl.DataFrame) -> Scored:
    """Rows of `truth` and the map `probabilities` -> Scored."""
    found = [{p["key"]: p["value"] for p in row} for row in predictions["probabilities"]]
    classes = sorted(found[0])
    truth = np.array([classes.index(name) for name in predictions["truth"]])
    return truth, np.array([[row[name] for name in classes] for row in found])


def score_sentences(work: Path, held_out: Path) -> pl.DataFrame:
    """Scores all notes -> `note, truth, decided` of held-out sentences under a known heading."""
    nightrounds("score", MODEL, "--warehouse", work / "warehouse", "--as-of", AS_OF)
    paths = open_warehouse(str(work / "warehouse")).paths("extractions")
    wanted = pl.read_parquet(held_out, columns=["entity_id"])
    sentences = (
        pl.concat([pl.read_parquet(path) for path in paths])
        .filter(pl.col("kind") == "sentence", pl.col("sentence_class").is_not_null())
        .join(wanted, on="entity_id", how="semi")
        .sort("entity_id", "sentence")
    )
    return pl.DataFrame(
        {
            "note": sentences["entity_id"],
            "truth": headings_say(sentences["entity_id"].to_list(), sentences["section"].to_list()),
            "decided": sentences["sentence_class"],
        }
    ).filter(pl.col("truth") != "")


def headings_say(notes: Sequence[int], headings: Sequence[str]) -> list[str]:
    """Note and heading of each sentence, in order -> the kind that the heading says, "" for none.

    >>> headings_say([1, 1, 2], ["REVIEW OF SYSTEMS", "LUNGS", "LUNGS"])
    ['history', 'history', 'examination']
    """
    kinds, above, before = [], "", None
    for note, heading in zip(notes, headings, strict=True):
        if note != before:
            kind, above = kind_of(heading, "")
        else:
            kind, above = kind_of(heading, above)
        kinds.append(kind)
        before = note
    return kinds


def commonest_kind(notes: Sequence[Note]) -> str:
    """The kind that headings of the training part say of the most sentences."""
    counts: dict[str, int] = {}
    for note in notes:
        for section in split_note(note.text) if note.split == "train" else ():
            counts[section.kind] = counts.get(section.kind, 0) + len(section.sentences)
    counts.pop("", None)
    return max(counts, key=counts.__getitem__)


def sentence_row(notes: Sequence[Note], sentences: pl.DataFrame, seconds: float) -> Row:
    """Accuracy over sentences; whole notes are resampled."""
    right = (sentences["truth"] == sentences["decided"]).to_numpy()
    value, low, high = bootstrap(np.mean, right, groups=sentences["note"].to_numpy())
    simple = float((sentences["truth"] == commonest_kind(notes)).mean())
    return Row(MODEL, SENTENCES, SPLIT, "accuracy", value, low, high, simple, None, seconds)


def accuracy(truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> float:
    """Share of notes whose likeliest class is the true one."""
    return float((probabilities.argmax(axis=1) == truth).mean())


def macro_f1(truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> float:
    """Mean F1 of the classes that occur.

    >>> macro_f1(np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]))
    0.6666666666666666
    """
    decided = probabilities.argmax(axis=1)
    scores = []
    for number in np.unique(truth):
        hits = ((decided == number) & (truth == number)).sum()
        scores.append(2 * hits / ((decided == number).sum() + (truth == number).sum()))
    return float(np.mean(scores))


def brier(truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> float:
    """Mean squared distance of the probabilities from the truth, summed over the classes."""
    return float(((probabilities - np.eye(probabilities.shape[1])[truth]) ** 2).sum(axis=1).mean())


def ece(truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> float:
    """Expected calibration error of the likeliest class, 10 bands of equal width."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    band = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs((sure - right)[band == number].sum()) for number in range(10)]
    return float(sum(gaps) / len(truth))


METRICS = {"accuracy": accuracy, "macro_f1": macro_f1, "brier": brier, "ece": ece}


def run(folder: Path, *, seed: int = 0, quick: bool = False) -> list[Row]:
    """Ingests, trains and evaluates a single member, then the product's mean of several.

    `quick` takes some of the notes and two epochs, to see that the bench works.
    """
    notes = read_notes(folder, quick=quick)
    simple = baseline(notes)
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-note-extraction-") as name:
        work = Path(name)
        write_inputs(notes, work)
        ingest = Clock()
        with ingest():
            nightrounds(
                *("ingest", "--warehouse", work / "warehouse", "--fhir", work / "notes.ndjson"),
                *("--labels", work / f"{MODEL}.csv"),
            )
        common = ["derive=false", f"seed={seed}", *(["epochs=2"] if quick else [])]
        for note, settings in (("single member", ["members=1"]), ("", [])):
            clock = Clock()
            with clock():
                scored = train_and_score(work, [*common, *settings])
            seconds = ingest.seconds + clock.seconds
            for metric, measure in METRICS.items():
                value, low, high = bootstrap(measure, *scored, seed=seed)
                known = (measure(*simple), None)
                rows.append(Row(MODEL, SET, SPLIT, metric, value, low, high, *known, seconds, note))
        clock = Clock()
        with clock():
            sentences = score_sentences(work, work / "held_out.parquet")
        rows.append(sentence_row(notes, sentences, clock.seconds))
    return rows


def main() -> None:
    """Prints the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    for row in run(arguments.folder, seed=arguments.seed, quick=arguments.quick):
        print(json.dumps(row.as_json()))
