"""`evaluate`: a version's predictions on the held-out split, beside the labels."""

import datetime
import tempfile
from collections.abc import Sequence

import apache_beam as beam
import polars as pl
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from pipelines.score import ScoreRun, config_of, score
from transforms.evaluation import Evaluation, evaluate_predictions, slice_groups
from transforms.examples import KEYS, example_schema, read_examples
from transforms.inference import utc_without_zone
from transforms.make_examples import Buckets, LabelledExamples
from transforms.manifest import WriteManifest, read_manifest
from transforms.parquet import read_files
from transforms.registry import MODEL, ModelVersion
from transforms.schemas import PREDICTIONS
from transforms.splits import HELD_OUT, GivenSplits

_DAY = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - times of the engine have no zone
# The map as a list, which Polars can take apart.
_PROBABILITIES = pa.list_(pa.struct([("key", pa.string()), ("value", pa.float32())]))
_PREDICTED = pa.schema(
    [
        *(PREDICTIONS.field(name) for name in (*KEYS.names, "score")),
        pa.field("probabilities", _PROBABILITIES),
    ]
)


def evaluate(
    versions: Sequence[ModelVersion],
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    options: PipelineOptions,
    *,
    splits: GivenSplits | None = None,
) -> dict[str, Evaluation]:
    """Measures of each version on the held-out subjects, by model.

    `source` is the warehouse's buckets, or Parquet files of examples of a single model. Labels
    are those known at `as_of` (UTC). Raises: Refused, when a version was changed.
    """
    found = {}
    for version in versions:
        config = config_of(version, model_defs.find(version.model))
        with tempfile.TemporaryDirectory(prefix="evaluate-") as folder:
            files = labelled_examples(
                version.model, config, source, as_of, folder, options, splits=splits
            )
            found[version.model] = evaluate_version(
                version, [path for path, _ in files.get(HELD_OUT, [])], folder, options
            )
    return found


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
) -> Evaluation:
    """Scores Parquet files of labelled examples as `score` does, and measures the predictions."""
    definition = model_defs.find(version.model)
    run = ScoreRun("evaluate", _DAY, f"{folder}/predictions-{version.version}")
    result = score([version], examples, run, options)
    predictions = read_files([file.path for file in result.files], _PREDICTED)
    schema = example_schema(definition.FEATURES, definition.LABEL)
    labelled = pl.DataFrame(read_examples(examples, schema))
    return evaluate_predictions(
        pl.DataFrame(predictions),
        labelled,
        definition.LABEL,
        tuple(version.read_json(MODEL)["classes"]),
        slice_groups(labelled),
    )
