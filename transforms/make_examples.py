"""Buckets of the warehouse -> examples of models, as batches to score or as files to train on."""

import dataclasses
import datetime
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms.bucket_tables import BucketFiles, Tables, from_ipc, read_tables, to_ipc
from transforms.definition import Definition, label_of, model_name, optional
from transforms.errors import RunFailed
from transforms.examples import (
    SPLIT,
    batch_rows,
    batches_of,
    example_schema,
    fill_missing,
    label_known,
    make_examples,
    owners,
    read_examples,
    with_optional,
)
from transforms.file_systems import FileSystems
from transforms.local_files import make_folder
from transforms.model_faults import set_aside
from transforms.pixel_files import DicomPixels
from transforms.progress_notes import StageNotes, notes_of
from transforms.sources import open_binary
from transforms.splits import SPLITS, GivenSplits


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Where the rows of every bucket are, and how pixels of its images are found.

    `files` are Parquet paths by bucket and table; `sources` those of the table `sources`.
    """

    files: Mapping[int, BucketFiles]
    sources: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class _Making:
    """A model's examples for scoring: of one bucket, or of what was gathered from all."""

    definition: Definition
    config: Any
    as_of: datetime.datetime
    since: datetime.datetime | None

    def of_bucket(self, tables: Tables, sources: Sequence[str]) -> Iterator[Any]:
        """Its examples, or what it gathers of the bucket, tagged."""
        model, gather = model_name(self.definition), optional(self.definition, "gather")
        if gather is None:
            yield from set_aside(model, "examples", self._outputs(tables, DicomPixels(sources)))
        else:
            yield from set_aside(model, "gather", self._gathered(gather, tables.seen_by(model)))

    def of_gathered(self, tables: Tables) -> Iterator[Any]:
        """Examples of what was gathered, tagged."""
        model = model_name(self.definition)
        yield from set_aside(model, "examples", self._outputs(tables, DicomPixels([])))

    def _gathered(self, gather: Callable[..., Tables], tables: Tables) -> Iterator[Any]:
        part = gather(tables, self.as_of, self.config)
        yield beam.pvalue.TaggedOutput(_GATHERED, (model_name(self.definition), to_ipc(part)))

    def _outputs(self, tables: Tables, pixels: DicomPixels) -> Iterator[Any]:
        """Counts, and record batches of keys and features tagged by model."""
        model = model_name(self.definition)
        table = make_examples(
            self.definition, tables.seen_by(model, pixels), self.as_of, self.config
        )
        table = table.select(example_schema(self.definition.FEATURES).names)
        yield _count(model, "read", "", table.num_rows)
        for why, number in sorted(pixels.unreadable.items()):
            yield _count(model, "unreadable", why, number)
        if self.since is not None:
            recent = table.filter(pc.greater_equal(table["prediction_time"], self.since))
            yield _count(model, "skipped", BEFORE_SINCE, table.num_rows - recent.num_rows)
            table = recent
        for batch in batches_of(table):
            yield beam.pvalue.TaggedOutput(model, batch)


class _ReadBucket(beam.DoFn):
    """Bucket -> examples of the models that need no other, what the others gather, and counts."""

    def __init__(self, making: Sequence[_Making], buckets: Buckets, notes: StageNotes) -> None:
        self.making = making
        self.buckets = buckets
        self.notes = notes

    def process(self, bucket: int) -> Iterator[Any]:
        self.notes.begin()
        tables = read_tables(self.buckets.files[bucket], with_labels=False)
        for making in self.making:
            yield from making.of_bucket(tables, self.buckets.sources)
        self.notes.done()


class _ExamplesOfGathered(beam.DoFn):
    """(model, what it gathered of every bucket) -> its examples, and counts."""

    def __init__(self, making: Sequence[_Making]) -> None:
        self.making = {model_name(m.definition): m for m in making}

    def process(self, element: tuple[str, Iterable[Mapping[str, bytes]]]) -> Iterator[Any]:
        model, parts = element
        yield from self.making[model].of_gathered(from_ipc(parts))


_GATHERED = "gathered"
BEFORE_SINCE = "before since"


