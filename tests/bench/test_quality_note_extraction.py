"""What the bench of `note_extraction` gives to the product, and how it measures."""

import base64
import datetime

import numpy as np
import polars as pl
import pytest

from bench.quality import note_extraction as bench
from model_defs.note_extraction import Config, examples
from tests.ingested import tables_of

AS_OF = datetime.datetime(2009, 1, 1)
KINDS = ("Urology", "Neurology")


@pytest.fixture
def folder(tmp_path):
    """A set of 60 notes, every third of them in the test part."""
    pl.DataFrame(
        {
            "note_id": list(range(60)),
            "specialty": [KINDS[number % 2] for number in range(60)],
            "split": ["train" if number % 3 else "test" for number in range(60)],
            "transcription": [
                f"HISTORY:, A {20 + number}-year-old woman.,PLAN:, word{number} "
                + ("stone" if number % 2 == 0 else "brain")
                for number in range(60)
            ],
        }
    ).write_csv(tmp_path / "mtsamples_clean10.csv.gz", compression="gzip")
    return tmp_path


def test_the_test_part_is_held_out_whole_and_tuning_comes_out_of_the_training_part(folder):
    notes = bench.read_notes(folder)
    of_split = {
        split: {int(note.number) for note in notes if note.split == split}
        for split in ("train", "tuning", "held_out")
    }
    assert of_split["held_out"] == set(range(0, 60, 3))
    assert of_split["tuning"] <= set(range(60)) - of_split["held_out"]
    assert 2 <= len(of_split["tuning"]) <= 12
    assert sum(map(len, of_split.values())) == 60


def test_a_note_becomes_a_patient_and_a_document(folder):
    note = bench.read_notes(folder)[1]
    assert note.text == "HISTORY:\n A 21-year-old woman.\nPLAN:\n word1 brain"
    patient, document = bench.resources_of(note)
    assert (patient["gender"], patient["birthDate"]) == ("female", "1987")
    (content,) = document["content"]
    assert base64.b64decode(content["attachment"]["data"]).decode() == note.text


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1.  Normal.,2.  Dose 1,000 mg, daily.,", "1.  Normal.\n2.  Dose 1,000 mg, daily.\n"),
        ("DOPPLER,1. Mild", "DOPPLER\n1. Mild"),
        ("PLAN: ,Rest, fluids", "PLAN: \nRest, fluids"),
        ("Boston, Massachusetts", "Boston, Massachusetts"),
    ],
)
def test_commas_that_stand_for_line_breaks(text, lines):
    assert bench.restore_lines(text) == lines


def ingested(folder, keys):
    """The tables of a warehouse that the bench's files were ingested to."""
    files = {"fhir": folder / "notes.ndjson", "labels": folder / "note_extraction.csv"}
    return tables_of(folder, keys, AS_OF, ("events", "labels"), **files)


def test_labels_reach_their_notes_and_splits_their_subjects(folder, tmp_path, keys):
    notes = bench.read_notes(folder)
    bench.write_inputs(notes, tmp_path)
    rows = examples(ingested(tmp_path, keys), AS_OF, Config(derive=False))
    assert rows.height == 60
    wanted = {note.text: note.specialty for note in notes}
    assert dict(zip(rows["text"], rows["note_class"], strict=True)) == wanted
    assert rows["sex"].unique().to_list() == ["female"]
    splits = pl.read_csv(tmp_path / "splits.csv")
    assert splits["subject_id"].n_unique() == 60
    assert dict(splits.iter_rows()) == {f"p{note.number}": note.split for note in notes}


def test_the_baseline_is_fitted_without_the_test_part(folder):
    notes = bench.read_notes(folder)
    truth, probabilities = bench.baseline(notes)
    assert len(truth) == 20
    assert bench.accuracy(truth, probabilities) == 1.0  # `stone` or `brain` tells
    # Other labels in the test part: the same probabilities.
    other = [
        bench.Note(n.number, n.text, KINDS[0] if n.split == "held_out" else n.specialty, n.split)
        for n in notes
    ]
    assert bench.baseline(other)[1] == pytest.approx(probabilities)


def test_scores_are_read_by_class():
    rows = pl.DataFrame(
        {
            "truth": ["b", "a"],
            "probabilities": [
                [{"key": "b", "value": 0.7}, {"key": "a", "value": 0.3}],
                [{"key": "a", "value": 0.4}, {"key": "b", "value": 0.6}],
            ],
        }
    )
    truth, probabilities = bench.read_scores(rows)
    assert truth.tolist() == [1, 0]
    assert probabilities.tolist() == [[0.3, 0.7], [0.4, 0.6]]


def test_sentences_are_measured_against_their_headings_with_the_commonest_kind_beside():
    train = "PLAN: Rest. Drink.\nEXAM: Well."
    notes = [bench.Note("1", train, KINDS[0], "train")]
    notes.append(bench.Note("2", "EXAM: a. b. c. d. e.", KINDS[0], "held_out"))
    assert bench.commonest_kind(notes) == "plan"  # `examination`, if test notes counted
    sentences = pl.DataFrame(
        {
            "note": [1, 1, 2, 2],
            "truth": ["plan", "history", "plan", "plan"],
            "decided": ["plan", "history", "plan", "findings"],
        }
    )
    row = bench.sentence_row(notes, sentences, 1.0)
    assert (row.value, row.baseline) == (0.75, 0.75)


def test_measures():
    truth = np.array([0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert bench.accuracy(truth, probabilities) == pytest.approx(2 / 3)
    assert bench.macro_f1(truth, probabilities) == pytest.approx(2 / 3)
    assert bench.brier(truth, probabilities) == pytest.approx((0.02 + 0.08 + 0.72) / 3)
    # One note in each band: 0.9 right, 0.8 right, 0.6 wrong.
    assert bench.ece(truth, probabilities) == pytest.approx((0.1 + 0.2 + 0.6) / 3)
