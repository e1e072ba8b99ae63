"""Unplanned readmission within 30 days of a discharge from hospital, with what drives it.

Whom and when: one example per discharge of an inpatient stay, one microsecond after its end, so
that what is dated to the discharge is known and nothing later is. Who died in hospital (by the
discharge disposition or an earlier death) is no example.
From what: age, sex, the stay, earlier stays and visits, groups of conditions (Charlson), latest
laboratory values and vital signs of the last year, drugs.
Label: rules of `_stays`, after CMS: transfers form one episode, planned returns do not count,
deaths without a return count as none, null until 30 days are over. `tables.labels` decides where
it has the encounter (`boolean_value`).
How: logistic regression; a driver is weight x standardised value, summed over the columns that
come from one feature, in log-odds.

References: Horwitz et al. 2012, https://doi.org/10.7326/0003-4819-157-9-201211060-00003 (why such
models stay near an AUROC of 0.65-0.7); Strack et al. 2014, https://doi.org/10.1155/2014/781670.
Intended use: to order a discharge team's work. Not for: deciding that somebody needs no care,
payment, or patients under treatment elsewhere, whose returns the warehouse cannot see.
"""

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs._code_groups import MEASURES
from model_defs._fields import category, field, quantity
from model_defs._history import History
from model_defs._labels import given_labels
from model_defs._stay_features import (
    CONDITION_GROUPS,
    DRUG_GROUPS,
    LATEST,
    VISIT_WINDOWS_DAYS,
    describe_stays,
    prediction_times,
)
from model_defs._stays import EXPIRED, find_deaths, find_returns, find_stays, label_returns
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions
from transforms.vocabulary import PATIENT, vocabulary_ids

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "encounter"
CANNOT_USE = ("mixed_precision",)  # a sum of a hundred terms: nothing to gain by fewer digits
MIN_PATIENTS = 10
MAX_TOKENS = 8000
MAX_Z = 5.0


def _flag(name: str, meaning: str) -> pa.Field:
    return field(name, pa.float32(), "0 or 1", meaning)


_NUMBERS = [
    quantity("age_years", "a", "age at discharge"),
    quantity("length_of_stay_days", "d", "from the admission of the episode to the discharge"),
    *[
        quantity(f"inpatient_stays_{days}d", "1", f"stays that ended {days} days before admission")
        for days in VISIT_WINDOWS_DAYS
    ],
    quantity("inpatient_stays_ever", "1", "stays that ended before this admission"),
    quantity("returns_ever", "1", "admissions within 30 days of a discharge, this one too"),
    quantity("returns_365d", "1", "admissions of that year within 30 days of a discharge"),
    quantity("days_since_last_discharge", "d", "from the last discharge to this admission"),
    *[
        quantity(f"emergency_visits_{days}d", "1", f"in the {days} days before admission")
        for days in VISIT_WINDOWS_DAYS
    ],
    quantity("outpatient_visits_365d", "1", "in the 365 days before admission"),
    quantity("charlson_index", "1", "weighted sum of the condition groups, Quan 2011"),
    quantity("conditions_distinct", "1", "distinct codes of conditions ever recorded"),
    quantity("diagnoses_stay", "1", "distinct codes of conditions of this encounter"),
    quantity("lab_results_stay", "1", "numeric observations during the stay"),
    quantity("procedures_stay", "1", "procedures during the stay"),
    quantity("medications_stay", "1", "distinct drugs of this encounter"),
    quantity("medications_365d", "1", "medication events of the last 365 days"),
]
_FLAGS = [
    _flag("admitted_through_emergency", "an emergency visit began within a day before admission"),
    *[_flag(f"condition_{name}", "ever recorded before discharge") for name in CONDITION_GROUPS],
    *[_flag(f"drug_{name}", "in the last 365 days") for name in DRUG_GROUPS],
]
_LATEST = [
    quantity(name, MEASURES[name][0], "last value of the 365 days before discharge")
    for name in LATEST
]
_CATEGORIES = [
    category("sex", "administrative gender"),
    category("discharge_disposition", "where the patient went, as DISPOSITIONS groups it"),
    category("discharge_status", "code of the disposition, as sent"),
    category("admission_source", "where the patient came from"),
    category("admission_type", "priority of the admission"),
    category("encounter_type", "code of the type of the encounter"),
    category("service_type", "code of the service that cared for the patient"),
    category("primary_diagnosis_group", "chapter of the first diagnosis or reason of the stay"),
    category("primary_diagnosis", "its ICD category, or its code in another system"),
]
# Reported on, never an input of the regression.
_RACE = category("race", "as sent; measures are reported by it, the prediction does not use it")
FEATURES = pa.schema([*_NUMBERS, *_FLAGS, *_LATEST, *_CATEGORIES, _RACE])
LABEL = pa.field(
    "readmitted",
    pa.bool_(),
    metadata={"unit": "", "meaning": "unplanned readmission within 30 days of discharge"},
)

