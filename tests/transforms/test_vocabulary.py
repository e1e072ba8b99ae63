"""Vocabularies count patients: in the graph, over batches, and in what training writes."""

from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_defs import note_extraction
from transforms import examples, vocabulary
from transforms.examples import example_schema
from transforms.preprocess import Preprocess, Shard, load_graph
from transforms.tensors import to_tensors
from transforms.vocabulary import MIN_PATIENTS, NOT_COUNTED, batches_by_patient, once_per_patient

PLANTED = "zyxwvut"
SHARED = "headache"


def table_of(rows):
    """Rows of (patient, text) -> labelled examples of note_extraction."""
    schema = example_schema(note_extraction.FEATURES, note_extraction.LABEL)
    defaults = {
        "prediction_time": 0,
        "sentence_kinds": [-1] * note_extraction.SENTENCES,
        "sex": "female",
        "race": "",
        "note_class": "a",
    }
    return pa.Table.from_pylist(
        [
            {**defaults, "subject_id": patient, "entity_id": n, "text": text, "sentences": text}
            for n, (patient, text) in enumerate(rows)
        ],
        schema=schema,
    )


def test_a_token_counts_once_for_a_patient():
    tokens = np.array([["a", "b", "a"], ["a", "c", ""], ["a", "b", "b"], ["d", "d", "e"]])
    found = once_per_patient(tokens, np.array([7, 7, 8, NOT_COUNTED])).numpy()
    assert found.tolist() == [[b"a", b"b", b""], [b"", b"c", b""], [b"a", b"b", b""], [b""] * 3]


def test_rows_of_a_patient_in_a_later_batch_do_not_count(monkeypatch):
    monkeypatch.setattr(examples, "BATCH_ROWS", 2)
    table = table_of([(5, ""), (5, ""), (5, ""), (6, ""), (6, ""), (5, ""), (7, "")])
    batches = list(batches_by_patient(table))
    assert [batch.column(vocabulary.PATIENT).to_pylist() for batch in batches] == [
        [5, 5],
        [NOT_COUNTED, 6],
        [NOT_COUNTED, NOT_COUNTED],
        [7],
    ]
    assert pa.Table.from_batches(batches).drop([vocabulary.PATIENT]).equals(table)


@pytest.fixture(scope="module")
def graph_folder(tmp_path_factory):
    """What is written of notes where one patient has a word 1,000 times, five have another one,
    and four a third.
    """
    folder = tmp_path_factory.mktemp("preprocessed")
    rows = [(1, f"{PLANTED} {PLANTED} pain {n}") for n in range(500)]
    rows += [(n, f"{SHARED} fever") for n in range(2, 2 + MIN_PATIENTS)]
    rows += [(n, "dizziness fever") for n in range(50, 50 + MIN_PATIENTS - 1)]
    pq.write_table(table_of(rows), folder / "examples.parquet")
    shard = Shard(str(folder / "examples.parquet"), str(folder / "records"))
    with beam.Pipeline("FnApiRunner") as pipeline:
        pipeline | Preprocess(
            definition=note_extraction,
            label_field=note_extraction.LABEL,
            shards={"train": [shard]},
            train_split="train",
            classes=("a",),
            graph_folder=str(folder / "graph"),
            temp_folder=str(folder / "temp"),
        )
    return folder / "graph"


def holding(folder: Path, word: str) -> set[str]:
    return {f.name for f in folder.rglob("*") if f.is_file() and word.encode() in f.read_bytes()}


def test_the_word_of_one_patient_is_in_no_file_that_training_keeps(graph_folder):
    assert holding(graph_folder, SHARED) == {"note_words", "note_terms"}
    assert not holding(graph_folder, PLANTED)
    assert not holding(graph_folder, "dizziness")


def test_the_graph_that_scores_needs_no_patient(graph_folder):
    table = table_of([(1, f"{SHARED} {PLANTED}")])
    batch = table.combine_chunks().to_batches()[0]
    found = load_graph(str(graph_folder))(to_tensors(batch, note_extraction.FEATURES))
    known, planted = found["words"].numpy()[0, :2]
    assert (known > 1, planted) == (True, 1)
