"""DICOM files -> rows of images that wait for their patient; each file accounted for."""

import dataclasses
import io
import math
from collections.abc import Iterator

import apache_beam as beam

from transforms import sources
from transforms.batches import in_global_window, keyed_batches
from transforms.counts import Count
from transforms.dicom.header import ROW_FIELDS, ImageRow, index_row
from transforms.dicom.reading import Skipped
from transforms.inflation import read_whole
from transforms.keys import Keys
from transforms.limits import Limits
from transforms.link import UNMATCHED, pending_batch
from transforms.progress_notes import StageNotes, notes_of
from transforms.schemas import IMAGES
from transforms.sources import Part, Unit

STAGE = "read_dicom"
_FLUSH_ROWS = 20_000
_FLUSH_BYTES = 64 << 20  # of refused bytes
_SUBJECT = IMAGES.names.index("subject_id") - 1
_MATCH = IMAGES.names.index("match") - 1
_FRAME = tuple(ROW_FIELDS.index(name) for name in ("rows", "columns", "samples_per_pixel"))


class _ReadDicom(beam.DoFn):
    """Unit -> ((table, bucket), bytes), and side outputs."""

    def __init__(self, keys: Keys, buckets: int, limits: Limits, notes: StageNotes) -> None:
        self.keys = keys
        self.buckets = buckets
        self.limits = limits
        self.notes = notes

    def start_bundle(self) -> None:
        self.pending: list[tuple[object, ...]] = []
        self.quarantine: list[tuple[object, ...]] = []
        self.sources: list[tuple[object, ...]] = []
        self.counts: dict[Count, int] = {}
        self.refused_bytes = 0

    def process(self, unit: Unit) -> Iterator[object]:
        self.notes.begin()
        read = 0
        try:
            for part in sources.parts(unit, self.limits):
                self._read_part(part)
                read += 1
                if len(self.pending) >= _FLUSH_ROWS or self.refused_bytes >= _FLUSH_BYTES:
                    yield from self._flush()
        except sources.UNREADABLE as error:  # the zip as a whole
            self._count("read")
            self._note_source(unit, None)
            self._refuse(unit, error, b"", -1 - (unit.members or (0, 0))[0])
        self.notes.done(unit.bytes_to_read, records=read)

    def _read_part(self, part: Part) -> None:
        unit, head = part.unit, b""
        self._count("read")
        try:
            if unit.skip:
                raise Skipped(unit.skip)
            with sources.open_part(part, self.limits) as content:
                head, stream = content.head, content.stream
                if not content.is_file:  # the reader goes back and forth
                    stream = io.BytesIO(read_whole(stream, self.limits))
                source_id = self.keys.source_id(unit.name)
                found = index_row(stream, keys=self.keys, source_id=source_id, position=0)
                self._check_frame(found)
        except Skipped as reason:
            self._count("skipped", str(reason))
        except sources.UNREADABLE as error:
            self._refuse(unit, error, head, -part.number if part.is_second else 0)
        else:
            row = list(found.row)
            row.insert(_SUBJECT, None)
            row.insert(_MATCH, UNMATCHED)
            keys = [key for _, key in found.subject_keys]
            self.pending.append((*row, keys, None, found.own_subject_id, None))
        self._note_source(unit, head or None)

    def _check_frame(self, found: ImageRow) -> None:
        """Raises: OverLimit, when a frame has too many samples to be decoded."""
        self.limits.check("frame_samples", math.prod(found.row[i] or 1 for i in _FRAME))

    def _note_source(self, unit: Unit, head: bytes | None) -> None:
        digest = None if head is None else sources.content_hash(head)
        source_id = self.keys.source_id(unit.name)
        self.sources.append((source_id, unit.name, "dicom", unit.size_bytes, digest))

    def _count(self, field: str, reason: str = "") -> None:
        count = Count(STAGE, field, reason)
        self.counts[count] = self.counts.get(count, 0) + 1

    def _refuse(self, unit: Unit, error: Exception, raw: bytes, position: int) -> None:
        """What cannot be used, with its beginning; `position` tells refusals of a name apart."""
        self._count("quarantined")
        source_id, message = self.keys.source_id(unit.name), sources.why_unreadable(error)
        self.refused_bytes += len(raw)
        self.quarantine.append(
            (source_id, position, STAGE, None, None, type(error).__name__, message, raw)
        )

    def _flush(self) -> Iterator[object]:
        yield from keyed_batches("quarantine", self.quarantine, self.buckets)
        yield from keyed_batches("sources", self.sources, self.buckets)
        if self.pending:
            yield beam.pvalue.TaggedOutput("pending", pending_batch("images", self.pending))
        for item in self.counts.items():
            yield beam.pvalue.TaggedOutput("counts", item)
        self.start_bundle()

    def finish_bundle(self) -> Iterator[object]:
        yield from in_global_window(self._flush())


@dataclasses.dataclass(eq=False)
class ReadDicom(beam.PTransform):
    """Unit -> rows: ((table, bucket), bytes); pending images; counts.

    Nothing raises: a file that cannot be used becomes a row of the quarantine.
    """

    keys: Keys
    buckets: int
    limits: Limits

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, units: beam.PCollection[Unit]) -> dict[str, beam.PCollection]:
        """One DoFn reads; its outputs by name."""
        notes = notes_of(units).stage(STAGE, "bytes")
        result = units | beam.ParDo(
            _ReadDicom(self.keys, self.buckets, self.limits, notes)
        ).with_outputs("pending", "counts", main="rows")
        return {name: result[name] for name in ("rows", "pending", "counts")}