_BANDS: dict[str, tuple[float, ...]] = {
    "age_years": (20, 30, 40, 50, 60, 70, 80, 90),
    "length_of_stay_days": (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14),
    "inpatient_stays_365d": (1, 2, 3, 4, 5, 6, 8),
    "inpatient_stays_ever": (1, 2, 3, 4, 5, 6),
    "returns_ever": (1, 2, 3, 4, 5),
    "days_since_last_discharge": (8, 15, 30.5, 90, 180, 365),
    "emergency_visits_365d": (1, 2, 3, 5),
    "outpatient_visits_365d": (1, 2, 3, 5),
}
_CROSSES = (
    ("age_years", "primary_diagnosis_group"),
    ("length_of_stay_days", "primary_diagnosis_group"),
    ("inpatient_stays_365d", "primary_diagnosis_group"),
    ("discharge_status", "primary_diagnosis_group"),
    ("discharge_status", "primary_diagnosis"),
    ("discharge_status", "age_years"),
    ("discharge_status", "inpatient_stays_365d"),
    ("discharge_status", "service_type"),
    ("days_since_last_discharge", "primary_diagnosis_group"),
    ("days_since_last_discharge", "discharge_status"),
    ("days_since_last_discharge", "inpatient_stays_365d"),
    ("returns_ever", "inpatient_stays_365d"),
)
_STANDARDISED = [field.name for field in (*_NUMBERS, *_LATEST)]
_COUNTS = [field.name for field in _NUMBERS if field.name != "age_years"]
_TOKENS: list[tuple[str, ...]] = [
    *[(field.name,) for field in _CATEGORIES],
    *[(name,) for name in _BANDS],
    *_CROSSES,
]


@dataclasses.dataclass(frozen=True)
class Config:
    """How the regression is trained. `l2` penalises squared weights, `learning_rate` is Adam's at
    first; it falls with the number of steps.

    `derive`: whether labels are derived where none is given. False for a site with labels of its
    own, since those of two rules must not mix.
    """

    seed: int = 0
    epochs: int = 60
    batch_size: int = 512
    patience: int = 5
    learning_rate: float = 0.02
    l2: float = 3e-4
    derive: bool = True

    def __post_init__(self) -> None:
        if self.l2 < 0:
            raise ValueError(f"l2 must not be negative, not {self.l2}")


