"""FHIR files -> rows of the warehouse's tables; each resource accounted for."""

import dataclasses
import gc
import re
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
from transforms.errors import InputError, OverLimit
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows
from transforms.fhir.validation import Validation
from transforms.inflation import is_gzip, read_whole
from transforms.keys import Keys
from transforms.limits import Limits, over
from transforms.link import pending_batch
from transforms.ndjson import (
    BLOCK_BYTES,
    BOM,
    has_ndjson_name,
    looks_like_ndjson,
    whole_lines,
    without_long_lines,
)
from transforms.progress_notes import StageNotes, notes_of
from transforms.sources import Part, Unit

STAGE = "read_fhir"
# Rows held before they leave as batches: bounds the memory of a worker.
_FLUSH_ROWS = 100_000
_FLUSH_BYTES = 64 << 20  # of refused bytes
_BLANK = re.compile(rb"\s*")


class _ReadFhir(beam.DoFn):
    """Unit -> ((table, bucket), bytes), and side outputs."""

    def __init__(
        self,
        keys: Keys,
        buckets: int,
        validation: Validation,
        limits: Limits,
        notes: StageNotes,
    ) -> None:
        self.keys = keys
        self.buckets = buckets
        self.validation = validation
        self.limits = limits
        self.notes = notes

    def setup(self) -> None:
        self.reader = FhirReader(self.keys, self.validation, self.limits.resource_bytes)
        # What is imported by now stays: the collector would walk over it for every few files.
        gc.freeze()

    def teardown(self) -> None:
        gc.unfreeze()

    def start_bundle(self) -> None:
        # The rows hold no cycles; looking for them would cost a tenth of the reading.
        gc.disable()
        self.rows = FhirRows()
        self.sources: list[tuple[object, ...]] = []
        self.noted = False
        self.flushed = 0

    def process(self, unit: Unit) -> Iterator[object]:
        self.noted = False
        self.notes.begin()
        before = self.flushed + self.rows.read.total()
        try:
            for part in sources.parts(unit, self.limits):
                yield from self._read_part(part)
        except sources.UNREADABLE as error:  # the zip as a whole
            self._refuse(unit, error, -1 - (unit.members or (0, 0))[0])
        read = self.flushed + self.rows.read.total() - before
        self.notes.done(unit.bytes_to_read, records=read)

    def _read_part(self, part: Part) -> Iterator[object]:
        unit, self.noted = part.unit, False
        try:
            for _ in self._read(part, self.keys.source_id(unit.name)):
                rows = self.rows
                if (
                    len(rows.events) + len(rows.pending) + len(rows.molecules) >= _FLUSH_ROWS
                    or sum(len(row[-1] or b"") for row in rows.quarantine) >= _FLUSH_BYTES
                ):
                    yield from self._flush()
        except sources.UNREADABLE as error:
            # Below all positions; the number tells members of the same name apart.
            self._refuse(unit, error, unit.start if unit.is_range else -1 - part.number)

    def _read(self, part: Part, source_id: int) -> Iterator[None]:
        """The resources of a part; yields now and then, so that rows can leave."""
        unit, longest = part.unit, self.limits.resource_bytes
        if unit.skip:
            self._note_source(unit, None)
            self._skip(unit.skip)
            return
        if unit.is_range:
            data, offset = sources.read_range(unit, longest)
            if unit.start == 0:
                self._note_source(unit, data[: sources.HASHED_BYTES])
            self._read_lines(data, source_id, offset)
            yield
            return
        with sources.open_part(part, self.limits) as content:
            head = content.stream.read(BLOCK_BYTES)
            if is_gzip(head):
                raise InputError("gzip within a gzip")
            start = head.removeprefix(BOM)
            first = start[_BLANK.match(start).end() :][:1]  # type: ignore[union-attr]
            if not first and len(head) < BLOCK_BYTES:
                self._note_source(unit, head)
                self._skip("empty file")
            elif has_ndjson_name(unit.name) or looks_like_ndjson(head):
                self._note_source(unit, head if len(head) < BLOCK_BYTES else content.head)
                for data, offset in whole_lines(content.stream, longest, head):
                    self._read_lines(data, source_id, offset)
                    yield
            elif first not in (b"{", b"[", b""):
                self._note_source(unit, content.head)
                self._skip("not FHIR JSON")
            else:
                if content.is_file:
                    self.limits.check("file_bytes", unit.size_bytes)
                data = read_whole(content.stream, self.limits, head)
                self._note_source(unit, data)
                self.reader.read_json(data, source_id, self.rows)
                yield

    def _read_lines(self, data: bytes, source_id: int, offset: int) -> None:
        longest = self.limits.resource_bytes
        for lines, position in without_long_lines(data, offset, longest):
            if lines is not None:
                self.reader.read_lines(lines, source_id, position, self.rows)
            else:
                message = over("resource_bytes", longest)
                self._quarantine(source_id, position, OverLimit.__name__, message)

    def _skip(self, reason: str) -> None:
        self.rows.read["?"] += 1
        self.rows.skipped[reason] += 1

    def _refuse(self, unit: Unit, error: Exception, position: int) -> None:
        """What cannot be read, or the rest of it: without bytes, its URI tells where to look."""
        if not self.noted:
            self._note_source(unit, None)
        source_id, message = self.keys.source_id(unit.name), sources.why_unreadable(error)
        self._quarantine(source_id, position, type(error).__name__, message)

    def _quarantine(self, source_id: int, position: int, error_class: str, message: str) -> None:
        self.rows.read["?"] += 1
        self.rows.quarantine.append(
            (source_id, position, STAGE, None, None, error_class, message, None)
        )

    def _note_source(self, unit: Unit, data: bytes | None) -> None:
        """Notes it once, with the hash of the data where it could be read."""
        self.noted = True
        digest = None if data is None else sources.content_hash(data)
        source_id = self.keys.source_id(unit.name)
        self.sources.append((source_id, unit.name, "fhir", unit.size_bytes, digest))

    def _flush(self) -> Iterator[object]:
        rows, longest = self.rows, self.limits.resource_bytes
        # What is over the limit, such as a Bundle that does not decode, is not kept.
        rows.quarantine = [
            (*row[:-1], None) if len(row[-1] or b"") > longest else row for row in rows.quarantine
        ]
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
        self.flushed += rows.read.total()
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
    limits: Limits

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, units: beam.PCollection[Unit]) -> dict[str, beam.PCollection]:
        """One DoFn reads; its outputs by name."""
        notes = notes_of(units).stage(STAGE, "bytes")
        result = units | beam.ParDo(
            _ReadFhir(self.keys, self.buckets, self.validation, self.limits, notes)
        ).with_outputs("pending", "deletions", "counts", main="rows")
        return {name: result[name] for name in ("rows", "pending", "deletions", "counts")}
