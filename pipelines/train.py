"""`train`: buckets of the warehouse -> one more version of a model in the registry.

Examples, split by subject -> TF Transform analysed on the train split -> TFRecords -> fit ->
SavedModel -> measured on the held-out split -> gate -> registry. Under TF_CONFIG worker 0
prepares and writes, the others only train.
"""

import dataclasses
import datetime
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from pipelines.evaluate import evaluate_version
from pipelines.prepare import (
    Prepared,
    built_folder,
    is_chief,
    prepare,
    wait_for,
    wait_until_done,
    work_folder,
)
from pipelines.score import config_of
from transforms import registry
from transforms.acceleration import PLAIN, Acceleration
from transforms.calibration import Calibration
from transforms.definition import Definition, label_of, model_name, optional
from transforms.epoch_notes import epochs_noted
from transforms.errors import TooLittleData
from transforms.evaluation import Evaluation, difference
from transforms.examples import example_schema, read_examples
from transforms.gate import MARGIN, Decision, decide, gate_measure
from transforms.inference import (
    FOREST,
    KERAS,
    Scoring,
    calibrate,
    feature_types,
    utc_without_zone,
)
from transforms.keras_training import WORKER_0
from transforms.make_examples import Buckets
from transforms.model_card import write_card
from transforms.prediction_rows import Provenance
from transforms.preprocess import quiet_tensorflow
from transforms.progress_notes import ProgressNotes, notes_in
from transforms.registry import ModelVersion
from transforms.splits import HELD_OUT, TUNING, GivenSplits


@dataclasses.dataclass(frozen=True)
class Trained:
    """A new version, its measures, whether it became champion, and how long each step took."""

    version: ModelVersion
    evaluation: Evaluation
    decision: Decision
    rows: dict[str, int]
    seconds: dict[str, float]


def train(
    model: str,
    source: Buckets | Sequence[str],
    models: str,
    as_of: datetime.datetime,
    options: PipelineOptions,
    *,
    config: Any = None,
    splits: GivenSplits | None = None,
    margin: float = MARGIN,
    promote: bool = True,
    work_root: str | None = None,
    acceleration: Acceleration = PLAIN,
) -> Trained | None:
    """Trains one model and stores the version under `models`; None on workers that only help.

    `source` is the warehouse's buckets, or Parquet files of keys, features and label. Labels are
    those known at `as_of` (UTC). It works in a folder below `work_root`, which is local, and by
    default `models`. `splits` decide in place of the hash of the subject. Without
    `promote` it is left to the caller to make a version champion that passed the gate. Of
    `acceleration` is used what the definition's model can; a forest uses none.

    Raises: TooLittleData, when there are too few labelled examples; Refused, when a file of the
    champion was changed; UsageError, for an unknown model.
    """
    quiet_tensorflow()
    from transforms import keras_training

    definition = model_defs.find(model)
    config = definition.Config() if config is None else config
    as_of = utc_without_zone(as_of)
    scope = keras_training.strategy()  # before any other TensorFlow operation
    acceleration = acceleration.fit_for(definition, scope.num_replicas_in_sync)
    root = work_root or models
    work = work_folder(definition, config, source, as_of, root, splits, acceleration)
    clock = _Clock()
    if is_chief():
        try:
            prepared = prepare(definition, config, source, as_of, work, options, splits=splits)
        except TooLittleData:
            shutil.rmtree(work, ignore_errors=True)  # examples nobody comes back to
            raise
    else:
        prepared = wait_for(work)
    clock.lap("prepare")
    if "classes" in {field.name for field in dataclasses.fields(config)}:
        config = dataclasses.replace(config, classes=prepared.classes)
    kind = _fit(definition, config, prepared, work, scope, acceleration, notes_in(options))
    clock.lap("fit")
    if not is_chief():
        wait_until_done(work)
        return None
    described = _describe(definition, config, prepared, as_of, kind, splits)
    calibration = _calibrate(definition, config, f"{work}/{WORKER_0}", kind, prepared)
    if kind == KERAS:
        members = getattr(config, "members", 1)
        described |= dataclasses.asdict(acceleration)
        described["tuning_losses"] = keras_training.losses(work, members)
    described["calibration"] = dataclasses.asdict(calibration)
    clock.lap("calibrate")
    _write_json(f"{work}/{WORKER_0}/{registry.MODEL}", described)
    challenger = _as_version(model, f"{work}/{WORKER_0}")
    evaluation, decision = _judge(definition, challenger, prepared, work, models, options, margin)
    _write_json(challenger.file(registry.METRICS), evaluation.as_json())
    label = label_of(definition, config)
    card = write_card(definition, challenger.version, described, evaluation, decision.reason, label)
    Path(challenger.file(registry.CARD)).write_text(card, encoding="utf-8")
    clock.lap("evaluate")
    version = registry.store(challenger.folder, models, model, challenger.version)
    if decision.promoted and promote:
        registry.promote(version)
    shutil.rmtree(work)
    return Trained(version, evaluation, decision, prepared.rows(), clock.seconds)


