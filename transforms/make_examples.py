"""Buckets of the warehouse -> examples of models, as batches to score or as files to train on."""

import dataclasses
import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from apache_beam.io.filesystems import FileSystems

from transforms.bucket_tables import BucketFiles, read_tables
from transforms.definition import Definition, model_name
from transforms.examples import (
    batch_rows,
    batches_of,
    example_schema,
    fill_missing,
    label_known,
    make_examples,
    read_examples,
)
from transforms.pixel_files import DicomPixels
from transforms.sources import open_binary
from transforms.splits import SPLITS, GivenSplits, split_index


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Where the rows of every bucket are, and how pixels of its images are found.

    `files` are Parquet paths by bucket and table; `sources` those of the table `sources`.
    """

    files: Mapping[int, BucketFiles]
    sources: Sequence[str] = ()


class _ExamplesToScore(beam.DoFn):
    """Bucket -> (tagged by model) record batches of keys and features, and counts."""

    def __init__(
        self,
        definitions: Sequence[tuple[Definition, Any]],
        buckets: Buckets,
        as_of: datetime.datetime,
        since: datetime.datetime | None,
    ) -> None:
        self.definitions = {model_name(d): (d, config) for d, config in definitions}
        self.buckets = buckets
        self.as_of = as_of
        self.since = since

    def process(self, bucket: int) -> Iterator[Any]:
        for model, (definition, config) in self.definitions.items():
            pixels = DicomPixels(self.buckets.sources)
            tables = read_tables(
                self.buckets.files[bucket], model, with_labels=False, pixels=pixels
            )
            table = make_examples(definition, tables, self.as_of, config)
            table = table.select(example_schema(definition.FEATURES).names)
            yield _count(model, "read", "", table.num_rows)
            for why, number in sorted(pixels.unreadable.items()):
                yield _count(model, "unreadable", why, number)
            if self.since is not None:
                recent = table.filter(pc.greater_equal(table["prediction_time"], self.since))
                yield _count(model, "skipped", BEFORE_SINCE, table.num_rows - recent.num_rows)
                table = recent
            for batch in batches_of(table):
                yield beam.pvalue.TaggedOutput(model, batch)


BEFORE_SINCE = "before since"


def _count(model: str, field: str, reason: str, number: int) -> list[Any]:
    return ["count", model, field, reason, number]


@dataclasses.dataclass(eq=False)
class ExamplesToScore(beam.PTransform):
    """Pipeline -> {model: record batches} and, under `counts`, entries of the manifest.

    All models read a bucket before the next bucket is touched. Each definition comes with the
    Config that its version was trained with.
    """

    definitions: Sequence[tuple[Definition, Any]]
    buckets: Buckets
    as_of: datetime.datetime
    since: datetime.datetime | None = None

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pipeline: beam.Pipeline) -> dict[str, beam.PCollection]:
        """Buckets are spread over the workers; a bucket is one unit of work."""
        models = [model_name(definition) for definition, _ in self.definitions]
        outputs = (
            pipeline
            | beam.Create(sorted(self.buckets.files))
            | beam.Reshuffle()
            | beam.ParDo(
                _ExamplesToScore(self.definitions, self.buckets, self.as_of, self.since)
            ).with_outputs(*models, main="counts")
        )
        return {name: outputs[name] for name in ["counts", *models]}


class _ReadyExamples(beam.DoFn):
    """Parquet file of keys and features -> record batches, and counts."""

    def __init__(self, model: str, features: pa.Schema) -> None:
        self.model = model
        self.schema = example_schema(features)

    def process(self, path: str) -> Iterator[Any]:
        read = 0
        texts = [f.name for f in self.schema if pa.types.is_string(f.type)]
        with (
            open_binary(path) as opened,
            pq.ParquetFile(opened, read_dictionary=texts) as file,
        ):
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=self.schema.names)
                table = _cast(table.select(self.schema.names), self.schema)
                read += table.num_rows
                for batch in table.to_batches(max_chunksize=batch_rows(table)):
                    yield beam.pvalue.TaggedOutput(self.model, batch)
        yield _count(self.model, "read", "", read)


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
        outputs = (
            pipeline
            | beam.Create(sorted(self.paths))
            | beam.Reshuffle()
            | beam.ParDo(_ReadyExamples(model, self.definition.FEATURES)).with_outputs(
                model, main="counts"
            )
        )
        return {"counts": outputs["counts"], model: outputs[model]}


class _LabelledExamples(beam.DoFn):
    """Bucket, or (number, Parquet file) -> `[split, path, rows]` for every split's file."""

    def __init__(
        self,
        definition: Definition,
        config: Any,
        source: "Buckets | Sequence[str]",
        as_of: datetime.datetime,
        folder: str,
        splits: GivenSplits | None,
    ) -> None:
        self.definition = definition
        self.config = config
        self.source = source
        self.as_of = as_of
        self.folder = folder
        self.splits = splits

    def process(self, number: int) -> Iterator[list[Any]]:
        label = self.definition.LABEL
        if isinstance(self.source, Buckets):
            tables = read_tables(
                self.source.files[number],
                model_name(self.definition),
                with_labels=True,
                pixels=DicomPixels(self.source.sources),
            )
            table = make_examples(self.definition, tables, self.as_of, self.config)
        else:
            schema = example_schema(self.definition.FEATURES, label)
            table = read_examples([self.source[number]], schema)
            table = fill_missing(table, self.definition.FEATURES)
        table = label_known(table, label)
        owner = pc.coalesce(table["subject_id"], table["entity_id"])
        split = (self.splits.of if self.splits else split_index)(owner.to_numpy())
        for index, name in enumerate(SPLITS):
            part = table.filter(pa.array(split == index))
            if part.num_rows:
                path = f"{self.folder}/{name}-{number:05d}.parquet"
                _write(part, path)
                yield [name, path, part.num_rows]


def _write(table: pa.Table, path: str) -> None:
    if "://" not in path:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
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
        """Buckets, or files, are spread over the workers."""
        found = self.source.files if isinstance(self.source, Buckets) else range(len(self.source))
        return (
            pipeline
            | beam.Create(sorted(found))
            | beam.Reshuffle()
            | beam.ParDo(
                _LabelledExamples(
                    self.definition,
                    self.config,
                    self.source,
                    self.as_of,
                    self.folder,
                    self.splits,
                )
            )
        )
