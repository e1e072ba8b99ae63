"""`evaluate`: a version's predictions on the held-out split, beside the labels."""

import dataclasses
import datetime
import sys
from collections.abc import Sequence

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from pipelines.score import ScoreRun, config_of, score
from transforms.calibration import Calibration
from transforms.definition import label_of, optional
from transforms.errors import RunFailed
from transforms.evaluation import Evaluation, beside_truth, evaluate_predictions, slice_groups
from transforms.examples import example_schema, read_examples
from transforms.inference import utc_without_zone
from transforms.make_examples import Buckets, LabelledExamples
from transforms.manifest import WriteManifest, read_manifest
from transforms.parquet import read_files
from transforms.progress_notes import notes_in
from transforms.registry import MODEL, ModelVersion
from transforms.schemas import PREDICTIONS
from transforms.splits import HELD_OUT, GivenSplits

_DAY = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - times of the engine have no zone
# Maps as lists, which Polars can take apart.
_MAP = pa.list_(pa.struct([("key", pa.string()), ("value", pa.float32())]))
_PREDICTED = pa.schema(
    [pa.field(f.name, _MAP) if pa.types.is_map(f.type) else f for f in PREDICTIONS]
)


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """Measures of a version, and the predictions that they are of, beside the truth."""

    evaluation: Evaluation
    predictions: pl.DataFrame
    classes: tuple[str, ...]


def evaluate(
    versions: Sequence[ModelVersion],
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    folder: str,
    options: PipelineOptions,
    *,
    splits: GivenSplits | None = None,
) -> dict[str, Evaluated]:
    """Each version on the held-out subjects, by model.

    `source` is the warehouse's buckets, or Parquet files of examples of a single model. Labels
    are those known at `as_of` (UTC). `folder` is for what it works on.

    A version that was trained with other splits is told of: rows that these hold out may be among
    those that it learnt from. Raises: Refused, when a version was changed.
    """
    found = {}
    for version in versions:
        _warn_of_splits(version, splits)
        config = config_of(version, model_defs.find(version.model))
        own = f"{folder}/{version.model}"
        files = labelled_examples(version.model, config, source, as_of, own, options, splits=splits)
        held_out = [path for path, _ in files.get(HELD_OUT, [])]
        found[version.model] = evaluate_version(version, held_out, own, options)
    return found


def _warn_of_splits(version: ModelVersion, splits: GivenSplits | None) -> None:
    trained = version.read_json(MODEL).get("splits")
    if trained != (repr(splits) if splits else None):
        sys.stderr.write(
            f"{version.model} {version.version} was trained with other splits: it may have learnt "
            "from rows that it is measured on here\n"
        )


def labelled_examples(
    model: str,
    config: object,
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    folder: str,
    options: PipelineOptions,
    *,
    splits: GivenSplits | None = None,
) -> dict[str, list[tuple[str, int]]]:
    """Writes the examples whose label is known -> (Parquet file, rows) by split."""
    definition = model_defs.find(model)
    manifest = f"{folder}/examples.json"
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | LabelledExamples(
                definition,
                config,
                source,
                utc_without_zone(as_of),
                f"{folder}/examples",
                splits,
            )
            | WriteManifest(manifest)
        )
    files: dict[str, list[tuple[str, int]]] = {}
    for split, path, rows in read_manifest(manifest):
        files.setdefault(split, []).append((path, rows))
    return files


def evaluate_version(
    version: ModelVersion, examples: Sequence[str], folder: str, options: PipelineOptions
) -> Evaluated:
    """Scores Parquet files of labelled examples as `score` does, and measures the predictions."""
    definition = model_defs.find(version.model)
    label = label_of(definition, config_of(version, definition))
    tables = ("predictions", "extractions")
    folders = {table: f"{folder}/{table}-{version.version}" for table in tables}
    result = score([version], examples, ScoreRun("evaluate", _DAY, folders), options)
    if result.failed:
        raise RunFailed(f"{version.model} {version.version}: {result.failed[version.model]}")
    notes = notes_in(options).stage(f"measure_{version.model}", "versions")
    notes.found(1)
    notes.begin()
    files = [file.path for file in result.files if file.table == "predictions"]
    labelled = pl.DataFrame(read_examples(examples, example_schema(definition.FEATURES, label)))
    groups = slice_groups(labelled, optional(definition, "SLICES") or ())
    predictions = pl.DataFrame(read_files(files, _PREDICTED))
    both = beside_truth(predictions, labelled, label, groups)
    described = version.read_json(MODEL)
    classes = tuple(described["classes"])
    cut = Calibration.from_json(described.get("calibration", {})).cut
    evaluation = evaluate_predictions(both, label, classes, groups, cut)
    notes.done(records=both.height)
    return Evaluated(evaluation, both, classes)
