"""What kind of note a note is; what each sentence tells; which dates, values and drugs it states.

Whom and when: one example per DocumentReference or DiagnosticReport with text, one microsecond
after its time. Of several texts of one resource the longest is read.
From what: the words alone. Sex, age and race stand beside them only so that measures can be
taken by them.
Label: `categorical_value` of `tables.labels` for the note; else, by `Config.derive`, the LOINC
code of the note's own type. A site with classes of its own sets `derive` to false, as classes of
two questions must not mix.
How: two readers, whose log-odds are averaged: a bidirectional LSTM over the sentences of the note
(a sentence is the sum and the maximum of its words' vectors), and a softmax regression on tf-idf
of words and pairs of words. At each sentence the LSTM also says what the sentence tells (history,
examination, findings, assessment, plan, procedure, medication). It learns that from the headings
that writers put over their sentences and never sees: they are taken out of what it reads.
Dates, measurements and medications are found by rules (`_note_items`), each with its place in
the note. The first 96 sentences, and 32 words of each, reach the LSTM; later ones have no class.

References: Jin and Szolovits 2018 (sentences in context), https://aclanthology.org/D18-1349;
Ratner et al. 2017 (weak supervision), https://doi.org/10.14778/3157794.3157797.
Intended use: to file notes, find passages, and prefill a form that somebody checks against the
note. Not for: dosing, billing, or deciding anything without reading the note. Negation, who is
meant, and whether a drug is taken or refused are not understood. English.
"""

import dataclasses
import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs import _text
from model_defs._fields import category, field, quantity
from model_defs._history import History
from model_defs._labels import given_labels
from model_defs._note_items import items_of
from model_defs._note_sections import KINDS, split_note
from model_defs._stay_features import describe_subjects, last_suffix
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions
from transforms.vocabulary import PATIENT

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "note"
CANNOT_USE = ("xla",)  # as many words as there are: every batch has another shape
NOTE_TYPES = ("DocumentReference", "DiagnosticReport")
SENTENCES = 96
SENTENCE_WORDS = 32
NOTE_WORDS = 1500
VOCABULARY = 8000
TERMS = 8000
SENTENCE_CLASSES = tuple(sorted(KINDS))
NO_CLASS = -1


FEATURES = pa.schema(
    [
        field("text", pa.string(), "text", "the note, as stored in events.text_value"),
        field("sentences", pa.string(), "text", "its sentences without headings, one a line"),
        field(
            "sentence_kinds",
            pa.list_(pa.int64(), SENTENCES),
            "index of SENTENCE_CLASSES",
            "what the heading over each sentence says, -1 nothing; taught, never read",
        ),
        quantity("age_years", "a", "age at the time of the note; for measures by age"),
        category("sex", "administrative gender; for measures by sex"),
        category("race", "race as recorded; for measures by race"),
    ]
)
LABEL = pa.field("note_class", pa.string(), metadata={"unit": "", "meaning": "kind of note"})


@dataclasses.dataclass(frozen=True)
class Config:
    """How the two readers are trained. `sentence_weight` is that of the sentences' loss,
    `terms_scale` what tf-idf, of length 1, is multiplied by: so that weights may stay small.

    `derive`: a note without a label takes its own LOINC type for one.
    """

    seed: int = 0
    members: int = 3
    epochs: int = 30
    batch_size: int = 32
    patience: int = 4
    min_delta: float = 0.0
    learning_rate: float = 0.004
    embedding: int = 64
    units: int = 64
    dropout: float = 0.5
    terms_scale: float = 60.0
    sentence_weight: float = 1.0
    derive: bool = True
    classes: tuple[str, ...] = ()


