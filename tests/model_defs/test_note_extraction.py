"""Which notes are examples, what they are labelled, and the rows of items."""

import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from model_defs import note_extraction
from model_defs.note_extraction import SENTENCE_CLASSES, SENTENCES, Config, examples
from tests.builders import event_frame, table_frame
from tests.model_defs.cases_note_extraction import AS_OF, note
from transforms import schemas
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs

DAY = datetime.datetime.fromisoformat("2023-05-01")
TINY = Config(embedding=4, units=4, classes=("a", "b"))


def label(entity, value, **columns):
    return {
        "bucket": 0,
        "subject_id": 1,
        "model": "note_extraction",
        "entity_id": entity,
        "prediction_time": DAY,
        "categorical_value": value,
        **columns,
    }


def found(rows, labels=(), config=None):
    tables = Tables(events=event_frame(rows), labels=table_frame("labels", labels))
    return examples(tables, AS_OF, config or Config())


def test_a_note_becomes_its_text_its_sentences_and_what_their_headings_say():
    text = "PLAN: Rest.\nDrink\nmore. XYZ: None."
    rows = [
        {"code": "MEDS_BIRTH", "time": DAY.replace(year=1963), "resource_type": "Patient"},
        {"code": "SEX//male", "time": None, "resource_type": "Patient"},
        {"code": "RACE//2106-3", "time": None, "resource_type": "Patient"},
        note(7, text, DAY),
    ]
    row = found(rows).row(0, named=True)
    assert row["entity_id"] == 7
    assert row["prediction_time"] == DAY + datetime.timedelta(microseconds=1)
    assert row["text"] == text
    assert row["sentences"] == "Rest.\nDrink more.\nNone."
    plan = SENTENCE_CLASSES.index("plan")
    assert row["sentence_kinds"] == [plan, plan] + [-1] * (SENTENCES - 2)
    assert row["age_years"] == pytest.approx(60, abs=0.01)
    assert (row["sex"], row["race"]) == ("male", "2106-3")


def test_notes_have_text_and_a_time_before_as_of_and_the_longest_text_counts():
    rows = [
        note(1, "short", DAY),
        note(1, "longer text", DAY),
        note(2, None, DAY),
        note(3, "  \n", DAY),
        note(4, "without a time", None),
        note(5, "too late", AS_OF),
        note(6, "an observation", DAY, resource_type="Observation"),
        note(7, "a report", DAY, resource_type="DiagnosticReport"),
    ]
    assert found(rows)["text"].to_list() == ["longer text", "a report"]


def test_a_given_label_decides_over_the_type_of_the_note():
    rows = [
        note(1, "a", DAY),
        note(2, "b", DAY),
        note(3, "c", DAY, code="DocumentReference//TEXT", codes=["x//1", "LOINC//11506-3"]),
        note(4, "d", DAY, code="DocumentReference//TEXT"),
    ]
    labels = [
        label(2, "early", prediction_time=DAY - datetime.timedelta(days=1)),
        label(2, "given"),
    ]
    kinds = found(rows, labels)["note_class"].to_list()
    assert kinds == ["LOINC//34117-2", "given", "LOINC//11506-3", None]
    kinds = found(rows, labels, Config(derive=False))["note_class"].to_list()
    assert kinds == [None, "given", None, None]


