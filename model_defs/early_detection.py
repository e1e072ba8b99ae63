"""Probability of malignancy or pneumonia for each imaging study, from its pixels alone.

Whom and when: one example per DICOM study with readable pixels, one microsecond after its last
dated instance. Any modality; windows, rescaling and inverted greys are handled where pixels are
decoded.
From what: up to `frames` frames, spread evenly over the study's instances and their frames, each
`size` x `size` grey levels. A file that cannot be decoded is left out; a study none of whose
files can is no example. Instances with text burned in are read only where a study has no others.
Label: `boolean_value` of `tables.labels` for the study, else from the record of the subject:
true, where a disease code (DISEASES) is recorded from a day before the study to 30 days after it;
false, where none is, the 30 days are over and the record goes on after the study; null else, where
a disease code was on record in the year before (the disease was known, not detected), and where
only frames with text burned in could be read (they are scored, never trained on).
How: a convolutional network looks at each frame; the mean and the maximum of its features over
the frames of a study decide.

References: Yang et al. 2023, MedMNIST v2, https://doi.org/10.1038/s41597-022-01721-8.
Intended use: to put studies in the order in which they are read. Not for: ruling disease out,
skipping a reading, or modalities and body parts that the training data did not have.
"""

import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from model_defs._code_groups import CHARLSON, codes_of, match_codes
from model_defs._labels import given_labels
from model_defs._saliency_pictures import draw_evidence
from transforms.bucket_tables import Float32, Tables
from transforms.prediction_rows import Outputs, Predictions

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

ENTITY = "study"
CANNOT_USE = ("xla",)  # the network decodes bytes, of a number of frames that changes
EVIDENCE = "evidence"
PICTURE_SIDE = 32  # pixels per frame, at most: the network sees 8 x 8 places or so
WINDOW = datetime.timedelta(days=30)
KNOWN_BEFORE = datetime.timedelta(days=365)
SAME_DAY = datetime.timedelta(days=1)
DISEASES = {
    "malignancy": (
        *CHARLSON["cancer"],
        *CHARLSON["metastatic_cancer"],
        *codes_of(icd10="C00-C97", snomed="363346000 363358000 93880001 422968005 425048006"),
    ),
    "pneumonia": codes_of(
        icd10="J12-J18",
        icd9="480-486",
        snomed="233604007 385093006 53084003 75570004 278516003 396285007 882784691000119100",
    ),
}
FEATURES = pa.schema(
    [
        pa.field(
            "frames",
            pa.binary(),
            metadata={
                "unit": "grey level, 0 to 255",
                "meaning": "frames one after the other, each size x size uint8, row by row",
            },
        )
    ]
)
LABEL = pa.field(
    "diseased",
    pa.bool_(),
    metadata={"unit": "", "meaning": "malignancy or pneumonia recorded within 30 days"},
)
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclasses.dataclass(frozen=True)
class Config:
    """How much of a study is read, and how the network is built and trained.

    `width` is the number of filters of the first block; later ones have two and four times it.
    """

    seed: int = 0
    epochs: int = 30
    batch_size: int = 32
    patience: int = 8
    min_delta: float = 1e-3
    learning_rate: float = 2e-3
    size: int = 64
    frames: int = 4
    width: int = 16
    dropout: float = 0.3
    members: int = 1

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"size must be at least 16, not {self.size}")
        if self.frames < 1:
            raise ValueError(f"frames must be at least 1, not {self.frames}")


DEFAULT = Config()


def examples(tables: Tables, as_of: datetime.datetime, config: Config = DEFAULT) -> pl.DataFrame:
    """Studies of one bucket before `as_of`: keys, prediction_time, FEATURES, LABEL."""
    instances = _readable(tables.images, as_of)
    studies = (
        instances.group_by("subject_id", "study_id")
        .agg(
            pl.col("time").min().alias("begin"),
            (pl.col("time").max() + datetime.timedelta(microseconds=1)).alias("prediction_time"),
            pl.col("burned_in").any(),
        )
        .sort("subject_id", "study_id")
    )
    pixels = _read_pixels(tables, _sample(instances, config.frames), config)
    return (
        studies.join(pixels, on=["subject_id", "study_id"], maintain_order="left")
        .join(_labels(tables, studies, as_of), on=["subject_id", "study_id"], how="left")
        .select(
            "subject_id",
            pl.col("study_id").alias("entity_id"),
            "prediction_time",
            "frames",
            LABEL.name,
        )
        .sort("subject_id", "prediction_time", "entity_id")
    )


