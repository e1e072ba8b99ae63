"""Pixels of image rows: from `source_id` through the table `sources` to decoded frames."""

import contextlib
import dataclasses
import io
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from transforms import sources
from transforms.bucket_tables import Float32
from transforms.dicom.pixels import read_frames
from transforms.dicom.reading import Skipped
from transforms.inflation import gunzip, is_gzip, read_whole
from transforms.limits import DEFAULT_LIMITS
from transforms.parquet import read_files
from transforms.schemas import SOURCES

_ZIP_MEMBER = ".zip!"
_UNREADABLE: tuple[type[Exception], ...] = (Skipped, *sources.UNREADABLE)


@dataclasses.dataclass
class DicomPixels:
    """Decodes frames of image rows from the files named in `sources` (Parquet files).

    A file that cannot be read costs its own row; `unreadable` counts why.
    """

    source_files: Sequence[str]
    unreadable: Counter[str] = dataclasses.field(default_factory=Counter)

    def __call__(
        self, images: pl.DataFrame, *, size: int, max_frames: int
    ) -> Iterator[Float32 | None]:
        """As transforms.bucket_tables.Pixels."""
        uris = self._uris(images["source_id"].unique().to_list())
        with contextlib.closing(sources.Opener()) as open_unit:
            for source_id in images["source_id"].to_list():
                yield self._frames(open_unit, uris.get(source_id), size, max_frames)

    def _frames(
        self, open_unit: sources.Opener, uri: str | None, size: int, max_frames: int
    ) -> Float32 | None:
        if uri is None:
            self.unreadable["source not known"] += 1
            return None
        try:
            with open_unit(unit_of(uri)) as file:
                stream = file
                if is_gzip(file.read(2)):
                    file.seek(0)
                    stream = io.BytesIO(read_whole(gunzip(file), DEFAULT_LIMITS))
                stream.seek(0)
                frames: Float32 = read_frames(stream, size=size, max_frames=max_frames)
        except _UNREADABLE as error:
            self.unreadable[type(error).__name__] += 1
            return None
        return frames.astype(np.float32, copy=False)

    def _uris(self, wanted: list[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for path in self.source_files:
            table = read_files([path], SOURCES, ["source_id", "uri"])
            frame = pl.DataFrame(table).filter(pl.col("source_id").is_in(wanted))
            found.update(frame.iter_rows())
        return found


def unit_of(uri: str) -> sources.Unit:
    """The URI of a source -> the unit to open; a zip member stands behind `.zip!`.

    >>> unit_of("folder/A.ZIP!b.dcm").member
    'b.dcm'
    >>> unit_of("folder/a.dcm").uri
    'folder/a.dcm'
    """
    mark = uri.lower().find(_ZIP_MEMBER)
    if mark < 0:
        return sources.Unit(uri, -1)
    end = mark + len(_ZIP_MEMBER)
    return sources.Unit(uri[: end - 1], -1, member=uri[end:])
