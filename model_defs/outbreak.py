"""Cases by region and week, 1 to 4 weeks ahead, as 23 quantiles.

For whom and when: one example per series (what is counted), region, week and horizon, made when
the week is over; about no patient. The counts are those of `ingest --counts`, and those made of
the events: patients with influenza, COVID-19 or RSV by state and by three-digit zip.
From what: the figures as they were known at that time (later revisions are not seen): the last
12 weeks, the same weeks of the year before, the past year's mean, the series' other regions, the
time of the year. A week that is missing stays missing. Label: the latest figure of the week.
How: a dense net. It sees log(cases / the past year's mean + 0.05), and says how much the median
changes from the last figure and how far the others lie from it; steps between quantiles are
positive, so they cannot cross. Trained on their pinball loss, which is the weighted interval score.
Small counts: a figure from 1 to 10 is read as 5.5 everywhere, and a region whose past year has a
mean below 11 a week is not forecast at all (`Config.smallest`; 0 for public figures).
Split by time: the last 15 % of the weeks are held out, the 15 % before them tune.

References: the 23 levels and their score, Bracher et al. 2021,
https://doi.org/10.1371/journal.pcbi.1008618; forecasts of this kind, Mathis et al. 2024,
https://doi.org/10.1038/s41467-024-50601-9; cells of less than 11,
https://www.hhs.gov/guidance/document/cms-cell-suppression-policy.
Intended use: staffing and beds of the weeks to come. Not for: detecting an outbreak of something
new, whose course no past year tells; regions that began to report differently; any patient.
"""

import dataclasses
import datetime
import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs._fields import category, field, quantity
from model_defs._outbreak_counts import count_events
from model_defs._outbreak_weeks import (
    AROUND,
    HORIZONS,
    NO_EXAMPLES,
    OLDEST,
    RECENT,
    REGION,
    describe_region,
    suppress,
)
from transforms.bucket_tables import Tables
from transforms.prediction_rows import Outputs, Predictions

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "region"
CANNOT_USE = ("mixed_precision",)  # cases are more than float16 holds, and there is little to gain
LEVELS = (0.01, 0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975, 0.99)
MEDIAN, LOW, HIGH = LEVELS.index(0.5), LEVELS.index(0.05), LEVELS.index(0.95)
OFFSET = 0.05
SERIES_RECENT = 5
MAX_REGIONS = 4096
REGION_SIZE = 16
MAX_Z = 6.0
DAYS_OF_YEAR = 365.25
TRAINED_SHARES = (0.7, 0.85)
FIRST_STEP = -4.0  # softplus of it: quantiles begin 2 % apart


def _list(size: int) -> pa.DataType:
    return pa.list_(pa.float32(), size)


FEATURES = pa.schema(
    [
        category("series", "what is counted"),
        category("region", "where it is counted"),
        field("horizon", pa.int64(), "wk", "weeks from the origin to the target week"),
        quantity("day_of_year", "d", "of the Monday of the target week"),
        quantity("last_known", "cases", "last figure known at the origin"),
        field("weeks_old", pa.int64(), "wk", "from its week to the origin"),
        quantity("level", "cases/wk", "mean of what was known of the past 52 weeks"),
        field("recent", _list(RECENT), "cases", "origin week and those before it; NaN missing"),
        quantity("year_before", "cases", "52 weeks before the origin"),
        field(
            "year_before_target",
            _list(2 * AROUND + 1),
            "cases",
            f"{AROUND} weeks before to after the week 52 weeks before the target",
        ),
        field(
            "series_recent",
            _list(SERIES_RECENT),
            "1",
            "cases over level, mean of the regions of the series: origin week and those before it",
        ),
    ]
)
LABEL = pa.field(
    "cases", pa.float32(), metadata={"unit": "cases", "meaning": "latest figure of the target week"}
)
WIDTH = 2 * (RECENT + 2 * AROUND + 2) + SERIES_RECENT + 2 + len(HORIZONS) + OLDEST + 1 + 4
SLICES = ("horizon", "series")
SPLIT_SETTINGS = ("tuning_from", "held_out_from")
SPLIT_RULE = "by time of the target week: Config.tuning_from and held_out_from, else 70/15/15 %"