def _readable(images: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """Dated instances with pixels; those with text burned in only of studies without others."""
    burned_in = pl.col("burned_in_annotation").is_in(["yes", "suspected"]).fill_null(value=False)
    study = ["subject_id", "study_id"]
    return (
        images.filter(pl.col("time") < as_of, "has_pixels")
        .with_columns(burned_in.alias("burned_in"))
        .filter(~pl.col("burned_in") | pl.col("burned_in").all().over(study))
        .sort(
            *study,
            *("series_id", "slice_position_mm", "instance_number", "instance_id"),
            nulls_last=True,
        )
    )


def _sample(instances: pl.DataFrame, frames: int) -> pl.DataFrame:
    """Instances in reading order -> those that are read, and `take`, how many frames of each.

    Of a study with n frames the frames at (j + 1/2) n / k, for j < k = min(n, frames).
    """
    study = ["subject_id", "study_id"]
    counted = instances.with_columns(
        pl.col("frames").fill_null(1).clip(1, None).cast(pl.Int64).alias("count")
    ).with_columns(
        pl.col("count").cum_sum().over(study).alias("end"),
        pl.col("count").sum().over(study).alias("total"),
    )
    taken = pl.min_horizontal(pl.lit(frames), "total")

    def chosen_before(position: pl.Expr) -> pl.Expr:
        # (2j + 1) * total < 2 * taken * position, counted over j.
        return ((2 * taken * position + pl.col("total") - 1) // (2 * pl.col("total"))).clip(
            0, taken
        )

    before, upto = chosen_before(pl.col("end") - pl.col("count")), chosen_before(pl.col("end"))
    return counted.with_columns((upto - before).alias("take")).filter(pl.col("take") > 0)


def _read_pixels(tables: Tables, sampled: pl.DataFrame, config: Config) -> pl.DataFrame:
    """-> `subject_id, study_id, frames`: bytes of the frames that could be read, in order."""
    sampled = sampled.with_row_index("order")
    encoded: dict[int, bytes] = {}
    for (take,), rows in sampled.group_by("take", maintain_order=True):
        images = rows.select(tables.images.columns)
        found = tables.pixels(images, size=config.size, max_frames=int(take))  # type: ignore[call-overload]
        for order, pixels in zip(rows["order"], found, strict=True):
            if pixels is not None:
                encoded[order] = grey_bytes(pixels)
    bytes_of = pl.DataFrame(
        {"order": list(encoded), "bytes": list(encoded.values())},
        schema={"order": sampled.schema["order"], "bytes": pl.Binary},
    )
    read = sampled.join(bytes_of, on="order").sort("order")
    joined = read.group_by("subject_id", "study_id", maintain_order=True).agg("bytes")
    frames = pl.Series("frames", [b"".join(parts) for parts in joined["bytes"]], dtype=pl.Binary)
    return joined.select("subject_id", "study_id").with_columns(frames)


def grey_bytes(frames: Float32) -> bytes:
    """float32 (frames, size, size, 1 or 3) in [0, 1] -> uint8 grey levels, row by row."""
    grey = frames @ _LUMINANCE if frames.shape[-1] == 3 else frames[..., 0]
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8).tobytes()


