"""Shuffled batches -> merged Parquet files, one for each touched partition, and counts."""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.batches import from_ipc, shuffle_schema
from transforms.counts import Count
from transforms.merge import merge
from transforms.parquet import read_files, write_file
from transforms.progress_notes import StageNotes, notes_of
from transforms.schemas import TABLES, Table

# The stage whose inputs the units of a table are; other tables only accompany them.
_STAGES = {
    "events": "read_fhir",
    "molecules": "read_fhir",
    "images": "read_dicom",
    "labels": "read_labels",
    "pairs": "read_pairs",
    "counts": "read_counts",
}
# The tables whose rows are resources that can be deleted, and which of their ids is a resource's.
_DELETABLE = {"events": "resource_id", "molecules": "molecule_id"}
_MEDICATION = "medication"


class Written(NamedTuple):
    """One partition after the merge; `path` is empty when no row is left."""

    table: str
    bucket: int
    path: str
    rows: int
    rows_before: int


@dataclasses.dataclass(frozen=True)
class Run:
    """What the workers know of the run: its id, its day, and where its files go.

    Without `quarantine_raw` the bytes of refused inputs are not stored.
    """

    run_id: str
    run_date: datetime.date
    folder: str
    buckets: int
    quarantine_raw: bool = True


def _deletions(streams: Iterable[bytes], stored: pa.Table) -> pl.DataFrame:
    """Deletions of this run and of earlier ones, as `merge` takes them.

    An earlier one that bears no time was made before its run: run ids begin with the time.
    """
    key = ["resource_type", "resource_id"]
    now = pl.DataFrame(from_ipc(streams, shuffle_schema("deletions")))
    run_time = (
        pl.col("ingest_run")
        .str.slice(0, 16)
        .str.to_datetime("%Y%m%dT%H%M%SZ", time_unit="us", strict=False)
    )
    earlier = pl.DataFrame(stored).with_columns(pl.coalesce("version_time", run_time))
    return pl.concat(
        [
            now.select(*key, "version_time", in_this_run=pl.lit(value=True)),
            earlier.select(*key, "version_time", in_this_run=pl.lit(value=False)),
        ]
    )


def with_run_columns(new: pa.Table, table: Table, bucket: int, run: Run) -> pa.Table:
    """Rows as shuffled -> rows of the table: bucket, run and day filled in."""
    constants: dict[str, object] = {
        "bucket": bucket,
        "ingest_run": run.run_id,
        "run_id": run.run_id,
        "run_date": run.run_date,
    }
    if not run.quarantine_raw:
        constants["raw"] = None  # a column of the quarantine alone
    columns = [
        pa.repeat(pa.scalar(constants[field.name], field.type), new.num_rows)
        if field.name in constants
        else new.column(field.name)
        for field in table.schema
    ]
    return pa.table(columns, schema=pa.schema([(f.name, f.type) for f in table.schema]))


class _MergeBucket(beam.DoFn):
    """((table, bucket), batches) -> Written, and counts of what became of the inputs."""

    def __init__(
        self,
        run: Run,
        files: dict[tuple[str, int], list[str]],
        deletion_files: list[str],
        notes: StageNotes,
    ) -> None:
        self.run = run
        self.files = files
        self.deletion_files = deletion_files
        self.notes = notes

    def process(
        self, element: tuple[tuple[str, int], Iterable[bytes]], deleted_now: list[bytes]
    ) -> Iterator[Written | beam.pvalue.TaggedOutput]:
        (name, bucket), streams = element
        self.notes.begin()
        streams = list(streams)
        table = TABLES[name]
        new = with_run_columns(from_ipc(streams, shuffle_schema(name)), table, bucket, self.run)
        stored = read_files(self.files.get((name, bucket), []), table.schema)
        deletions = None
        if name in _DELETABLE and (deleted_now or self.deletion_files):
            earlier = read_files(self.deletion_files, TABLES["deletions"].schema)
            deletions = _deletions(deleted_now, earlier).rename({"resource_id": _DELETABLE[name]})
        merged = merge(pl.DataFrame(stored), pl.DataFrame(new), table, deletions)
        if merged.changed:
            path = ""
            if merged.rows.height:
                rows = merged.rows.to_arrow().cast(table.schema)
                folder = f"{self.run.folder}/{table.namespace}/{name}/data/{self.run.run_id}"
                path = write_file(rows, folder, f"{bucket:05d}")
            yield Written(name, bucket, path, merged.rows.height, stored.num_rows)
        counts = {"written": merged.written, "duplicate": merged.duplicate}
        stage = _STAGES.get(name)
        if name == "links":
            # A Medication is written nowhere else; the other links accompany events.
            is_drug = pl.col("kind") == _MEDICATION
            drugs = merge(
                pl.DataFrame(stored).filter(is_drug), pl.DataFrame(new).filter(is_drug), table
            )
            stage, counts = "read_fhir", {"written": drugs.written, "duplicate": drugs.duplicate}
        if stage:
            for field, number in counts.items():
                yield beam.pvalue.TaggedOutput("counts", (Count(stage, field), number))
            if merged.deleted:
                yield beam.pvalue.TaggedOutput(
                    "counts", (Count(stage, "skipped", "deleted since"), merged.deleted)
                )
        self.notes.done(sum(map(len, streams)), records=new.num_rows)


def _found(item: tuple[tuple[str, int], bytes], notes: StageNotes) -> tuple[tuple[str, int], bytes]:
    """Tells that there is so much to merge."""
    notes.found(len(item[1]))
    return item


@dataclasses.dataclass(eq=False)
class WriteBuckets(beam.PTransform):
    """((table, bucket), bytes) and the run's deletions -> Written, counts.

    `files` holds the live files of every bucket, `deletion_files` those of `deletions`.
    """

    run: Run
    files: dict[tuple[str, int], list[str]]
    deletion_files: list[str]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, inputs: dict[str, beam.PCollection]) -> dict[str, beam.PCollection]:
        """Every bucket is visited when something was deleted: any may hold it."""
        deletions = inputs["deletions"]
        occupied = sorted(key for key in self.files if key[0] in _DELETABLE)
        visits = (
            deletions
            | "AnyDeleted" >> beam.Map(lambda _: None)
            | beam.combiners.Count.Globally()
            | beam.FlatMap(lambda n: [(key, b"") for key in occupied] if n else [])
        )
        notes = notes_of(deletions).stage("merge", "bytes")
        result = (
            (inputs["rows"], visits)
            | beam.Flatten()
            | "Found" >> beam.Map(_found, notes)
            | beam.GroupByKey()
            | "MergeBucket"
            >> beam.ParDo(
                _MergeBucket(self.run, self.files, self.deletion_files, notes),
                beam.pvalue.AsList(deletions),
            ).with_outputs("counts", main="written")
        )
        return {"written": result["written"], "counts": result["counts"]}
