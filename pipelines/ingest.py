"""`ingest`: files of all kinds -> the warehouse's tables, every input accounted for."""

import dataclasses
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.run import (
    Outcome,
    RunContext,
    WriteManifest,
    manifest_path,
    read_manifest,
)
from transforms.batches import keyed_batches
from transforms.errors import UsageError
from transforms.fhir.validation import Validation
from transforms.find_files import check_inputs, match_files
from transforms.keys import Keys
from transforms.limits import DEFAULT_LIMITS, Limits
from transforms.link import Link
from transforms.read_counts import check_count_file, keyed_counts
from transforms.read_dicom import ReadDicom
from transforms.read_fhir import ReadFhir
from transforms.read_labels import keyed_labels, read_label_file
from transforms.read_pairs import check_pair_file, keyed_pairs
from transforms.sources import FindUnits
from transforms.warehouse import Warehouse
from transforms.write_buckets import Run, WriteBuckets

BUCKETED = (
    "events",
    "images",
    "labels",
    "pairs",
    "molecules",
    "counts",
    "sources",
    "crosswalk",
    "links",
    "deletions",
)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What is read: paths of FHIR and of DICOM, and of the files of tables brought along."""

    fhir: tuple[str, ...] = ()
    dicom: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    validation: Validation = Validation.PROJECTION
    limits: Limits = DEFAULT_LIMITS

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.fhir or self.dicom or self.labels or self.pairs or self.counts)

    def check(self, keys: Keys) -> None:
        """What is wrong is said before any work.

        Raises: UsageError, when a path matches no file, naming argument and path, or when a
        file of labels, pairs or counts lacks a column or has one of another type.
        """
        check_inputs("--fhir", self.fhir)
        check_inputs("--dicom", self.dicom)
        check_inputs("--labels", self.labels)
        check_inputs("--pairs", self.pairs)
        check_inputs("--counts", self.counts)
        for uri in table_files(self.labels):
            read_label_file(uri, keys)
        for uri in table_files(self.pairs):
            check_pair_file(uri)
        for uri in table_files(self.counts):
            check_count_file(uri)


def ingest(
    context: RunContext, warehouse: Warehouse, keys: Keys, inputs: Inputs, options: PipelineOptions
) -> Outcome:
    """Runs the pipeline and returns what it wrote and counted; nothing is published yet.

    Raises: UsageError, when a path matches nothing; RunFailed, when the pipeline fails.
    """
    run = Run(
        context.run_id,
        context.run_date,
        warehouse.folder,
        warehouse.buckets,
        warehouse.quarantine_raw,
    )
    files = {
        (table, bucket): paths
        for table in BUCKETED
        for bucket, paths in warehouse.by_bucket(table).items()
    }
    files |= {
        ("quarantine", bucket): paths
        for bucket, paths in warehouse.by_bucket("quarantine", day=run.run_date).items()
    }
    links = {bucket: paths for (table, bucket), paths in files.items() if table == "links"}
    deletion_files = [
        p for (table, _), found in files.items() if table == "deletions" for p in found
    ]
    manifest = manifest_path(warehouse, context.run_id)
    with beam.Pipeline(options=options) as pipeline:
        read = _read(pipeline, keys, inputs, warehouse.buckets)
        rows = read["rows"]
        linked = {
            "pending": read["pending"],
            "links": rows | "OnlyLinks" >> beam.Filter(lambda item: item[0][0] == "links"),
        } | Link(warehouse.buckets, links)
        refused = linked["refused"] | beam.FlatMap(
            lambda row: keyed_batches("quarantine", [row], run.buckets)
        )
        result = {
            "rows": (rows, linked["done"], refused) | "AllRows" >> beam.Flatten(),
            "deletions": read["deletions"],
        } | WriteBuckets(run, files, deletion_files)
        counts = (
            read["counts"],
            linked["counts"],
            result["counts"],
        ) | "AllCounts" >> beam.Flatten()
        {"written": result["written"], "counts": counts} | WriteManifest(manifest)
    return read_manifest(manifest, context.run_date)


def table_files(paths: Sequence[str]) -> list[str]:
    """The files behind the paths of labels, pairs or counts; there are few.

    Raises: UsageError, when one of them must not be opened.
    """
    found = {file for path in paths for file in match_files(path)}
    for file in found:
        if file.skip:
            raise UsageError(f"{file.uri}: {file.skip}")
    return sorted({file.uri for file in found})


def _read(
    pipeline: beam.Pipeline, keys: Keys, inputs: Inputs, buckets: int
) -> dict[str, beam.PCollection]:
    """The readers of the inputs that were given, their outputs flattened by name."""
    outputs: dict[str, list[beam.PCollection]] = {
        "rows": [],
        "pending": [],
        "deletions": [],
        "counts": [],
    }
    readers, limits = [], inputs.limits
    if inputs.fhir:
        units = pipeline | "FindFhir" >> FindUnits("read_fhir", inputs.fhir, True, limits)
        readers.append(units | ReadFhir(keys, buckets, inputs.validation, limits))
    if inputs.dicom:
        units = pipeline | "FindDicom" >> FindUnits("read_dicom", inputs.dicom, False, limits)
        readers.append(units | ReadDicom(keys, buckets, limits))
    for kind, paths, read_file in (
        ("Labels", inputs.labels, keyed_labels),
        ("Pairs", inputs.pairs, keyed_pairs),
        ("Counts", inputs.counts, keyed_counts),
    ):
        if paths:
            found = (
                pipeline
                | f"Find{kind}" >> beam.Create(table_files(paths))
                | f"Read{kind}"
                >> beam.FlatMap(read_file, keys, buckets).with_outputs("counts", main="rows")
            )
            readers.append({"rows": found["rows"], "counts": found["counts"]})
    for reader in readers:
        for name, collection in reader.items():
            outputs[name].append(collection)
    return {
        name: tuple(collections) | f"All_{name}" >> beam.Flatten(pipeline=pipeline)
        for name, collections in outputs.items()
    }