DEFAULT = Config()


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Discharges of one bucket before `as_of`: keys, prediction_time, FEATURES, LABEL."""
    history = History.of(tables.events, as_of)
    stays = find_stays(history)
    episodes = find_returns(stays)
    deaths = find_deaths(history)
    index = (
        stays.drop_nulls("end")
        .join(deaths, on="subject_id", how="left")
        .filter(
            (pl.col("death_time") > pl.col("end")).fill_null(value=True),
            ~pl.col("disposition").is_in(EXPIRED).fill_null(value=False),
        )
        .with_columns(prediction_times(pl.col("end")).alias("prediction_time"))
        .sort("subject_id", "prediction_time", "encounter_id")
    )
    features = pl.DataFrame(describe_stays(history, index, episodes)).select(
        pl.col(field.name).cast(pl.String if field.type == pa.string() else pl.Float32)
        for field in FEATURES
    )
    keys = index.select("subject_id", pl.col("encounter_id").alias("entity_id"), "prediction_time")
    given = given_labels(tables, "boolean_value", as_of)
    label = (
        keys.join(
            label_returns(episodes, deaths, as_of),
            left_on=["subject_id", "entity_id"],
            right_on=["subject_id", "encounter_id"],
            how="left",
            maintain_order="left",
        )
        .join(given, on="entity_id", how="left", maintain_order="left")
        .select(pl.coalesce("given", *["returned"] * config.derive).alias(LABEL.name))
    )
    return pl.concat([keys, features, label], how="horizontal")


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Raw features -> `standardised`, `missing`, `flags` float32 and `tokens` int64, -1 unknown.

    Counts enter as log(1 + x). A missing number is 0 after standardising (the mean) and marked.
    Categories, bands of numbers and crosses are words `feature=value` of one vocabulary.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    numbers = tf.stack(
        [
            tf.math.log1p(tf.maximum(inputs[name], 0.0)) if name in _COUNTS else inputs[name]
            for name in _STANDARDISED
        ],
        axis=1,
    )
    missing = tf.math.is_nan(numbers)
    scaled = tft.scale_to_z_score(numbers, elementwise=True)
    scaled = tf.where(tf.math.is_finite(scaled), scaled, tf.zeros_like(scaled))
    words = {field.name: inputs[field.name] for field in _CATEGORIES}
    for name, edges in _BANDS.items():
        band = tf.searchsorted(tf.constant(edges, tf.float32), inputs[name], side="right")
        words[name] = tf.where(tf.math.is_nan(inputs[name]), "", tf.strings.as_string(band))
    tokens = tf.stack(
        [
            tf.strings.join(["&".join(names), *[words[name] for name in names]], separator="=")
            for names in _TOKENS
        ],
        axis=1,
    )
    return {
        "standardised": tf.clip_by_value(scaled, -MAX_Z, MAX_Z),
        "missing": tf.cast(missing, tf.float32),
        "flags": tf.stack([inputs[field.name] for field in _FLAGS], axis=1),
        "tokens": vocabulary_ids(
            tokens,
            inputs[PATIENT],
            name="readmission_tokens",
            most=MAX_TOKENS,
            min_patients=MIN_PATIENTS,
        ),
    }


def _shares() -> "np.ndarray[Any, np.dtype[np.float32]]":
    """(columns, features) float32: which feature a column of the regression belongs to.

    A cross belongs to its features in equal parts. Columns stand in the order of the model.
    """
    columns: list[tuple[str, ...]] = [
        *[(name,) for name in _STANDARDISED],
        *[(name,) for name in _STANDARDISED],
        *[(field.name,) for field in _FLAGS],
        *_TOKENS,
    ]
    shares = np.zeros((len(columns), len(FEATURES)), dtype=np.float32)
    for row, names in enumerate(columns):
        for name in names:
            shares[row, FEATURES.get_field_index(name)] = 1 / len(names)
    return shares


def build_model(config: Config) -> "tf_keras.Model":
    """Logistic regression over standardised numbers, marks, flags and words of the vocabulary.

    Outputs: `readmitted`, probability (n,); `contributions`, log-odds (n, len(FEATURES)).
    """
    import tensorflow as tf
    import tf_keras

    from model_defs._additive_logit import AdditiveLogit

    tf_keras.utils.set_random_seed(config.seed)
    layers = tf_keras.layers
    dense = {
        name: layers.Input((size,), name=name, dtype=tf.float32)
        for name, size in (
            ("standardised", len(_STANDARDISED)),
            ("missing", len(_STANDARDISED)),
            ("flags", len(_FLAGS)),
        )
    }
    tokens = layers.Input((len(_TOKENS),), name="tokens", dtype=tf.int64)
    values = layers.Concatenate(name="values")(list(dense.values()))
    logit, contributions = AdditiveLogit(
        _shares(), vocabulary=MAX_TOKENS, l2=config.l2, name="additive_logit"
    )((values, tokens))
    model = tf_keras.Model(
        inputs={**dense, "tokens": tokens},
        outputs={
            LABEL.name: layers.Activation("sigmoid", name=LABEL.name)(logit),
            "contributions": contributions,
        },
        name="readmission",
    )
    model.compile(
        # The fit is convex: ever smaller steps end at its minimum, whatever the number of rows.
        optimizer=tf_keras.optimizers.Adam(
            tf_keras.optimizers.schedules.InverseTimeDecay(config.learning_rate, 100, 1.0)
        ),
        loss={LABEL.name: tf_keras.losses.BinaryCrossentropy()},
    )
    return model


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Probability of a readmission -> score, both classes, the decision at the cut of tuning."""
    probability = np.asarray(outputs.values[LABEL.name], dtype=np.float32).reshape(-1)
    return Predictions(
        score=probability,
        classes=("not_readmitted", "readmitted"),
        probabilities=np.stack([1 - probability, probability], axis=1),
        label=(probability >= outputs.cut).astype(np.int64),
    )