@dataclasses.dataclass(frozen=True)
class Config:
    """What can be chosen.

    `smallest`: figures above 0 and below it are not told. `tuning_from`, `held_out_from`: the days
    from which target weeks are in these splits, `2024-07-01`; both or none. `weighing`: power of
    the region's level that the loss is divided by. `noise`: standard deviation of what is added
    to what the net sees in training. `members`: nets that are averaged.
    """

    seed: int = 0
    epochs: int = 60
    batch_size: int = 256
    patience: int = 8
    members: int = 3
    learning_rate: float = 0.001
    units: int = 128
    dropout: float = 0.5
    noise: float = 0.3
    weighing: float = 0.25
    smallest: float = 11.0
    tuning_from: str = ""
    held_out_from: str = ""

    def __post_init__(self) -> None:
        if not self.smallest >= 0:
            raise ValueError(f"smallest must not be negative, not {self.smallest}")
        if bool(self.tuning_from) != bool(self.held_out_from):
            raise ValueError("tuning_from and held_out_from: give both or none")
        days = [
            datetime.date.fromisoformat(day)
            for day in (self.tuning_from, self.held_out_from)
            if day
        ]
        if sorted(set(days)) != days:
            raise ValueError("tuning_from must be before held_out_from")


DEFAULT = Config()


