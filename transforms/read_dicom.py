"""DICOM files -> rows of images that wait for their patient; each file accounted for."""

import dataclasses
import io
import zipfile
from collections.abc import Iterator

import apache_beam as beam

from transforms import sources
from transforms.batches import in_global_window, keyed_batches
from transforms.counts import Count
from transforms.dicom.header import index_row
from transforms.dicom.reading import Skipped
from transforms.errors import InputError
from transforms.keys import Keys
from transforms.link import UNMATCHED, pending_batch
from transforms.progress_notes import ProgressNotes
from transforms.schemas import IMAGES
from transforms.sources import Unit

STAGE = "read_dicom"
_FLUSH_ROWS = 20_000
_UNREADABLE = (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError)
_SUBJECT = IMAGES.names.index("subject_id") - 1
_MATCH = IMAGES.names.index("match") - 1


class _ReadDicom(beam.DoFn):
    """Unit -> ((table, bucket), bytes), and side outputs."""

    def __init__(self, keys: Keys, buckets: int, notes: ProgressNotes) -> None:
        self.keys = keys
        self.buckets = buckets
        self.notes = notes

    def start_bundle(self) -> None:
        self.pending: list[tuple[object, ...]] = []
        self.quarantine: list[tuple[object, ...]] = []
        self.sources: list[tuple[object, ...]] = []
        self.counts: dict[Count, int] = {}

    def process(self, unit: Unit) -> Iterator[object]:
        source_id = self.keys.source_id(unit.name)
        self._count("read")
        self.notes.add(STAGE, done=unit.bytes_to_read)
        head = b""
        try:
            with sources.open_unit(unit) as file:
                head = file.read(sources.HASHED_BYTES)
                file.seek(0)
                if sources.is_zip(head):
                    # One that could be opened came as its members.
                    raise zipfile.BadZipFile
                stream = file
                if sources.is_gzip(head):
                    stream = io.BytesIO(sources.gunzip(file).read())
                digest = sources.content_hash(head)
                self.sources.append((source_id, unit.name, "dicom", unit.size_bytes, digest))
                found = index_row(stream, keys=self.keys, source_id=source_id, position=0)
        except Skipped as reason:
            self._count("skipped", str(reason))
            return
        except InputError as error:
            self._refuse(source_id, type(error).__name__, str(error), head)
            return
        except _UNREADABLE as error:
            self._refuse(source_id, type(error).__name__, "cannot be read", head)
            return
        row = list(found.row)
        row.insert(_SUBJECT, None)
        row.insert(_MATCH, UNMATCHED)
        keys = [key for _, key in found.subject_keys]
        self.pending.append((*row, keys, None, found.own_subject_id, None))
        if len(self.pending) >= _FLUSH_ROWS:
            yield from self._flush()

    def _count(self, field: str, reason: str = "") -> None:
        count = Count(STAGE, field, reason)
        self.counts[count] = self.counts.get(count, 0) + 1

    def _refuse(self, source_id: int, error_class: str, message: str, raw: bytes) -> None:
        self._count("quarantined")
        self.quarantine.append((source_id, 0, STAGE, None, None, error_class, message, raw))

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
    notes: ProgressNotes

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, units: beam.PCollection[Unit]) -> dict[str, beam.PCollection]:
        """One DoFn reads; its outputs by name."""
        result = units | beam.ParDo(_ReadDicom(self.keys, self.buckets, self.notes)).with_outputs(
            "pending", "counts", main="rows"
        )
        return {name: result[name] for name in ("rows", "pending", "counts")}
