"""Prediction rows -> Parquet files of one run and model, under names that no other run uses."""

import dataclasses
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.batches import in_global_window
from transforms.file_systems import FileSystems
from transforms.inference import Inferred, Scoring, make_rows
from transforms.local_files import make_folder
from transforms.model_faults import failed, reason_of
from transforms.progress_notes import StageNotes, notes_of

FILE_ROWS = 4_000_000
BATCH_ROWS = 65_536


class _Writer:
    """One open Parquet file."""

    def __init__(self, folder: str, schema: pa.Schema) -> None:
        make_folder(folder)
        self.path = FileSystems.join(folder, f"part-{uuid.uuid4().hex}.parquet")
        self.rows = 0
        self._file = FileSystems.create(self.path)
        # Without the Arrow schema in the file, dictionary-encoded text is read as plain text.
        self._parquet = pq.ParquetWriter(
            self._file,
            schema,
            compression="snappy",
            store_schema=False,
            use_dictionary=[name for name in _REPEATED if name.split(".")[0] in schema.names],
            write_batch_size=BATCH_ROWS,
        )

    def write(self, table: pa.Table) -> None:
        self._parquet.write_table(table)
        self.rows += table.num_rows

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
    "quantiles.key_value.key",
    "advice",
    "target_time",
    "drivers.list.element.feature",
]


class _WritePredictions(beam.DoFn):
    """Inferred -> manifest entries: `["file", model, table, path, rows]`, `["count", …]`, and
    `["failed", model, reason]`, after which the others do not count.

    Rows are made and written in a thread, while the estimator is at the next batch.
    """

    def __init__(self, scoring: Scoring, folders: Mapping[str, str], notes: StageNotes) -> None:
        self.scoring = scoring
        self.notes = notes
        self.model = scoring.version.model
        self.folders = folders

    def setup(self) -> None:
        self.behind = ThreadPoolExecutor(1)
        self.last: Future[None] | None = None

    def teardown(self) -> None:
        self.behind.shutdown()

    def start_bundle(self) -> None:
        if self.last is not None:
            wait([self.last])  # of a bundle that failed elsewhere, which is done again
        self.writers: dict[str, _Writer] = {}
        self.files: list[list[Any]] = []
        self.refused: Counter[str] = Counter()
        self.failed: str | None = None
        self.written = 0
        self.last = None
        self.notes.begin()

    def process(self, inferred: Inferred) -> None:
        self._wait()  # for the batch before, so that no more than two are held
        self.last = self.behind.submit(self._take, inferred)

    def _wait(self) -> None:
        if self.last is not None:
            self.last.result()

    def _take(self, inferred: Inferred) -> None:
        self.failed = self.failed or inferred.failed
        if self.failed:
            return
        try:
            scored = make_rows(inferred, self.scoring)
        except Exception as error:  # a model may fail in any way
            self.failed = reason_of("to_predictions", error)
            return
        self.refused += scored.refused
        self._write("predictions", scored.rows)
        self.written += scored.rows.num_rows
        self.notes.done(scored.rows.num_rows)
        if scored.extractions is not None:
            self._write("extractions", scored.extractions)

    def _write(self, name: str, table: pa.Table) -> None:
        if not table.num_rows:
            return
        if name not in self.writers:
            self.writers[name] = _Writer(self.folders[name], table.schema)
        self.writers[name].write(table)
        if self.writers[name].rows >= FILE_ROWS:
            self._close(name)

    def finish_bundle(self) -> Iterator[Any]:
        self._wait()
        for name in sorted(self.writers):
            self._close(name)
        counts = [["count", self.model, "written", "", self.written]]
        counts += [["count", self.model, "quarantined", why, n] for why, n in self.refused.items()]
        faults = [failed(self.model, self.failed)] if self.failed else []
        yield from in_global_window(iter([*self.files, *counts, *faults]))

    def _close(self, name: str) -> None:
        writer = self.writers.pop(name)
        writer.close()
        self.files.append(["file", self.model, name, writer.path, writer.rows])


@dataclasses.dataclass(eq=False)
class WritePredictions(beam.PTransform):
    """Inferred of one version -> Parquet files, and what was written for the manifest.

    `folders` are those of the tables `predictions` and `extractions`.
    """

    scoring: Scoring
    folders: Mapping[str, str]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, inferred: beam.PCollection) -> beam.PCollection:
        """One file for each bundle, more where it has over FILE_ROWS rows."""
        stage = f"score_{self.scoring.version.model}"
        notes = notes_of(inferred).stage(stage, "records")
        return inferred | beam.ParDo(_WritePredictions(self.scoring, self.folders, notes))