def _count(model: str, field: str, reason: str, number: int) -> list[Any]:
    return ["count", model, field, reason, number]


@dataclasses.dataclass(eq=False)
class ExamplesToScore(beam.PTransform):
    """Pipeline -> {model: record batches} and, under `counts`, entries of the manifest.

    A bucket is read once, for all models. Each definition comes with the Config that its version
    was trained with.
    """

    definitions: Sequence[tuple[Definition, Any]]
    buckets: Buckets
    as_of: datetime.datetime
    since: datetime.datetime | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        """Buckets are spread over the workers; a bucket is one unit of work."""
        making = [_Making(d, config, self.as_of, self.since) for d, config in self.definitions]
        models = [model_name(definition) for definition, _ in self.definitions]
        gathers = [optional(definition, "gather") is not None for definition, _ in self.definitions]
        notes = notes_of(pipeline).stage("examples", "buckets")
        notes.found(len(self.buckets.files))
        outputs = (
            pipeline
            | beam.Create(sorted(self.buckets.files))
            | beam.Reshuffle()
            | beam.ParDo(_ReadBucket(making, self.buckets, notes)).with_outputs(
                _GATHERED, *models, main="counts"
            )
        )
        if not any(gathers):
            return {name: outputs[name] for name in ["counts", *models]}
        gathered = (
            outputs[_GATHERED]
            | beam.GroupByKey()
            | beam.ParDo(_ExamplesOfGathered(making)).with_outputs(*models, main="counts")
        )
        found = {
            name: (gathered if gathers_it else outputs)[name]
            for name, gathers_it in zip(models, gathers, strict=True)
        }
        return {"counts": (outputs["counts"], gathered["counts"]) | beam.Flatten(), **found}


class _ReadyExamples(beam.DoFn):
    """Parquet file of keys and features -> record batches, and counts."""

    def __init__(self, model: str, features: pa.Schema, notes: StageNotes) -> None:
        self.model = model
        self.notes = notes
        self.schema = example_schema(features)

    def process(self, path: str) -> Iterator[Any]:
        read = 0
        self.notes.begin()
        for batch in read_ready(path, self.schema):
            read += batch.num_rows
            yield beam.pvalue.TaggedOutput(self.model, batch)
        yield _count(self.model, "read", "", read)
        self.notes.done(records=read)


