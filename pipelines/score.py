"""`score`: examples of one or more models -> Parquet files of predictions, in one pass.

Nothing is published here: the files and the counts go back to the caller.
"""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from transforms.calibration import Calibration
from transforms.coders import sized
from transforms.counts import Count, StageCounts
from transforms.definition import Definition, label_of, optional
from transforms.errors import Refused
from transforms.examples import check_example_files, example_schema
from transforms.file_systems import FileSystems
from transforms.inference import Inferred, ScoreBatches, Scoring, feature_types, utc_without_zone
from transforms.make_examples import Buckets, ExamplesToScore, ReadyExamples
from transforms.manifest import WriteManifest, read_manifest
from transforms.model_faults import FAILED, failed
from transforms.prediction_rows import Provenance
from transforms.registry import MODEL, ModelVersion, verify
from transforms.write_predictions import WritePredictions


@dataclasses.dataclass(frozen=True)
class ScoreRun:
    """For when and for whom: `as_of` and `since` in UTC.

    Facts known at or after `as_of` are not read; examples whose prediction time is before
    `since` are left out and counted. `folders` by table, of `predictions` and `extractions`,
    receive `<model>/part-….parquet`; the workers tell at `manifest`, by default beside the
    predictions, what they did.
    """

    run_id: str
    as_of: datetime.datetime
    folders: Mapping[str, str]
    since: datetime.datetime | None = None
    manifest: str = ""


@dataclasses.dataclass(frozen=True)
class PredictionFile:
    """A Parquet file of the table `predictions` or `extractions`."""

    model: str
    table: str
    path: str
    rows: int


@dataclasses.dataclass(frozen=True)
class ScoreResult:
    """The files, and the counts of each model as a stage `score_<model>`.

    `unreadable` counts image files that could not be decoded, by model; their studies were
    scored without them where another image was left. `failed` says why a model failed; there are
    no files of it, and its stage counts what it read as skipped.
    """

    files: list[PredictionFile]
    stages: dict[str, StageCounts]
    unreadable: dict[str, int]
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    def set_aside(self, model: str, reason: str) -> None:
        """Takes a model that failed out: its files go, and what it read is skipped."""
        gone = [file for file in self.files if file.model == model]
        self.files[:] = [file for file in self.files if file.model != model]
        if gone:
            FileSystems.delete([file.path for file in gone])
        stage = self.stages[model]
        stage.written = stage.quarantined = 0
        stage.skipped[f"failed: {reason}"] += stage.read - stage.accounted
        self.failed[model] = reason


def score(
    versions: Sequence[ModelVersion],
    source: Buckets | Sequence[str],
    run: ScoreRun,
    options: PipelineOptions,
    *,
    accelerator: str | None = None,
) -> ScoreResult:
    """Scores the examples of every version's model; the files' hashes are verified before.

    A model that fails, in a worker that lives on, does not stop the others; one whose version
    was trained on other features or with another Config than its definition has now fails.

    `source` is the warehouse's buckets, or Parquet files with the keys and features of the
    examples of a single model. `accelerator` is Beam's hint of that name, for the step alone in
    which models score.

    Raises: Refused, when a file of a version was changed; RunFailed, when counts do not add up.
    """
    for version in versions:
        verify(version)
    run_date, scorings, unfit = utc_without_zone(run.as_of).date(), [], []
    for version in versions:
        try:
            definition = model_defs.find(version.model)
            scorings.append(scoring_of(version, definition, run.run_id, run_date))
        except Refused as error:
            unfit.append(failed(version.model, str(error)))
    if not scorings:
        return _result(unfit)
    manifest = run.manifest or f"{run.folders['predictions']}/score-{run.run_id}.json"
    named = [["count", scoring.version.model, "read", "", 0] for scoring in scorings]
    with beam.Pipeline(options=options) as pipeline:
        known = pipeline | "Known" >> beam.Create([*unfit, *named])
        entries = (
            known,
            _wire(pipeline, scorings, source, run, accelerator),
        ) | "AllEntries" >> beam.Flatten()
        entries | WriteManifest(manifest)
    return read_scores(manifest)