DEFAULT = Config()


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Notes of one bucket before `as_of`: keys, prediction_time, FEATURES, LABEL."""
    notes = _notes_before(tables.events, as_of)
    history = History.of(tables.events.filter(~_is_note()), as_of)
    subject, time_us = notes["subject_id"].to_numpy(), notes["prediction_time"].to_physical()
    known = describe_subjects(history, subject, time_us.to_numpy())
    race = last_suffix(history, "RACE//", history.before(subject, time_us.to_numpy()))
    read = [_read(text) for text in notes["text"]]
    given = given_labels(tables, "categorical_value", as_of)
    label = notes.join(given, on="entity_id", how="left", maintain_order="left").select(
        pl.coalesce("given", "type" if config.derive else pl.lit(None, pl.String))
    )
    return notes.select(
        "subject_id",
        "entity_id",
        "prediction_time",
        "text",
        pl.Series("sentences", [lines for lines, _ in read], pl.String),
        pl.Series("sentence_kinds", [kinds for _, kinds in read], pl.Array(pl.Int64, SENTENCES)),
        pl.Series(known["age_years"]).cast(pl.Float32).alias("age_years"),
        pl.Series(known["sex"]).alias("sex"),
        race.alias("race"),
        label.to_series().alias(LABEL.name),
    )


def _is_note() -> pl.Expr:
    return pl.col("resource_type").is_in(NOTE_TYPES)


def _notes_before(events: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """Events -> subject_id, entity_id, prediction_time, text and type of each note, in order.

    `type` is the first LOINC code of the note, null where it has none.
    """
    text = pl.col("text_value")
    codes = pl.concat_list(pl.col("code"), pl.col("codes").fill_null([]))
    loinc = codes.list.eval(pl.element().filter(pl.element().str.starts_with("LOINC//")))
    return (
        events.filter(
            _is_note(), pl.col("time") < as_of, text.str.strip_chars().str.len_chars() > 0
        )
        .sort(text.str.len_chars(), "text_value", "time", "code")
        .unique(["subject_id", "resource_id"], keep="last", maintain_order=True)
        .select(
            "subject_id",
            pl.col("resource_id").alias("entity_id"),
            (pl.col("time") + datetime.timedelta(microseconds=1)).alias("prediction_time"),
            text.alias("text"),
            loinc.list.first().alias("type"),
        )
        .sort("subject_id", "prediction_time", "entity_id")
    )


def _read(text: str) -> tuple[str, list[int]]:
    """A note -> its first SENTENCES sentences, one a line, and what their headings say."""
    found = [
        (" ".join(text[s.begin : s.end].split()), section.kind)
        for section in split_note(text)
        for s in section.sentences
    ][:SENTENCES]
    kinds = [SENTENCE_CLASSES.index(kind) if kind else NO_CLASS for _, kind in found]
    return "\n".join(line for line, _ in found), kinds + [NO_CLASS] * (SENTENCES - len(kinds))


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Raw features -> `words` int64 (n, SENTENCES x SENTENCE_WORDS), `terms` float32 (n, TERMS).

    And `sentence_kinds` as they are, for the loss alone.
    """
    import tensorflow as tf

    lines = tf.strings.split(inputs["sentences"], sep="\n").to_tensor("", shape=[None, SENTENCES])
    words = _text.split_words(tf.reshape(lines, [-1]), SENTENCE_WORDS)
    words = tf.reshape(words, [-1, SENTENCES * SENTENCE_WORDS])
    patients = inputs[PATIENT]
    note = _text.split_words(inputs["text"], NOTE_WORDS)
    return {
        "words": _text.word_ids(words, patients, name="note_words", most=VOCABULARY),
        "terms": _text.bag_of_words(note, patients, name="note_terms", most=TERMS),
        "sentence_kinds": inputs["sentence_kinds"],
    }


def build_model(config: Config) -> "tf_keras.Model":
    """The two readers and their mean, compiled with a loss for each.

    Outputs: `note_class`, `by_sentences` and `by_terms`, probabilities (n, classes);
    `sentence_class`, probabilities (n, SENTENCES, SENTENCE_CLASSES).
    """
    import tf_keras

    from model_defs._note_layers import build

    tf_keras.utils.set_random_seed(config.seed)
    return build(
        config,
        label=LABEL.name,
        sentences=SENTENCES,
        sentence_words=SENTENCE_WORDS,
        vocabulary=VOCABULARY + _text.FIRST_KNOWN,
        terms=TERMS,
        sentence_classes=len(SENTENCE_CLASSES),
    )


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Probabilities -> the likeliest class; the interval spans those of the members for it."""
    del config
    probabilities = np.asarray(outputs.values[LABEL.name], np.float32)
    label = probabilities.argmax(axis=1)
    rows = np.arange(len(label))
    bounds = [outputs.values.get(f"{LABEL.name}/{end}") for end in ("low", "high")]
    low, high = (None if b is None else np.asarray(b, np.float32)[rows, label] for b in bounds)
    return Predictions(
        score=probabilities[rows, label],
        classes=outputs.classes,
        probabilities=probabilities,
        label=label,
        interval_low=low,
        interval_high=high,
    )


def to_extractions(
    batch: pa.RecordBatch, outputs: Outputs, config: Config = DEFAULT
) -> pl.DataFrame:
    """Scored notes -> a row for each sentence and each item in it; see `_note_items`.

    Columns are those of schemas.EXTRACTIONS that are about a note.
    """
    del config
    best = np.asarray(outputs.values["sentence_class"]).argmax(axis=2)
    rows = []
    for number, text in enumerate(batch.column("text").to_pylist()):
        classes = [SENTENCE_CLASSES[index] for index in best[number]]
        text = text or ""
        rows += [(number, *item) for item in items_of(text, split_note(text), classes)]
    keys = pl.DataFrame(batch.select(["subject_id", "entity_id", "prediction_time"]))
    columns = zip(*rows, strict=True) if rows else ([] for _ in ["note", *_ITEM])
    schema = {"note": pl.UInt32, **_ITEM}
    items = pl.DataFrame(
        [pl.Series(n, c, t) for (n, t), c in zip(schema.items(), columns, strict=True)]
    )
    return pl.concat([keys[items["note"]], items.drop("note")], how="horizontal")


_ITEM = {
    "section": pl.String,
    "sentence": pl.Int32,
    "sentence_class": pl.String,
    "kind": pl.String,
    "text": pl.String,
    "value": pl.Float32,
    "unit": pl.String,
    "code": pl.String,
    "begin": pl.Int32,
    "end": pl.Int32,
}