def _fit(
    definition: Definition,
    config: Any,
    prepared: Prepared,
    work: str,
    scope: Any,
    acceleration: Acceleration,
    notes: ProgressNotes,
) -> str:
    """Trains, and exports to the working folder; the kind of estimator."""
    import tf_keras

    from transforms import forest_estimator, keras_estimator, keras_training

    graph, built, label = f"{work}/graph", f"{work}/{built_folder()}", label_of(definition, config)
    shutil.rmtree(built, ignore_errors=True)
    Path(built).mkdir()
    keras_training.fix_seeds(config.seed)
    with scope.scope():
        model = definition.build_model(config)
    name = f"fit_{model_name(definition)}"
    if not isinstance(model, tf_keras.Model):
        if is_chief():
            told = notes.stage(name, "forests")  # a forest does not tell its trees
            told.found(1)
            told.begin()
            forest = forest_estimator.fit(model, label, prepared.records(), graph, prepared.classes)
            forest_estimator.export(forest, graph, built)
            told.done()
        return FOREST
    del model  # each member is built with its own seed
    members = getattr(config, "members", 1)
    with epochs_noted(notes.stage(name, "epochs"), work, members, config.epochs):
        model = keras_training.fit_members(
            definition, config, prepared.records(), graph, work, built_folder(), scope, acceleration
        )
    # Reading mirrored variables takes all workers, so each of them exports; worker 0's counts.
    keras_estimator.export(model, definition.FEATURES, graph, f"{built}/saved_model")
    return KERAS


def _calibrate(
    definition: Definition, config: Any, built: str, kind: str, prepared: Prepared
) -> Calibration:
    """What the tuning split says about the estimator that was built."""
    label = label_of(definition, config)
    scoring = Scoring(
        version=ModelVersion(model_name(definition), "", built),
        estimator=kind,
        features=definition.FEATURES,
        label=label,
        classes=prepared.classes,
        config=config,
        to_predictions=definition.to_predictions,
        provenance=Provenance("", "", "", datetime.date(1970, 1, 1), definition.ENTITY),
    )
    schema = example_schema(definition.FEATURES, label)
    return calibrate(scoring, read_examples(prepared.examples(TUNING), schema))


def _judge(
    definition: Definition,
    challenger: ModelVersion,
    prepared: Prepared,
    work: str,
    models: str,
    options: PipelineOptions,
    margin: float,
) -> tuple[Evaluation, Decision]:
    """The challenger's measures, and the gate: champion and challenger on the same rows."""
    held_out = prepared.examples(HELD_OUT)
    label = label_of(definition, config_of(challenger, definition))
    new = evaluate_version(challenger, held_out, work, options)
    champion = registry.champion(models, challenger.model)
    if champion is None or not _comparable(champion, challenger):
        return new.evaluation, decide(label, new.evaluation, None, None, margin)
    old = evaluate_version(champion, held_out, work, options)
    measure = gate_measure(label)
    between = difference(
        (new.predictions, new.classes), (old.predictions, old.classes), label, measure
    )
    return new.evaluation, decide(label, new.evaluation, old.evaluation, between, margin)


def _comparable(champion: ModelVersion, challenger: ModelVersion) -> bool:
    """Whether both read the same features, say the same label, and hold out the same rows."""
    old, new = (version.read_json(registry.MODEL) for version in (champion, challenger))
    settings = optional(model_defs.find(champion.model), "SPLIT_SETTINGS") or ()
    same = all(old[name] == new[name] for name in ("features", "label", "split"))
    same = same and old.get("splits") == new.get("splits")
    # A Config of other fields than now cannot be made again.
    same = same and old["config"].keys() == new["config"].keys()
    return same and all(old["config"].get(n) == new["config"].get(n) for n in settings)


def _describe(
    definition: Definition,
    config: Any,
    prepared: Prepared,
    as_of: datetime.datetime,
    estimator: str,
    splits: GivenSplits | None,
) -> dict[str, Any]:
    """What model.json says."""
    return {
        "model": model_name(definition),
        "estimator": estimator,
        "features": feature_types(definition.FEATURES),
        "label": label_of(definition, config).name,
        "classes": list(prepared.classes),
        "split": "as given" if splits else optional(definition, "SPLIT_RULE") or "by subject",
        "splits": repr(splits) if splits else None,
        "config": dataclasses.asdict(config),
        "as_of": as_of.isoformat(),
        "rows": prepared.rows(),
    }


def _as_version(model: str, built: str) -> ModelVersion:
    """A built folder -> a version named by time and content, with a manifest to verify."""
    hashes = registry.file_hashes(built)
    content = registry.content_hash(hashes)[:8]
    version = f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}-{content}"
    _write_json(f"{built}/{registry.MANIFEST}", {"sha256": hashes})
    return ModelVersion(model, version, built)


def _write_json(path: str, value: Mapping[str, Any]) -> None:
    Path(path).write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, step: str) -> None:
        """Ends a step."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now
