"""One bucket of the warehouse in memory: what a model's `examples` reads.

A bucket holds every row of the subjects whose `subject_id mod buckets` is its number, so that
examples of a bucket need no other bucket.
"""

import dataclasses
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from transforms import schemas
from transforms.parquet import read_files
from transforms.schemas import TABLES

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

    The fields are those tables of `transforms.schemas`, with their columns; `labels` has only
    rows of the model at hand. No order of rows is promised.
    """

    events: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.EVENTS))
    images: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.IMAGES))
    labels: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.LABELS))
    pairs: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.PAIRS))
    molecules: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.MOLECULES))
    counts: pl.DataFrame = dataclasses.field(default_factory=lambda: empty(schemas.COUNTS))
    pixels: Pixels = no_pixels

    def seen_by(self, model: str, pixels: Pixels = no_pixels) -> "Tables":
        """The same for one model: its own labels, and what decodes its pixels."""
        labels = self.labels.filter(pl.col("model") == model)
        return dataclasses.replace(self, labels=labels, pixels=pixels)


READ_BY_MODELS = tuple(field.name for field in dataclasses.fields(Tables) if field.name != "pixels")


def read_tables(files: "BucketFiles", *, with_labels: bool) -> Tables:
    """The Parquet files of one bucket -> its tables, read once for all models."""
    wanted = [name for name in READ_BY_MODELS if with_labels or name != "labels"]
    return _tables(
        {
            name: pl.DataFrame(read_files(files[name], TABLES[name].schema))
            for name in wanted
            if files.get(name)
        }
    )


def _tables(frames: Mapping[str, pl.DataFrame]) -> Tables:
    """Frames by the names of tables -> Tables; the others are empty."""
    return dataclasses.replace(Tables(), **frames)  # type: ignore[arg-type] # none is `pixels`


def to_ipc(tables: Tables) -> dict[str, bytes]:
    """Tables -> those with rows as Arrow IPC streams, to travel to where all are gathered."""
    found = {}
    for name in READ_BY_MODELS:
        frame: pl.DataFrame = getattr(tables, name)
        if frame.height:
            stream = io.BytesIO()
            frame.write_ipc_stream(stream, compression="zstd")
            found[name] = stream.getvalue()
    return found


def from_ipc(parts: Iterable[Mapping[str, bytes]]) -> Tables:
    """What `to_ipc` made of many buckets -> one Tables with the rows of all."""
    frames: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for part in parts:
        for name, data in part.items():
            frames[name].append(pl.read_ipc_stream(io.BytesIO(data)))
    return _tables({name: pl.concat(found) for name, found in frames.items()})


BucketFiles = Mapping[str, Sequence[str]]
"""Parquet files by table name, for one bucket."""
