"""References that no file answers by itself, resolved by a join over all inputs and the warehouse.

A row waits when it names its patient by an identifier (`Patient?identifier=…`, DICOM
PatientID), by a study (StudyInstanceUID), or its drug by a Medication resource. It carries the
link keys to try, in order; each pass tries the first that is left. Patients, ImagingStudies and
Medications of this run and of earlier ones give the answers (table `links`). An identifier that
belongs to two patients answers nothing.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.batches import (
    Keyed,
    bare_schema,
    bucket_of,
    from_ipc,
    rows_to_batch,
    shuffle_schema,
    split_by,
    to_ipc,
)
from transforms.counts import Count
from transforms.parquet import read_files
from transforms.progress_notes import StageNotes, notes_of
from transforms.schemas import LINKS, TABLES

# The longest list of keys: the study, issuer and identifier, the identifier alone (DICOM).
PASSES = 3
MOVED = "moved"
UNMATCHED = "none"

_WAITING = [
    ("subject_keys", pa.list_(pa.int64())),
    ("medication_key", pa.int64()),
    ("own_subject_id", pa.int64()),
    ("raw", pa.binary()),
]


def pending_schema(table: str) -> pa.Schema:
    """A table's columns in the shuffle, then what a waiting row needs.

    `subject_keys` list<int64> to try in order; `medication_key` int64; `own_subject_id` int64,
    the subject if no key leads anywhere; `raw` binary, the resource for the quarantine, in one
    row of each resource.
    """
    return pa.schema([*shuffle_schema(table), *_WAITING])


def pending_batch(table: str, rows: list[tuple[object, ...]]) -> tuple[str, bytes]:
    """Rows in the order of `pending_schema(table)` -> (table, IPC bytes)."""
    return table, to_ipc(rows_to_batch(rows, pending_schema(table)))


def next_key(pending: pl.DataFrame) -> pl.Series:
    """The link key that each waiting row tries next; null when none is left."""
    return pending.select(
        pl.coalesce("medication_key", pl.col("subject_keys").list.first()).alias("link_key")
    ).to_series()


def answers(links: pl.DataFrame) -> pl.DataFrame:
    """Rows of `links` -> one row for each link key that answers unambiguously.

    Columns: link_key int64, kind, found_subject int64, found_code, found_codes list.
    """
    of_subjects = (
        links.filter(pl.col("kind") != "medication")
        .group_by("link_key")
        .agg(
            pl.col("subject_id").n_unique().alias("owners"),
            pl.col("subject_id").first().alias("found_subject"),
            pl.col("kind").first(),
        )
        .filter(pl.col("owners") == 1)
        .select("link_key", "kind", "found_subject")
    )
    of_medications = (
        links.filter(pl.col("kind") == "medication")
        .sort("version_time", "version_id", "source_id", "position", nulls_last=False)
        .unique("link_key", keep="last")
        .select(
            "link_key",
            "kind",
            pl.col("code").alias("found_code"),
            pl.col("codes").alias("found_codes"),
        )
    )
    return pl.concat([of_subjects, of_medications], how="diagonal")


def try_links(pending: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """One pass: fills subject or drug of the rows whose next key is answered.

    The tried key is dropped in any case. A subject that is found drops the other subject keys.
    """
    medication = pl.col("medication_key").is_not_null()
    found = pl.col("found_subject").is_not_null()
    columns = pending.columns
    joined = pending.with_columns(next_key(pending)).join(answers(links), on="link_key", how="left")
    merged_codes = (
        pl.concat_list(
            pl.col("found_codes").fill_null(pl.lit([], pl.List(pl.String))),
            pl.col("codes").fill_null(pl.lit([], pl.List(pl.String))),
        )
        if "codes" in columns
        else None
    )
    updates = {
        "subject_id": pl.when(found).then("found_subject").otherwise("subject_id"),
        "subject_keys": pl.when(medication)
        .then("subject_keys")
        .when(found)
        .then(pl.lit(None, pl.List(pl.Int64)))
        .otherwise(pl.col("subject_keys").list.slice(1)),
        "medication_key": pl.lit(None, pl.Int64),
    }
    if merged_codes is not None:
        answered = medication & pl.col("found_code").is_not_null()
        updates["code"] = pl.when(answered).then("found_code").otherwise("code")
        updates["codes"] = (
            pl.when(answered & (merged_codes.list.len() > 0)).then(merged_codes).otherwise("codes")
        )
    if "match" in columns:
        updates["match"] = pl.when(found).then("kind").otherwise("match")
    return joined.with_columns(**updates).select(columns)


def is_done(pending: pl.DataFrame) -> pl.Series:
    """Whether a row waits for nothing more that could be found."""
    return next_key(pending).is_null()


class _TryLinks(beam.DoFn):
    """(bucket, {pending, links}) -> rows done, rows that try their next key, refusals."""

    def __init__(self, buckets: int, link_files: dict[int, list[str]], notes: StageNotes) -> None:
        self.buckets = buckets
        self.notes = notes
        self.link_files = link_files

    def process(
        self, element: tuple[int, dict[str, Iterable[Any]]]
    ) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
        bucket, groups = element
        by_table: dict[str, list[bytes]] = {}
        for table, data in groups["pending"]:
            by_table.setdefault(table, []).append(data)
        if not by_table:
            return
        self.notes.begin()
        tried_rows = 0
        schema = shuffle_schema("links")
        stored = read_files(self.link_files.get(bucket, []), bare_schema(LINKS))
        links = pl.concat(
            [
                pl.DataFrame(stored.select(schema.names)),
                pl.DataFrame(from_ipc(groups["links"], schema)),
            ]
        )
        for table, streams in sorted(by_table.items()):
            pending = pl.DataFrame(from_ipc(streams, pending_schema(table)))
            tried = try_links(pending, links)
            tried_rows += tried.height
            done = is_done(tried)
            yield from finish(table, tried.filter(done), self.buckets)
            rest = tried.filter(~done)
            if rest.height:
                yield beam.pvalue.TaggedOutput("again", (table, _to_ipc(rest, table)))
        size = sum(len(data) for streams in by_table.values() for data in streams)
        self.notes.done(size, records=tried_rows)


def _to_ipc(frame: pl.DataFrame, table: str) -> bytes:
    return to_ipc(_batch(frame, pending_schema(table)))


def _batch(frame: pl.DataFrame, schema: pa.Schema) -> pa.RecordBatch:
    arrow = frame.select(schema.names).to_arrow().cast(schema)
    return arrow.combine_chunks().to_batches()[0] if arrow.num_rows else rows_to_batch([], schema)


def finish(
    table: str, done: pl.DataFrame, buckets: int
) -> Iterator[Keyed | beam.pvalue.TaggedOutput]:
    """Rows that wait for nothing more -> shuffled elements, and refusals of what found no subject.

    A row with a subject of its own (DICOM) keeps that one. When it found another, its former
    place is told so by a row with `match` = "moved".
    """
    known = done.filter(pl.col("subject_id").is_not_null())
    alone = done.filter(pl.col("subject_id").is_null() & pl.col("own_subject_id").is_not_null())
    lost = done.filter(pl.col("subject_id").is_null() & pl.col("own_subject_id").is_null())
    parts = [known, alone.with_columns(subject_id=pl.col("own_subject_id"))]
    if "match" in done.columns:
        moved = known.with_columns(
            subject_id=pl.col("own_subject_id"), match=pl.lit(MOVED, pl.String)
        )
        parts.append(moved.filter(pl.col("subject_id").is_not_null()))
    schema = shuffle_schema(table)
    batch = _batch(pl.concat(parts), schema)
    owners = bucket_of(batch.column(TABLES[table].bucket_of), buckets)
    for bucket, part in split_by(batch, owners):
        yield (table, bucket), to_ipc(part)
    if lost.height:
        # Of a resource's rows only one has its bytes.
        refused = lost.sort(pl.col("raw").is_null(), maintain_order=True).unique(
            ["source_id", "position"], keep="first", maintain_order=True
        )
        yield beam.pvalue.TaggedOutput(
            "counts", (Count("read_fhir", "quarantined"), refused.height)
        )
        for row in refused.iter_rows(named=True):
            yield beam.pvalue.TaggedOutput(
                "refused",
                (
                    row["source_id"],
                    row["position"],
                    "link",
                    row["resource_type"],
                    None,
                    "Unresolved",
                    "the subject is named by an identifier that belongs to no or several patients",
                    row["raw"],
                ),
            )


def _split_pending(
    item: tuple[str, bytes], buckets: int, notes: StageNotes
) -> Iterator[tuple[int, object]]:
    table, data = item
    batch = from_ipc([data], pending_schema(table)).combine_chunks().to_batches()
    for part in batch:
        keys = next_key(pl.DataFrame(part)).to_arrow()
        for bucket, rows in split_by(part, bucket_of(keys, buckets)):
            found = to_ipc(rows)
            notes.found(len(found))
            yield bucket, (table, found)


@dataclasses.dataclass(eq=False)
class Link(beam.PTransform):
    """{pending: (table, bytes), links: ((table, bucket), bytes)} -> done, refused, counts.

    `done` are shuffled elements `((table, bucket), bytes)`, `refused` rows of the quarantine,
    `counts` pairs (Count, n).
    """

    buckets: int
    link_files: dict[int, list[str]]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, inputs: dict[str, beam.PCollection]) -> dict[str, beam.PCollection]:
        """As many passes as a row can have keys."""
        notes = notes_of(inputs["pending"]).stage("link", "bytes")
        pending = inputs["pending"]
        links = inputs["links"] | beam.MapTuple(lambda key, data: (key[1], data))
        outputs: dict[str, list[beam.PCollection]] = {"done": [], "refused": [], "counts": []}
        for number in range(1, PASSES + 1):
            keyed = pending | f"Key{number}" >> beam.FlatMap(_split_pending, self.buckets, notes)
            result = (
                {"pending": keyed, "links": links}
                | f"Join{number}" >> beam.CoGroupByKey()
                | f"Try{number}"
                >> beam.ParDo(_TryLinks(self.buckets, self.link_files, notes)).with_outputs(
                    "again", "refused", "counts", main="done"
                )
            )
            for name, collections in outputs.items():
                collections.append(result[name])
            pending = result["again"]
        return {
            name: tuple(collections) | f"Flatten_{name}" >> beam.Flatten()
            for name, collections in outputs.items()
        }