def read_ready(path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Parquet file of ready examples -> batches in that schema, text and bytes as dictionaries."""
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
    with (
        open_binary(path) as opened,
        pq.ParquetFile(opened, read_dictionary=texts) as file,
    ):
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=schema.names)
            table = _cast(with_optional(table, schema).select(schema.names), schema)
            yield from table.to_batches(max_chunksize=batch_rows(table))


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Columns in the schema's types, dictionaries of text left as they are."""
    kept = [
        found if pa.types.is_dictionary(found.type) else wanted
        for found, wanted in zip(table.schema, schema, strict=True)
    ]
    return table.cast(pa.schema(kept))


@dataclasses.dataclass(eq=False)
class ReadyExamples(beam.PTransform):
    """Pipeline -> as ExamplesToScore, for one model, from Parquet files made elsewhere."""

    definition: Definition
    paths: Sequence[str]

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        """Files are spread over the workers."""
        model = model_name(self.definition)
        notes = notes_of(pipeline).stage(f"read_{model}", "files")
        notes.found(len(self.paths))
        outputs = (
            pipeline
            | beam.Create(sorted(self.paths))
            | beam.Reshuffle()
            | beam.ParDo(_ReadyExamples(model, self.definition.FEATURES, notes)).with_outputs(
                model, main="counts"
            )
        )
        return {"counts": outputs["counts"], model: outputs[model]}


@dataclasses.dataclass(frozen=True)
class _Labelled:
    """Tables of one bucket or of all, or a Parquet file -> a file of examples for each split."""

    definition: Definition
    config: Any
    as_of: datetime.datetime
    folder: str
    splits: GivenSplits | None

    def of_tables(self, number: int, tables: Tables) -> Iterator[list[Any]]:
        """`[split, path, rows]` of the examples of those tables."""
        table = make_examples(self.definition, tables, self.as_of, self.config)
        yield from self._write(number, table)

    def of_file(self, number: int, path: str) -> Iterator[list[Any]]:
        """`[split, path, rows]` of ready examples."""
        features = self.definition.FEATURES
        schema = example_schema(features, label_of(self.definition, self.config))
        yield from self._write(number, fill_missing(read_examples([path], schema), features))

    def _write(self, number: int, table: pa.Table) -> Iterator[list[Any]]:
        table = label_known(table, label_of(self.definition, self.config))
        unknown = set(pc.unique(table[SPLIT]).to_pylist()) - {None, *SPLITS}
        if self.splits is None and unknown:
            raise RunFailed(f"examples are in the split {min(unknown)!r}: not one of {SPLITS}")
        for index, name in enumerate(SPLITS):
            if self.splits is None:
                part = table.filter(pc.equal(table[SPLIT], name))
            else:
                part = table.filter(pa.array(self.splits.of(owners(table)) == index))
            if part.num_rows:
                path = f"{self.folder}/{name}-{number:05d}.parquet"
                _write(part, path)
                yield [name, path, part.num_rows]


class _LabelledExamples(beam.DoFn):
    """Bucket, or number of a Parquet file -> `[split, path, rows]`, or what is gathered of it."""

    def __init__(
        self, labelled: _Labelled, source: "Buckets | Sequence[str]", notes: StageNotes
    ) -> None:
        self.labelled = labelled
        self.source = source
        self.notes = notes

    def process(self, number: int) -> Iterator[Any]:
        self.notes.begin()
        rows = 0
        for output in self._outputs(number):
            if isinstance(output, list):
                rows += output[-1]
            yield output
        self.notes.done(records=rows)

    def _outputs(self, number: int) -> Iterator[Any]:
        if not isinstance(self.source, Buckets):
            yield from self.labelled.of_file(number, self.source[number])
            return
        definition = self.labelled.definition
        tables = read_tables(self.source.files[number], with_labels=True).seen_by(
            model_name(definition), DicomPixels(self.source.sources)
        )
        gather = optional(definition, "gather")
        if gather is None:
            yield from self.labelled.of_tables(number, tables)
        else:
            part = gather(tables, self.labelled.as_of, self.labelled.config)
            yield beam.pvalue.TaggedOutput(_GATHERED, (0, to_ipc(part)))


def _write(table: pa.Table, path: str) -> None:
    make_folder(os.path.dirname(path))
    with FileSystems.create(path) as file:
        pq.write_table(table, file, compression="zstd")


@dataclasses.dataclass(eq=False)
class LabelledExamples(beam.PTransform):
    """Pipeline -> `[split, path, rows]` of Parquet files of examples whose label is known.

    `source` is the warehouse's buckets, or Parquet files of keys, features and label. `splits`
    decide in place of the hash of the subject; who is not in them is left out. Each
    source gives one file for each split, of a fixed name: a repeated bundle writes the same
    again.
    """

    definition: Definition
    config: Any
    source: Buckets | Sequence[str]
    as_of: datetime.datetime
    folder: str
    splits: GivenSplits | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        """Buckets, or files, are spread over the workers; what is gathered goes to one."""
        found = self.source.files if isinstance(self.source, Buckets) else range(len(self.source))
        labelled = _Labelled(self.definition, self.config, self.as_of, self.folder, self.splits)
        unit = "buckets" if isinstance(self.source, Buckets) else "files"
        notes = notes_of(pipeline).stage(f"examples_{model_name(self.definition)}", unit)
        notes.found(len(found))
        outputs = (
            pipeline
            | beam.Create(sorted(found))
            | beam.Reshuffle()
            | beam.ParDo(_LabelledExamples(labelled, self.source, notes)).with_outputs(
                _GATHERED, main="files"
            )
        )
        gathered = (
            outputs[_GATHERED]
            | beam.GroupByKey()
            | beam.FlatMapTuple(lambda n, parts: labelled.of_tables(n, from_ipc(parts)))
        )
        return (outputs["files"], gathered) | beam.Flatten()
