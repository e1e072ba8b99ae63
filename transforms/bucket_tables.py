"""One bucket of the warehouse in memory: what a model's `examples` reads.

A bucket holds every row of the subjects whose `subject_id mod buckets` is its number, so that
examples of a bucket need no other bucket.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from transforms import schemas
from transforms.parquet import read_files

Float32 = npt.NDArray[np.float32]


class Pixels(Protocol):
    """Decodes the frames of image rows."""

    def __call__(
        self, images: pl.DataFrame, *, size: int, max_frames: int
    ) -> Iterator[Float32 | None]:
        """Rows of `images` -> per row, in order, its frames; None where it cannot be decoded.

        Frames are float32 (frames, size, size, 1 or 3) in [0, 1], at most `max_frames` of an
        instance, sampled evenly.
        """


def no_pixels(images: pl.DataFrame, *, size: int, max_frames: int) -> Iterator[Float32 | None]:
    """Pixels of a bucket whose files are out of reach: None for every row."""
    del size, max_frames
    return iter([None] * images.height)


def empty(schema: pa.Schema) -> pl.DataFrame:
    """A frame of no rows with the columns of an Arrow schema.

    >>> empty(schemas.LABELS).columns[:3]
    ['bucket', 'subject_id', 'model']
    """
    frame = pl.from_arrow(schema.empty_table())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a Series
    return frame


@dataclasses.dataclass(frozen=True)
class Tables:
    """The rows of one bucket.

    `events` has the columns of schemas.EVENTS, `images` of schemas.IMAGES, `labels` of
    schemas.LABELS and only rows of the model at hand. No order of rows is promised.
    """

    events: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.EVENTS))
    images: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.IMAGES))
    labels: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.LABELS))
    pixels: Pixels = no_pixels


def read_tables(
    files: "BucketFiles", model: str, *, with_labels: bool, pixels: Pixels = no_pixels
) -> Tables:
    """The Parquet files of one bucket -> its tables, as the model `model` sees them."""
    return Tables(
        events=_read(files.get("events", ()), schemas.EVENTS),
        images=_read(files.get("images", ()), schemas.IMAGES),
        labels=_read(files.get("labels", ()), schemas.LABELS).filter(pl.col("model") == model)
        if with_labels
        else empty(schemas.LABELS),
        pixels=pixels,
    )


def _read(paths: Sequence[str], schema: pa.Schema) -> pl.DataFrame:
    return pl.DataFrame(read_files(paths, schema)) if paths else empty(schema)


BucketFiles = Mapping[str, Sequence[str]]
"""Parquet files by table name, for one bucket."""