def _labels(tables: Tables, studies: pl.DataFrame, as_of: datetime.datetime) -> pl.DataFrame:
    """Studies -> `subject_id, study_id, diseased` by the rules of the module."""
    events = tables.events.filter(pl.col("time") < as_of)
    vocabulary = pl.concat(
        [events["code"].unique(), events["codes"].explode().drop_nulls()]
    ).unique()
    disease = match_codes(vocabulary, DISEASES)["code"].unique().sort()
    found = events.select(
        "subject_id",
        "time",
        (
            pl.col("code").is_in(disease.implode())
            | pl.col("codes").list.eval(pl.element().is_in(disease.implode())).list.any()
        )
        .fill_null(value=False)
        .alias("is_disease"),
    )
    first_day = pl.col("begin") - SAME_DAY
    last_day = pl.col("prediction_time") + WINDOW
    time, is_disease = pl.col("time"), pl.col("is_disease")
    seen = (
        studies.select("subject_id", "study_id", "begin", "prediction_time", "burned_in")
        .join(found, on="subject_id")
        .group_by("subject_id", "study_id")
        .agg(
            (is_disease & (time >= pl.col("begin") - KNOWN_BEFORE) & (time < first_day))
            .any()
            .alias("known"),
            (is_disease & (time >= first_day) & (time < last_day)).any().alias("detected"),
            (time >= pl.col("prediction_time")).any().alias("followed"),
        )
    )
    derived = (
        pl.when(pl.col("known").fill_null(value=False))
        .then(None)
        .when(pl.col("detected"))
        .then(pl.lit(value=True))
        .when(pl.col("followed") & (last_day <= as_of))
        .then(pl.lit(value=False))
    )
    given = given_labels(tables, "boolean_value", as_of)
    return (
        studies.join(seen, on=["subject_id", "study_id"], how="left")
        .join(given, left_on="study_id", right_on="entity_id", how="left")
        .select(
            "subject_id",
            "study_id",
            pl.when(~pl.col("burned_in")).then(pl.coalesce("given", derived)).alias(LABEL.name),
        )
    )


def preprocessing_fn(inputs: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    """Frames as they are: bytes stay small in TFRecords, and the network decodes them."""
    return {"frames": inputs["frames"]}


def build_model(config: Config) -> "tf_keras.Model":
    """CNN over frames, mean and maximum over a study.

    Outputs: `diseased`, probability (n,); `evidence`, log-odds (n, frames, h, w), which place adds
    how much.
    """
    import tensorflow as tf
    import tf_keras

    from model_defs._study_layers import DecodeFrames, EvidenceHead

    tf_keras.utils.set_random_seed(config.seed)
    layers = tf_keras.layers
    frames = layers.Input((), name="frames", dtype=tf.string)
    pixels, study = DecodeFrames(config.size, name="decode", dtype="float32")(frames)
    found = layers.RandomTranslation(
        0.06, 0.06, fill_mode="nearest", seed=config.seed, name="shift", dtype="float32"
    )(pixels)
    for block in range(3):
        filters = config.width << block
        for step in range(2):
            # Large frames are halved at once: it is the resolution of disease that matters.
            stride = 2 if block == step == 0 and config.size >= 48 else 1
            name = f"block{block + 1}_{step + 1}"
            found = layers.Conv2D(
                filters, 3, stride, padding="same", use_bias=False, name=f"{name}_conv"
            )(found)
            # With few steps an epoch slow averages would judge the network long after it learned.
            found = layers.BatchNormalization(momentum=0.8, name=f"{name}_norm")(found)
            found = layers.ReLU(name=f"{name}_relu")(found)
        if block < 2:
            found = layers.MaxPooling2D(name=f"block{block + 1}_pool")(found)
    head = EvidenceHead(config.frames, config.dropout, config.seed, name="head", dtype="float32")
    logit, evidence = head((found, study, frames))
    model = tf_keras.Model(
        inputs={"frames": frames},
        outputs={
            LABEL.name: layers.Activation("sigmoid", name=LABEL.name, dtype="float32")(logit),
            EVIDENCE: evidence,
        },
        name="early_detection",
    )
    model.compile(
        optimizer=tf_keras.optimizers.Adam(config.learning_rate),
        loss={LABEL.name: tf_keras.losses.BinaryCrossentropy()},
    )
    return model


def to_predictions(outputs: Outputs, config: Config = DEFAULT) -> Predictions:
    """Probability of disease -> score, both classes, the decision at the cut of the tuning split.

    The picture shows what in the frames spoke for disease.
    """
    probability: np.ndarray[Any, np.dtype[np.float32]] = (
        np.asarray(outputs.values[LABEL.name]).astype(np.float32, copy=False).reshape(-1)
    )
    return Predictions(
        score=probability,
        classes=("not_diseased", "diseased"),
        probabilities=np.stack([1 - probability, probability], axis=1),
        label=(probability >= outputs.cut).astype(np.int64),
        picture=draw_evidence(outputs.values[EVIDENCE], min(config.size, PICTURE_SIDE)),
    )
