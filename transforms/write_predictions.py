"""Prediction rows -> Parquet files of one run and model, under names that no other run uses."""

import dataclasses
import os
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.batches import in_global_window
from transforms.inference import Scored

FILE_ROWS = 4_000_000


class _Writer:
    """One open Parquet file."""

    def __init__(self, folder: str, scored: Scored) -> None:
        if "://" not in folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        self.path = FileSystems.join(folder, f"part-{uuid.uuid4().hex}.parquet")
        self.rows = 0
        self._file = FileSystems.create(self.path)
        # Without the Arrow schema in the file, dictionary-encoded text is read as plain text.
        self._parquet = pq.ParquetWriter(
            self._file,
            scored.rows.schema,
            compression="snappy",
            store_schema=False,
            use_dictionary=_REPEATED,
        )

    def write(self, scored: Scored) -> None:
        self._parquet.write_table(scored.rows)
        self.rows += scored.rows.num_rows

    def close(self) -> None:
        self._parquet.close()
        self._file.close()


_REPEATED = [
    "model",
    "run_date",
    "model_version",
    "run_id",
    "entity_type",
    "label",
    "prediction_time",
    "probabilities.key_value.key",
    "drivers.list.element.feature",
]


class _WritePredictions(beam.DoFn):
    """Scored -> manifest entries: `["file", model, path, rows]` and `["count", …]`."""

    def __init__(self, model: str, folder: str) -> None:
        self.model = model
        self.folder = folder

    def start_bundle(self) -> None:
        self.writer: _Writer | None = None
        self.files: list[list[Any]] = []
        self.refused: Counter[str] = Counter()
        self.written = 0

    def process(self, scored: Scored) -> None:
        self.refused += scored.refused
        if not scored.rows.num_rows:
            return
        if self.writer is None:
            self.writer = _Writer(self.folder, scored)
        self.writer.write(scored)
        self.written += scored.rows.num_rows
        if self.writer.rows >= FILE_ROWS:
            self._close()

    def finish_bundle(self) -> Iterator[Any]:
        self._close()
        counts = [["count", self.model, "written", "", self.written]]
        counts += [["count", self.model, "quarantined", why, n] for why, n in self.refused.items()]
        yield from in_global_window(iter([*self.files, *counts]))

    def _close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.files.append(["file", self.model, self.writer.path, self.writer.rows])
            self.writer = None


@dataclasses.dataclass(eq=False)
class WritePredictions(beam.PTransform):
    """Scored of one model -> Parquet files in `folder`, and what was written for the manifest."""

    model: str
    folder: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, scored: beam.PCollection) -> beam.PCollection:
        """One file for each bundle, more where it has over FILE_ROWS rows."""
        return scored | beam.ParDo(_WritePredictions(self.model, self.folder))
