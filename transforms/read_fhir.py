"""FHIR files -> rows of the warehouse's tables; each resource accounted for."""

import dataclasses
import gc
import zipfile
import zlib
from collections.abc import Iterator

import apache_beam as beam

from transforms import sources
from transforms.batches import (
    in_global_window,
    keyed_batches,
    rows_to_batch,
    shuffle_schema,
    to_ipc,
)
from transforms.counts import Count
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows
from transforms.fhir.validation import Validation
from transforms.keys import Keys
from transforms.link import pending_batch
from transforms.progress_notes import ProgressNotes
from transforms.sources import Unit

STAGE = "read_fhir"
# Rows held before they leave as batches: bounds the memory of a worker.
_FLUSH_ROWS = 100_000
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


class _ReadFhir(beam.DoFn):
    """Unit -> ((table, bucket), bytes), and side outputs."""

    def __init__(
        self, keys: Keys, buckets: int, validation: Validation, notes: ProgressNotes
    ) -> None:
        self.keys = keys
        self.buckets = buckets
        self.validation = validation
        self.notes = notes

    def setup(self) -> None:
        self.reader = FhirReader(self.keys, self.validation)
        # What is imported by now stays: the collector would walk over it for every few files.
        gc.freeze()

    def teardown(self) -> None:
        gc.unfreeze()

    def start_bundle(self) -> None:
        # The rows hold no cycles; looking for them would cost a tenth of the reading.
        gc.disable()
        self.rows = FhirRows()
        self.sources: list[tuple[object, ...]] = []

    def process(self, unit: Unit) -> Iterator[object]:
        source_id = self.keys.source_id(unit.name)
        try:
            for _ in self._read(unit, source_id):
                rows = self.rows
                if len(rows.events) + len(rows.pending) + len(rows.molecules) >= _FLUSH_ROWS:
                    yield from self._flush()
        except _UNREADABLE as error:
            # The bytes are not there to keep: the source's URI tells which file to look at.
            self.rows.read["?"] += 1
            self.rows.quarantine.append(
                (source_id, -1, STAGE, None, None, type(error).__name__, "cannot be read", None)
            )
        self.notes.add(STAGE, done=unit.bytes_to_read)

    def _read(self, unit: Unit, source_id: int) -> Iterator[None]:
        if unit.is_range:
            data, offset = sources.read_range(unit)
            if unit.start == 0:
                self._note_source(unit, source_id, data[: sources.HASHED_BYTES])
            self.reader.read_lines(data, source_id, offset, self.rows)
            yield
            return
        with sources.open_unit(unit) as file:
            head = file.read(1 << 16)
            file.seek(0)
            if sources.is_gzip(head):
                yield from self._read_stream(sources.gunzip(file), unit, source_id)
            elif sources.is_zip(head):
                raise zipfile.BadZipFile
            else:
                self._read_whole(file.read(), unit, source_id)
                yield

    def _read_whole(self, data: bytes, unit: Unit, source_id: int) -> None:
        self._note_source(unit, source_id, data)
        start = data[:64].removeprefix(sources.BOM).lstrip()[:1]
        if start not in (b"{", b"[", b""):
            self.rows.read["?"] += 1
            self.rows.skipped["not FHIR JSON"] += 1
        elif unit.name.lower().endswith((".ndjson", ".jsonl")) or sources.looks_like_ndjson(data):
            self.reader.read_lines(data, source_id, 0, self.rows)
        elif start:
            self.reader.read_json(data, source_id, self.rows)

    def _read_stream(self, stream: object, unit: Unit, source_id: int) -> Iterator[None]:
        """A compressed file: lines as they come; what is no NDJSON is read whole."""
        blocks = sources.whole_lines(stream)  # type: ignore[arg-type]
        first = next(blocks, (b"", 0))
        if not sources.looks_like_ndjson(first[0]):
            rest = b"".join(data for data, _ in blocks)
            self._read_whole(first[0] + rest, unit, source_id)
            yield
            return
        self._note_source(unit, source_id, first[0][: sources.HASHED_BYTES])
        self.reader.read_lines(first[0], source_id, first[1], self.rows)
        yield
        for data, offset in blocks:
            self.reader.read_lines(data, source_id, offset, self.rows)
            yield

    def _note_source(self, unit: Unit, source_id: int, data: bytes) -> None:
        digest = sources.content_hash(data)
        self.sources.append((source_id, unit.name, "fhir", unit.size_bytes, digest))

    def _flush(self) -> Iterator[object]:
        rows = self.rows
        for table, found in (
            ("events", rows.events),
            ("links", rows.links),
            ("crosswalk", rows.crosswalk),
            ("deletions", rows.deletions),
            ("molecules", rows.molecules),
            ("quarantine", rows.quarantine),
            ("sources", self.sources),
        ):
            yield from keyed_batches(table, found, self.buckets)
        if rows.deletions:
            batch = rows_to_batch(rows.deletions, shuffle_schema("deletions"))
            yield beam.pvalue.TaggedOutput("deletions", to_ipc(batch))
        if rows.pending:
            waiting = [(*row[:-3], row[-3], row[-2], None, row[-1]) for row in rows.pending]
            yield beam.pvalue.TaggedOutput("pending", pending_batch("events", waiting))
        counts = {Count(STAGE, "read", kind): n for kind, n in rows.read.items()}
        counts |= {Count(STAGE, "skipped", reason): n for reason, n in rows.skipped.items()}
        counts[Count(STAGE, "quarantined")] = len(rows.quarantine)
        valid, sampled = rows.conformant.total(), rows.validated.total()
        counts[Count("validate", "read")] = sampled
        counts[Count("validate", "written")] = valid
        counts[Count("validate", "skipped", "not conformant")] = sampled - valid
        for count, number in counts.items():
            if number:
                yield beam.pvalue.TaggedOutput("counts", (count, number))
        self.rows, self.sources = FhirRows(), []

    def finish_bundle(self) -> Iterator[object]:
        yield from in_global_window(self._flush())
        gc.enable()


@dataclasses.dataclass(eq=False)
class ReadFhir(beam.PTransform):
    """Unit -> rows: ((table, bucket), bytes); pending, deletions, counts.

    Nothing raises: what cannot be used becomes a row of the quarantine.
    """

    keys: Keys
    buckets: int
    validation: Validation
    notes: ProgressNotes

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, units: beam.PCollection[Unit]) -> dict[str, beam.PCollection]:
        """One DoFn reads; its outputs by name."""
        result = units | beam.ParDo(
            _ReadFhir(self.keys, self.buckets, self.validation, self.notes)
        ).with_outputs("pending", "deletions", "counts", main="rows")
        return {name: result[name] for name in ("rows", "pending", "deletions", "counts")}