def gather(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> Tables:
    """One bucket -> its counts known before `as_of`, those made of its events among them."""
    del config
    given = tables.counts.filter(pl.col("known") < as_of)
    return Tables(counts=pl.concat([given, count_events(tables.events, as_of)]))


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Counts of all buckets -> an example per region, week that is over, and horizon."""
    counts = (
        tables.counts.filter(pl.col("known") < as_of)
        .group_by(*REGION, "week", "known")
        .agg(pl.col("cases").sum())
        .with_columns(cases=suppress(pl.col("cases"), config.smallest))
        .sort(*REGION)
    )
    regions = [
        describe_region(rows, as_of, config.smallest).with_columns(
            pl.lit(value, dtype).alias(name)
            for (name, dtype), value in zip(REGION.items(), key, strict=True)
        )
        for key, rows in counts.partition_by(*REGION, as_dict=True, maintain_order=True).items()
    ]
    frame = pl.concat([NO_EXAMPLES, *regions], how="diagonal")
    frame = _with_series(frame).with_columns(_split(frame, config))
    return frame.select(
        pl.lit(None, pl.Int64).alias("subject_id"),
        pl.col("region_id").alias("entity_id"),
        pl.col("origin").alias("prediction_time"),
        "target_time",
        *FEATURES.names,
        pl.col(LABEL.name).cast(pl.Float32).fill_nan(None),
        "split",
    )


def _with_series(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds `series_recent`: the mean over the regions whose figure was known; NaN without any."""
    recent, level = frame["recent"].to_numpy(), frame["level"].to_numpy()
    names = [f"lag{lag}" for lag in range(SERIES_RECENT)]
    ratios = pl.DataFrame(recent[:, :SERIES_RECENT] / level[:, None], schema=names)
    means = (
        frame.select("series", "origin")
        .hstack(ratios.fill_nan(None))
        .select(pl.col(names).mean().over("series", "origin").fill_null(float("nan")))
    )
    values = means.to_numpy().astype("float32").reshape(-1, SERIES_RECENT)
    return frame.with_columns(
        pl.Series("series_recent", values, pl.Array(pl.Float32, SERIES_RECENT))
    )


def _split(frame: pl.DataFrame, config: Config) -> pl.Expr:
    """The split of the target week: what is trained on ends before what is tuned on begins."""
    weeks = frame.filter(pl.col(LABEL.name).is_not_nan())["target_time"].unique().sort()
    if config.tuning_from:
        tuning, held_out = (
            datetime.datetime.fromisoformat(day)
            for day in (config.tuning_from, config.held_out_from)
        )
    elif len(weeks):
        tuning, held_out = (weeks[int(len(weeks) * share)] for share in TRAINED_SHARES)
    else:
        return pl.lit(None, pl.String).alias("split")
    target = pl.col("target_time")
    return (
        pl.when(target < tuning)
        .then(pl.lit("train"))
        .when(target < held_out)
        .then(pl.lit("tuning"))
        .otherwise(pl.lit("held_out"))
        .alias("split")
    )


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Raw features -> `x` float32, `region` int64, `last` and `level` float32 (n, 1), in cases.

    `x`: differences, on the scale log(cases / level + OFFSET), from the last figure; 0 and marked
    where a figure is missing.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    last, level = inputs["last_known"][:, None], inputs["level"][:, None]
    cases = tf.concat(
        [inputs["recent"], inputs["year_before"][:, None], inputs["year_before_target"]], axis=1
    )
    now = tf.math.log(last / level + OFFSET)
    changes = tf.math.log(cases / level + OFFSET) - now
    series = tf.math.log(inputs["series_recent"] + OFFSET)
    series = tf.concat([series[:, :1], series[:, 1:] - series[:, :1]], axis=1)
    numbers = tf.concat([changes, now, series, tf.math.log(level)], axis=1)
    scaled = tft.scale_to_z_score(numbers, elementwise=True)
    known = tf.math.is_finite(scaled)
    angle = 2 * math.pi * inputs["day_of_year"] / DAYS_OF_YEAR
    season = [f(k * angle) for k in (1, 2) for f in (tf.sin, tf.cos)]
    place = tf.strings.join([inputs["series"], inputs["region"]], separator="/")
    return {
        "x": tf.concat(
            [
                tf.clip_by_value(tf.where(known, scaled, tf.zeros_like(scaled)), -MAX_Z, MAX_Z),
                1 - tf.cast(known[:, : cases.shape[1]], tf.float32),
                tf.one_hot(inputs["horizon"] - 1, len(HORIZONS)),
                tf.one_hot(inputs["weeks_old"], OLDEST + 1),
                tf.stack(season, axis=1),
            ],
            axis=1,
        ),
        "region": tft.compute_and_apply_vocabulary(
            place, top_k=MAX_REGIONS, default_value=-1, vocab_filename="outbreak_regions"
        ),
        "last": last,
        "level": level,
    }


def build_model(config: Config) -> "tf_keras.Model":
    """Two dense layers; what they see goes to the median and the steps past them as well.

    Output: `cases` (n, 24): the quantiles of LEVELS in cases, then the level.
    """
    import tensorflow as tf
    import tf_keras

    from model_defs._outbreak_layers import Fan, Pinball

    tf_keras.utils.set_random_seed(config.seed)
    layers = tf_keras.layers
    x = layers.Input((WIDTH,), name="x")
    region = layers.Input((), name="region", dtype=tf.int64)
    last = layers.Input((1,), name="last")
    level = layers.Input((1,), name="level")
    place = layers.Embedding(MAX_REGIONS + 1, REGION_SIZE, name="place")(region + 1)
    seen = layers.Concatenate(name="seen")([x, place])
    seen = layers.GaussianNoise(config.noise, seed=config.seed, name="noise")(seen)
    hidden = seen
    for number in (1, 2):
        hidden = layers.Dense(config.units, activation="relu", name=f"dense{number}")(hidden)
        hidden = layers.Dropout(config.dropout, name=f"dropout{number}")(hidden)
    ends = layers.Concatenate(name="ends")([hidden, seen])
    median = layers.Dense(1, kernel_initializer="zeros", name="median")(ends)
    steps = layers.Dense(
        len(LEVELS) - 1,
        kernel_initializer="zeros",
        bias_initializer=tf_keras.initializers.Constant(FIRST_STEP),
        name="steps",
    )(ends)
    fan = Fan(OFFSET, name=LABEL.name)((median, steps, last, level))
    model = tf_keras.Model(
        inputs={"x": x, "region": region, "last": last, "level": level},
        outputs={LABEL.name: fan},
        name="outbreak",
    )
    model.compile(
        optimizer=tf_keras.optimizers.Adam(config.learning_rate),
        loss={LABEL.name: Pinball(LEVELS, config.weighing)},
    )
    return model


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Quantiles -> the median as score, 90 % interval, all 23."""
    del config
    fan = np.asarray(outputs.values[LABEL.name], dtype=np.float32)[:, : len(LEVELS)]
    return Predictions(
        score=fan[:, MEDIAN],
        interval_low=fan[:, LOW],
        interval_high=fan[:, HIGH],
        quantiles=(tuple(map(str, LEVELS)), fan),
    )