def read_scores(manifest: str) -> ScoreResult:
    """What the workers did. Raises: RunFailed, when counts do not add up."""
    return _result(read_manifest(manifest))


def _wire(
    pipeline: beam.Pipeline,
    scorings: Sequence[Scoring],
    source: Buckets | Sequence[str],
    run: ScoreRun,
    accelerator: str | None,
) -> beam.PCollection:
    definitions = [model_defs.find(scoring.version.model) for scoring in scorings]
    since = utc_without_zone(run.since) if run.since else None
    if isinstance(source, Buckets):
        configs = [scoring.config for scoring in scorings]
        examples = pipeline | ExamplesToScore(
            list(zip(definitions, configs, strict=True)),
            source,
            utc_without_zone(run.as_of),
            since,
        )
    else:
        (definition,) = definitions
        check_example_files(source, example_schema(definition.FEATURES))
        examples = pipeline | ReadyExamples(definition, source)
    entries = [examples["counts"]]
    for scoring in scorings:
        name = scoring.version.model
        batches = sized(pa.RecordBatch, examples[name])
        inferred = batches | f"Score_{name}" >> RunInference(ScoreBatches(scoring, accelerator))
        folders = {table: f"{folder}/{name}" for table, folder in run.folders.items()}
        written = sized(Inferred, inferred) | f"Write_{name}" >> WritePredictions(scoring, folders)
        entries.append(written)
    return tuple(entries) | beam.Flatten()


def scoring_of(
    version: ModelVersion, definition: Definition, run_id: str, run_date: datetime.date
) -> Scoring:
    """What a worker must know to score with a version.

    Raises: Refused, when it was trained on other features or with another Config than now.
    """
    described = version.read_json(MODEL)
    if described["features"] != feature_types(definition.FEATURES):
        raise Refused(
            f"{version.model} {version.version} was trained on other features than the model "
            "definition names now: train again"
        )
    config = config_of(version, definition)
    return Scoring(
        version=version,
        estimator=described["estimator"],
        features=definition.FEATURES,
        label=label_of(definition, config),
        classes=tuple(described["classes"]),
        config=config,
        to_predictions=definition.to_predictions,
        calibration=Calibration.from_json(described.get("calibration", {})),
        to_extractions=optional(definition, "to_extractions"),
        provenance=Provenance(version.model, version.version, run_id, run_date, definition.ENTITY),
    )


def config_of(version: ModelVersion, definition: Definition) -> Any:
    """The Config that a version was trained with.

    Raises: Refused, when the definition has no such Config any more.
    """
    kept = version.read_json(MODEL)["config"]
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in kept.items()}
    try:
        return definition.Config(**values)
    except (TypeError, ValueError) as error:
        raise Refused(
            f"{version.model} {version.version} was trained with another Config than the model "
            f"definition has now ({error}): train again"
        ) from error


def _result(entries: list[list[Any]]) -> ScoreResult:
    models = sorted({model for _, model, *_ in entries})
    stages = {model: StageCounts(f"score_{model}") for model in models}
    unreadable = dict.fromkeys(models, 0)
    files = []
    faults: dict[str, str] = {}
    for kind, model, *rest in entries:
        if kind == "file":
            files.append(PredictionFile(model, *rest))
            continue
        if kind == FAILED:
            faults[model] = min(rest[0], faults.get(model, rest[0]))
            continue
        field, reason, number = rest
        if field == "unreadable":
            unreadable[model] += number
        elif number:
            stages[model].add(Count(stages[model].stage, field, reason), number)
    result = ScoreResult(files, stages, unreadable)
    for model, reason in sorted(faults.items()):
        result.set_aside(model, reason)
    for stage in stages.values():
        stage.check()
    return result
