"""How far a value lies from the mean of all buckets: all that a definition may state."""

import dataclasses

import numpy as np
import polars as pl
import pyarrow as pa

from tests.standins import examples as shared
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Predictions

ENTITY = "value"
SLICES = ("horizon",)
FEATURES = pa.schema(
    [
        pa.field("value", pa.float32()),
        pa.field("mean", pa.float32()),
        pa.field("horizon", pa.float32()),
    ]
)
SPLITS = ("train", "train", "train", "tuning", "held_out", None)
HORIZONS = (1, 2)


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    epochs: int = 30
    batch_size: int = 32
    patience: int = 3
    members: int = 2
    factor: float = 1.0
    dropout: float = 0.0


def LABEL(config):  # noqa: N802 - the contract's name
    return pa.field(f"above_times_{config.factor:g}", pa.float32())


def gather(tables, as_of, config):
    values = tables.events.filter(pl.col("code") == "VALUE", pl.col("time") < as_of)
    return Tables(events=values)


def examples(tables, as_of, config):
    label = LABEL(config)
    above = pl.col("numeric_value") - pl.col("mean")
    return (
        tables.events.with_columns(mean=pl.col("numeric_value").mean())
        .join(pl.DataFrame({"horizon": HORIZONS}), how="cross")
        .select(
            pl.lit(None, pl.Int64).alias("subject_id"),
            pl.col("subject_id").alias("entity_id"),
            pl.lit(as_of).alias("prediction_time"),
            (as_of + shared.DAY * pl.col("horizon")).alias("target_time"),
            pl.col("numeric_value").alias("value"),
            pl.col("mean").cast(pl.Float32),
            pl.col("horizon").cast(pl.Float32),
            (above * pl.col("horizon") * config.factor).cast(pl.Float32).alias(label.name),
            pl.col("subject_id")
            .mod(len(SPLITS))
            .replace_strict(dict(enumerate(SPLITS)), return_dtype=pl.String)
            .alias("split"),
        )
    )


def preprocessing_fn(inputs):
    import tensorflow as tf

    above = (inputs["value"] - inputs["mean"]) * inputs["horizon"]
    return {"x": tf.stack([inputs["value"], above], axis=1)}


def build_model(config):
    import tf_keras

    label = LABEL(config).name
    x = tf_keras.Input((2,), name="x")
    seen = tf_keras.layers.Dropout(config.dropout)(x) if config.dropout else x
    found = tf_keras.layers.Dense(1)(seen)
    model = tf_keras.Model({"x": x}, {label: tf_keras.layers.Reshape((), name=label)(found)})
    model.compile(tf_keras.optimizers.Adam(0.05), loss={label: "mse"})
    return model


def to_predictions(outputs, config):
    score = outputs.values[LABEL(config).name].astype(np.float32).reshape(-1)
    steps = np.float32([-1, 0, 1])
    return Predictions(
        score,
        quantiles=(("0.1", "0.5", "0.9"), score[:, None] + steps),
        advice=["look" if s > 0 else "leave" for s in score],
        picture=[b"png" if s > 0 else None for s in score],
    )


def to_extractions(batch, outputs, config):
    rows = pl.DataFrame(batch.select(["subject_id", "entity_id", "prediction_time"]))
    found = rows.filter(pl.col("entity_id") % 2 == 0)
    text = {name: pl.lit(None) for name in ("section", "sentence_class", "unit", "code", "value")}
    return found.with_columns(
        **text,
        subject_id=pl.col("entity_id"),
        sentence=pl.lit(0),
        kind=pl.lit("sentence"),
        text=pl.lit("é"),
        begin=pl.lit(0),
        end=pl.lit(1),
    )
