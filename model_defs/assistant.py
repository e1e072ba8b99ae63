"""What a patient's message may be about, how urgent it is, and what to do next.

Whom and when: one example per message of a patient, one microsecond after it: a Communication
with text, or a QuestionnaireResponse with answers in words, joined in a stable order. A
Communication that names another sender (`SENDER//…` among its codes) is none.
From what: the patient's own words; beside them age, sex, last vital signs of the week before and
groups of conditions on record, where there are any. Race is there to report measures by.
Label: `categorical_value` of `tables.labels` for the message; else, by `Config.derive`, the first
condition of CONDITION_CODES that is recorded within 14 days after the message; else null.
How: two heads, each trained by a loss of its own, and the mean of their log-probabilities: a
bidirectional LSTM over word vectors, and a hidden layer over tf-idf of words and word pairs,
hashed character n-grams (so that a misspelt word still counts) and the numbers. Mean of several
members. Urgency and next step follow from the probabilities, the vital signs and warning words by
the rule in `assistant_rules.toml`, which a hospital can replace (`Config.rules`). The interval is
that of the urgency, were the condition known: 5 % and 95 % quantiles over the probabilities.

References: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735 (LSTM);
Royal College of Physicians 2017, National Early Warning Score 2 (limits of vital signs).
Intended use: to order a practice's inbox, with a person reading every message. Not for: telling a
patient that no care is needed, emergencies as they happen, languages or conditions that the
training has not seen: every message gets one of the known conditions. The rule's figures are
nobody's validated triage. Not a medical device.
"""

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs._fields import category, field, quantity
from model_defs._history import CONDITIONS, History
from model_defs._labels import given_labels
from model_defs._messages import diagnosed_after, find_messages, latest_vital_signs, unit_of
from model_defs._stay_features import CONDITION_GROUPS, Column, describe_subjects, last_suffix
from model_defs._triage import VITAL_SIGNS, read_rules
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions
from transforms.vocabulary import PATIENT

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "message"
CANNOT_USE = ("xla",)  # cut at the longest message: every batch has another shape
RECENT_DAYS = 7
WORDS = 256
VOCABULARY = 8192
BAG = 4096
VECTOR = 48
UNITS = 32
HIDDEN = 128
# Weight of each head in the mean: the loss on tuning splits was least near these.
HEADS = {"lstm": 0.25, "hidden": 0.75}
MAX_Z = 5.0


_NUMBERS = [
    quantity("age_years", "a", "age at the message"),
    *[
        quantity(name, unit_of(name), "last value of the 7 days before the message")
        for name in VITAL_SIGNS
    ],
]
_FLAGS = [
    quantity(f"condition_{name}", "0 or 1", "ever recorded before the message")
    for name in CONDITION_GROUPS
]
_SEXES = ("female", "male")
FEATURES = pa.schema(
    [
        field("text", pa.string(), "words", "the message"),
        *_NUMBERS,
        *_FLAGS,
        category("sex", "administrative gender"),
        category("race", "OMB category; to report by, not an input"),
        quantity("red_flag", "0 to 1", "urgency of warning words, by the rule"),
    ]
)
LABEL = pa.field(
    "condition", pa.string(), metadata={"unit": "", "meaning": "what the message is about"}
)
_JUDGED = ("age_years", *VITAL_SIGNS, "red_flag")


@dataclasses.dataclass(frozen=True)
class Config:
    """How the heads are trained; the file of the rule (`rules`, "" for the package's own), and
    whether conditions recorded after a message are labels (`derive`).
    """

    seed: int = 0
    epochs: int = 60
    batch_size: int = 64
    patience: int = 6
    learning_rate: float = 0.005
    members: int = 3
    classes: tuple[str, ...] = ()
    rules: str = ""
    derive: bool = True