def test_each_reader_learns_from_the_note_and_the_sentences_from_their_headings():
    model = note_extraction.build_model(TINY)
    rng = np.random.default_rng(0)
    width = SENTENCES * note_extraction.SENTENCE_WORDS
    words = rng.integers(0, 9, (4, width))
    inputs = {
        "words": words,
        "terms": rng.random((4, note_extraction.TERMS), np.float32),
        "sentence_kinds": np.where(np.arange(SENTENCES) < 3, 1, -1)[None].repeat(4, 0),
    }
    labels = {"note_class": np.array([0, 1, 0, 1])}
    before = {weight.name: weight.numpy() for weight in model.trainable_weights}
    model.train_on_batch(inputs, labels)
    moved = {w.name for w in model.trainable_weights if not np.array_equal(w, before[w.name])}
    assert moved == set(before)
    untaught = {**inputs, "sentence_kinds": np.full((4, SENTENCES), -1)}
    losses = [model.test_on_batch(x, labels) for x in (inputs, untaught)]
    assert losses[0] != pytest.approx(losses[1])
    outputs = [model.predict(x, verbose=0) for x in (inputs, untaught)]
    for name in outputs[0]:  # what headings say is taught, never read
        assert outputs[0][name] == pytest.approx(outputs[1][name])
    mean = np.sqrt(outputs[0]["by_sentences"] * outputs[0]["by_terms"])  # of the log-odds
    assert outputs[0]["note_class"] == pytest.approx(mean / mean.sum(axis=1, keepdims=True))


def test_the_score_is_that_of_the_likeliest_class_with_the_members_range():
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    values = {"note_class": probabilities}
    values |= {"note_class/low": probabilities - 0.1, "note_class/high": probabilities + 0.1}
    rows = note_extraction.to_predictions(Outputs(values, ("a", "b")))
    assert rows.label.tolist() == [1, 0]
    assert rows.score == pytest.approx([0.8, 0.6])
    assert rows.interval_low == pytest.approx([0.7, 0.5])
    assert rows.interval_high == pytest.approx([0.9, 0.7])
    alone = note_extraction.to_predictions(Outputs({"note_class": probabilities}, ("a", "b")))
    assert alone.interval_low is None


def test_items_of_scored_notes_are_rows_of_extractions():
    texts = ["PLAN: Aspirin 81 mg daily.", "", "EXAM: BP 120/80. Well."]
    batch = pa.record_batch(
        {
            "subject_id": [1, 2, 3],
            "entity_id": [10, 20, 30],
            "prediction_time": pa.array([DAY] * 3, pa.timestamp("us")),
            "text": pa.array(texts).dictionary_encode(),
        }
    )
    classes = np.zeros((3, SENTENCES, len(SENTENCE_CLASSES)), np.float32)
    classes[0, 0, SENTENCE_CLASSES.index("medication")] = 1
    classes[2, :, SENTENCE_CLASSES.index("examination")] = 1
    rows = note_extraction.to_extractions(batch, Outputs({"sentence_class": classes}))
    of_run = {"model", "run_date", "model_version", "run_id", "entity_type"}
    wanted = [field for field in schemas.EXTRACTIONS if field.name not in of_run]
    assert set(rows.columns) >= {field.name for field in wanted}
    rows.select(field.name for field in wanted).to_arrow().cast(pa.schema(wanted))
    assert rows.select(
        "entity_id", "sentence", "sentence_class", "kind", "text", "value"
    ).rows() == [
        (10, 0, "medication", "sentence", "Aspirin 81 mg daily.", None),
        (10, 0, "medication", "medication", "Aspirin 81 mg daily", 81.0),
        (30, 0, "examination", "sentence", "BP 120/80.", None),
        (30, 0, "examination", "measurement", "BP 120", 120.0),
        (30, 0, "examination", "measurement", "80", 80.0),
        (30, 1, "examination", "sentence", "Well.", None),
    ]
    for row in rows.iter_rows(named=True):
        text = texts[[10, 20, 30].index(row["entity_id"])]
        assert text[row["begin"] : row["end"]] == row["text"]


def test_no_notes_have_no_items():
    nothing = pa.RecordBatch.from_pylist(
        [],
        pa.schema(
            [
                ("subject_id", pa.int64()),
                ("entity_id", pa.int64()),
                ("prediction_time", pa.timestamp("us")),
                ("text", pa.string()),
            ]
        ),
    )
    shape = (0, SENTENCES, len(SENTENCE_CLASSES))
    outputs = Outputs({"sentence_class": np.zeros(shape, np.float32)})
    rows = note_extraction.to_extractions(nothing, outputs)
    assert rows.height == 0
    assert rows["begin"].dtype == pl.Int32
