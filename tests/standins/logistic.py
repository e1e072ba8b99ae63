"""Whether the outcome is high: logistic regression (a stand-in for tests)."""

import dataclasses

import numpy as np
import polars as pl
import pyarrow as pa

from tests.standins import examples as shared
from transforms.prediction_rows import Predictions

ENTITY = "patient"
FEATURES = pa.schema(
    [
        pa.field("value", pa.float32(), metadata={"unit": "1", "meaning": "what decides"}),
        pa.field("ward", pa.string(), metadata={"unit": "", "meaning": "noise"}),
    ]
)
LABEL = pa.field("is_high", pa.bool_())


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    epochs: int = 5
    batch_size: int = 16
    patience: int = 5
    learning_rate: float = 0.3


def examples(tables, as_of, config=None):
    found = shared.examples(tables, as_of).with_columns(
        (pl.col("outcome") == "high").alias(LABEL.name)
    )
    return found.select("subject_id", "entity_id", "prediction_time", *FEATURES.names, LABEL.name)


def preprocessing_fn(inputs):
    import tensorflow as tf
    import tensorflow_transform as tft

    is_ward = tf.cast(inputs["ward"] != "", tf.float32)
    return {"x": tf.stack([tft.scale_to_z_score(inputs["value"]), is_ward], axis=1)}


def build_model(config):
    import tf_keras

    x = tf_keras.Input((2,), name="x")
    dense = tf_keras.layers.Dense(1, name="logit")
    logit = dense(x)
    contributions = tf_keras.layers.EinsumDense(
        "ij,j->ij", 2, trainable=False, kernel_initializer="ones", name="contributions"
    )(x)
    model = tf_keras.Model(
        {"x": x},
        {
            LABEL.name: tf_keras.layers.Activation("sigmoid", name=LABEL.name)(logit),
            "contributions": contributions,
        },
    )
    model.compile(
        tf_keras.optimizers.Adam(config.learning_rate), loss={LABEL.name: "binary_crossentropy"}
    )
    return model


def to_predictions(outputs, config=None):
    probability = outputs.values[LABEL.name].reshape(-1)
    return Predictions(
        score=probability,
        classes=("not_high", "high"),
        probabilities=np.stack([1 - probability, probability], axis=1),
        label=(probability >= 0.5).astype(np.int64),
    )