DEFAULT = Config()


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Messages of one bucket before `as_of`: keys, prediction_time, FEATURES, LABEL."""
    messages = find_messages(tables.events, as_of)
    theirs = tables.events.join(messages, on="subject_id", how="semi")
    history = History.of(theirs, as_of)
    described = pl.DataFrame(_describe_patients(history, messages))
    red_flag = read_rules(config.rules).of_words(pl.col("text")).alias("red_flag")
    features = pl.concat([messages.select("text", red_flag), described], how="horizontal").select(
        pl.col(field.name).cast(pl.String if field.type == pa.string() else pl.Float32)
        for field in FEATURES
    )
    keys = messages.select(
        "subject_id", pl.col("resource_id").alias("entity_id"), "prediction_time"
    )
    given = given_labels(tables, "categorical_value", as_of)
    derived = diagnosed_after(history, keys) if config.derive else pl.lit(None, pl.String)
    label = keys.join(given, on="entity_id", how="left", maintain_order="left").select(
        pl.coalesce("given", derived).alias(LABEL.name)
    )
    return pl.concat([keys, features, label], how="horizontal")


def _describe_patients(history: History, messages: pl.DataFrame) -> dict[str, Column]:
    subject = messages["subject_id"].to_numpy()
    now = messages["prediction_time"].to_physical().to_numpy()
    past = history.before(subject, now)
    week = history.before(subject, now, RECENT_DAYS)
    return {
        **describe_subjects(history, subject, now),
        "race": last_suffix(history, "RACE//", past),
        **latest_vital_signs(history, week),
        **{
            f"condition_{name}": past.count(rows) > 0
            for name, rows in history.rows_of(CONDITION_GROUPS, CONDITIONS).items()
        },
    }


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Raw features -> `words` int64 (n, WORDS), `bag` and `characters` float32 (n, BAG),
    `numbers` float32 and, untouched, `judged`: what the rule looks at.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    from model_defs import _text

    words = _text.split_words(inputs["text"], WORDS)
    patients = inputs[PATIENT]
    numbers = tf.stack([inputs[field.name] for field in _NUMBERS], axis=1)
    missing = tf.math.is_nan(numbers)
    scaled = tft.scale_to_z_score(numbers, elementwise=True)
    scaled = tf.where(tf.math.is_finite(scaled), scaled, tf.zeros_like(scaled))
    sex = tf.equal(inputs["sex"][:, tf.newaxis], tf.constant([_SEXES]))
    flags = tf.stack([inputs[field.name] for field in _FLAGS], axis=1)
    return {
        "words": _text.word_ids(words, patients, name="assistant_words", most=VOCABULARY),
        "bag": _text.bag_of_words(words, patients, name="assistant_bag", most=BAG),
        "characters": _text.bag_of_characters(words, buckets=BAG),
        "numbers": tf.concat(
            [
                tf.clip_by_value(scaled, -MAX_Z, MAX_Z),
                tf.cast(missing, tf.float32),
                tf.cast(sex, tf.float32),
                flags,
            ],
            axis=1,
        ),
        "judged": tf.stack([inputs[name] for name in _JUDGED], axis=1),
    }


def build_model(config: Config) -> "tf_keras.Model":
    """Bidirectional LSTM beside a hidden layer over bags and numbers.

    Outputs: `condition`, probabilities (n, classes); `judged`, the input of that name.
    """
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(config.seed)
    layers = tf_keras.layers
    inputs = {
        "words": layers.Input((WORDS,), name="words", dtype=tf.int64),
        **{
            name: layers.Input((size,), name=name, dtype=tf.float32)
            for name, size in (
                ("bag", BAG),
                ("characters", BAG),
                ("numbers", 2 * len(_NUMBERS) + len(_SEXES) + len(_FLAGS)),
                ("judged", len(_JUDGED)),
            )
        },
    }
    read = _read_in_order(inputs["words"])
    bags = layers.Concatenate(name="bags")([inputs["bag"], inputs["characters"]])
    seen = layers.Concatenate(name="seen")(
        [layers.Dropout(0.2, name="bags_dropout")(bags), inputs["numbers"]]
    )
    hidden = layers.Dense(HIDDEN, activation="relu", name="hidden")(seen)
    heads = {
        name: layers.Dense(len(config.classes), name=f"{name}_logits")(
            layers.Dropout(rate, name=f"{name}_dropout")(features)
        )
        for name, features, rate in (("lstm", read, 0.5), ("hidden", hidden, 0.3))
    }
    model = tf_keras.Model(
        inputs=inputs,
        outputs={
            LABEL.name: _mean_of_heads()(heads),
            "judged": layers.Activation("linear", name="judged_output", dtype="float32")(
                inputs["judged"]
            ),
        },
        name="assistant",
    )
    model.compile(
        optimizer=tf_keras.optimizers.Adam(config.learning_rate),
        loss={LABEL.name: _negative_log},
    )
    return model


def _read_in_order(words: "tf.Tensor") -> "tf.Tensor":
    """Ids of words (n, WORDS) -> the largest outputs of an LSTM in both directions, and the mean
    of the word vectors, float32 (n, 2 x UNITS + VECTOR).

    Steps past the longest message of the batch are cut off: nearly all messages are short.
    """
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(words > 0, tf.int32), axis=1))
    ids = words[:, : tf.maximum(longest, 1)]
    # Wider than Keras' 0.05: words differ from the first step, and fewer epochs are needed.
    wide = tf_keras.initializers.RandomUniform(-0.3, 0.3)
    vectors = layers.Embedding(VOCABULARY + 2, VECTOR, wide, name="vectors")(ids)
    vectors = layers.SpatialDropout1D(0.4, name="vectors_dropout")(vectors)
    lstm = layers.LSTM(UNITS, return_sequences=True, name="lstm")
    steps = layers.Bidirectional(lstm, name="both_ways")(vectors, mask=ids > 0)
    there = tf.cast(ids > 0, vectors.dtype)[:, :, tf.newaxis]
    mean = tf.reduce_sum(vectors * there, 1) / tf.maximum(tf.reduce_sum(there, 1), 1.0)
    return layers.Concatenate(name="read")([tf.reduce_max(steps * there, 1), mean])


def _mean_of_heads() -> "tf_keras.layers.Layer":
    """Logits by the names of HEADS, each (n, k) -> probabilities of their weighted mean (n, k).

    In training the geometric mean of the heads' probabilities is not normalised, so that its log
    is the sum of the heads' own: each learns as if it were alone, and the one that memorises the
    training texts first does not keep the other from learning.
    """
    import tensorflow as tf
    import tf_keras

    class MeanOfHeads(tf_keras.layers.Layer):
        def call(self, heads: dict[str, Any], training: bool | None = None) -> Any:
            mean = tf.add_n([HEADS[name] * tf.nn.log_softmax(heads[name]) for name in HEADS])
            return tf.exp(mean if training else tf.nn.log_softmax(mean))

    return MeanOfHeads(name=LABEL.name, dtype="float32")


def _negative_log(actual: "tf.Tensor", probabilities: "tf.Tensor") -> "tf.Tensor":
    """Class index (n,) or (n, 1), probabilities (n, k) that need not add up to 1 -> loss (n,)."""
    import tensorflow as tf

    index = tf.cast(tf.reshape(actual, [-1]), tf.int32)
    return -tf.math.log(tf.maximum(tf.gather(probabilities, index, batch_dims=1), 1e-9))


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Probabilities by condition -> urgency as score, the likeliest condition, the next step."""
    probabilities = np.asarray(outputs.values[LABEL.name], dtype=np.float32)
    judged = dict(zip(_JUDGED, np.asarray(outputs.values["judged"], np.float32).T, strict=True))
    rules = read_rules(config.rules)
    raised = np.maximum(
        np.nan_to_num(judged["red_flag"]), rules.of_vital_signs(judged, judged["age_years"])
    )
    urgency, low, high = rules.judge(probabilities, outputs.classes, raised)
    return Predictions(
        score=urgency,
        classes=outputs.classes,
        probabilities=probabilities,
        label=probabilities.argmax(axis=1),
        interval_low=low,
        interval_high=high,
        advice=rules.next_steps(urgency),
    )
