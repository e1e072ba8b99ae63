import datetime
import hashlib
import json

import numpy as np
import polars as pl
import pytest

from bench.quality.assistant import (
    FOLDS,
    baseline,
    held_out,
    make_labels,
    make_splits,
    measure,
    read_texts,
    resources,
    write_inputs,
)
from bench.quality.rows import KEY
from model_defs.assistant import examples
from tests.ingested import tables_of
from transforms.keys import Keys
from transforms.read_splits import read_split_file
from transforms.splits import HELD_OUT, SPLITS

AS_OF = datetime.datetime(2024, 2, 1)
WORDS = {"Acne": "pimples spots blackheads", "Malaria": "fever chills sweats"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set of 80 texts in the shape of Symptom2Disease, one of them twice."""
    random = np.random.default_rng(0)
    rows = [
        {"label": label, "text": f"Day {n}: {', '.join(random.permutation(words.split()))}."}
        for label, words in WORDS.items()
        for n in range(40)
    ]
    folder = tmp_path_factory.mktemp("set")
    pl.DataFrame([*rows, rows[0]]).with_row_index("index").write_csv(folder / "Symptom2Disease.csv")
    return folder


def test_each_text_counts_once_and_its_fold_follows_from_its_words(folder):
    texts = read_texts(folder)
    assert len(texts) == 80
    assert texts["text"].n_unique() == texts["id"].n_unique() == 80
    assert set(texts["fold"]) == set(range(FOLDS))
    digest = int(hashlib.sha256(texts["text"][0].encode()).hexdigest(), 16)
    assert texts["fold"][0] == digest % FOLDS  # the same on every machine


def test_every_text_is_tested_once_and_then_trained_on_nowhere(folder):
    texts = read_texts(folder)
    tested = []
    for fold in range(FOLDS):
        splits = make_splits(texts, fold)
        by_split = {name: set(part["subject_id"]) for (name,), part in splits.group_by("split")}
        assert set(by_split) == set(SPLITS)
        assert sum(map(len, by_split.values())) == len(texts)
        assert by_split[HELD_OUT] == set(texts.filter(pl.col("fold") == fold)["id"])
        tested += by_split[HELD_OUT]
    assert sorted(tested) == sorted(texts["id"])


def test_resources_tell_the_text_and_not_the_label(folder):
    texts = read_texts(folder)
    told = list(resources(texts))
    assert len(told) == 2 * len(texts)
    said = [r["payload"][0]["contentString"] for r in told if "payload" in r]
    assert said == texts["text"].to_list()
    assert not any(label in json.dumps(told) for label in WORDS)


def test_the_product_holds_each_text_out_of_its_own_fold_s_training(folder, tmp_path, keys):
    """From the files to the examples: what the split says is what the engine trains on."""
    texts = read_texts(folder)
    write_inputs(texts, tmp_path)
    files = {"fhir": tmp_path / "messages.ndjson", "labels": tmp_path / "assistant.csv"}
    found = examples(tables_of(tmp_path, keys, AS_OF, ("events", "labels"), **files), AS_OF)
    assert sorted(found["text"]) == sorted(texts["text"])
    both = found.join(texts, on="text", maintain_order="left")
    assert (both["condition"] == both["label"]).all()
    for fold in range(FOLDS):
        splits = read_split_file(str(tmp_path / f"splits-{fold}.csv"), lambda: keys)
        is_held_out = splits.of(both["subject_id"].to_numpy()) == SPLITS.index(HELD_OUT)
        assert (is_held_out == (both["fold"] == fold).to_numpy()).all()


def test_predictions_come_back_in_the_order_of_the_texts(folder):
    texts = read_texts(folder).head(3)
    hashed = [Keys(KEY.encode()).hash(f"Communication/{name}") for name in texts["id"]]
    told = pl.DataFrame(
        {
            "entity_id": hashed[::-1],
            "probabilities": [
                [{"key": "Acne", "value": p}, {"key": "Malaria", "value": 1 - p}]
                for p in (0.1, 0.2, 0.3)
            ],
        }
    )
    found = held_out(told, texts, list(WORDS))
    assert found == pytest.approx(np.array([[0.3, 0.7], [0.2, 0.8], [0.1, 0.9]]))
    with pytest.raises(ValueError, match="not those of the fold"):
        held_out(told.head(2), texts, list(WORDS))


def test_the_baseline_reads_no_label_of_its_fold(folder):
    texts = read_texts(folder)
    other = pl.when(pl.col("fold") == 1).then(pl.lit("Acne")).otherwise("label").alias("label")
    before = baseline(texts, 1, list(WORDS))
    after = baseline(texts.with_columns(other), 1, list(WORDS))
    assert (before == after).all()
    assert len(before) == (texts["fold"] == 1).sum()


def test_measures_of_known_probabilities():
    probabilities = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    found = measure(probabilities, np.array([0, 0, 1, 0]))
    assert found["accuracy"][0] == 0.75
    assert found["brier"][0] == pytest.approx(0.5)
    assert found["ece"][0] == pytest.approx(0.25)
    assert found["macro_f1"][0] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["accuracy"][1] <= 0.75 <= found["accuracy"][2]


def test_labels_name_the_communications(folder):
    row = make_labels(read_texts(folder)).row(0, named=True)
    assert row["entity_id"] == "Communication/m0"
    assert row["categorical_value"] == "Acne"
