"""Words as ids and bags: values worked out by hand, through TF Transform itself."""

import math

import numpy as np
import pytest

from model_defs import _text
from transforms.vocabulary import PATIENT

TEXTS = ["I can't breathe; my chest hurts", "My chest hurts", "", "Été, été: Kopfweh 39"]
TRAIN = TEXTS * 3


def transform(preprocessing_fn, train, texts):
    """Outputs of the graph, analysed on `train`, a patient each, for `texts`."""
    import tempfile

    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

    spec = {
        "text": tf.io.FixedLenFeature([], tf.string),
        PATIENT: tf.io.FixedLenFeature([], tf.int64),
    }
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    with tempfile.TemporaryDirectory() as folder:
        with tft_beam.Context(temp_dir=f"{folder}/temp"):
            rows = [{"text": text, PATIENT: patient} for patient, text in enumerate(train)]
            graph = (rows, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
            graph | tft_beam.WriteTransformFn(f"{folder}/graph")
        layer = tft.TFTransformOutput(f"{folder}/graph").transform_features_layer()
        return {name: value.numpy() for name, value in layer({"text": tf.constant(texts)}).items()}


def words_of(texts, length):
    return [
        [word.decode() for word in row] for row in _text.split_words(texts, length).numpy().tolist()
    ]


def test_words_are_letters_and_digits_in_lower_case_up_to_the_length():
    assert words_of(TEXTS, 4) == [
        ["i", "cant", "breathe", "my"],
        ["my", "chest", "hurts", ""],
        ["", "", "", ""],
        ["été", "été", "kopfweh", "39"],
    ]
    assert words_of(["it\u2019s 38.5°", "-- !"], 3) == [["its", "38", "5"], ["", "", ""]]


def test_pairs_are_neighbours_and_never_reach_into_the_padding():
    pairs = _text.word_pairs(_text.split_words(["my chest hurts", "pain", ""], 4)).numpy()
    assert pairs.tolist() == [[b"my chest", b"chest hurts", b""], [b""] * 3, [b""] * 3]


@pytest.fixture(scope="module")
def found():
    def preprocessing_fn(inputs):
        words, patients = _text.split_words(inputs["text"], 6), inputs[PATIENT]
        return {
            "ids": _text.word_ids(words, patients, name="words", most=10),
            "few": _text.word_ids(words, patients, name="few", most=1),
            "bag": _text.bag_of_words(words, patients, name="bag", most=8),
            "characters": _text.bag_of_characters(words, buckets=64),
        }

    texts = ["my chest, my leg", "", "kopfwehs", "kopfweh", "zzz"]
    return transform(preprocessing_fn, TRAIN, texts)


def test_ids_are_padding_unseen_and_known_by_frequency(found):
    # Of 6 of the 12 patients: my, chest, hurts. Every other word is unseen.
    assert found["ids"].dtype == np.int64
    my, chest, _, leg = found["ids"][0, :4]
    assert leg == _text.UNSEEN
    assert {my, chest} <= set(range(_text.FIRST_KNOWN, _text.FIRST_KNOWN + 3))
    assert my != chest
    assert found["ids"][0, 2] == my
    assert found["ids"][0, 4:].tolist() == [_text.PADDING] * 2
    assert found["ids"][1].tolist() == [_text.PADDING] * 6
    assert set(np.unique(found["few"])) <= {0, 1, 2}


def test_a_bag_weighs_log_counts_by_rarity_and_has_length_one(found):
    bag = found["bag"]
    assert bag.shape == (5, 8)
    assert bag.dtype == np.float32
    # `my` twice, `chest` and `my chest` once; each is in half of the texts of training.
    rarity = 1 + math.log(4 / 2)
    weights = np.array([math.log(3), math.log(2), math.log(2)]) * rarity
    expected = sorted(weights / np.linalg.norm(weights))
    assert sorted(bag[0][bag[0] > 0]) == pytest.approx(expected, abs=1e-6)
    assert not bag[1].any()
    assert not bag[4].any()


def test_rarity_tells_a_common_word_from_a_rare_one():
    def preprocessing_fn(inputs):
        words = _text.split_words(inputs["text"], 2)
        return {"bag": _text.bag_of_words(words, inputs[PATIENT], name="bag", most=4)}

    bag = transform(preprocessing_fn, ["a"] * 35 + ["b"] * 5, ["a", "b a"])["bag"]
    common, rare = 1 + math.log(8 / 7), 1 + math.log(8)
    assert bag[0].max() == pytest.approx(1)
    assert sorted(bag[1][bag[1] > 0]) == pytest.approx(
        [common / math.hypot(common, rare), rare / math.hypot(common, rare)], abs=1e-6
    )


def test_an_unseen_word_is_near_to_one_of_the_same_characters(found):
    near, word, other = found["characters"][2:5]
    assert float(near @ word) > 0.6
    assert float(near @ word) > float(near @ other) + 0.4
    assert not found["characters"][1].any()
