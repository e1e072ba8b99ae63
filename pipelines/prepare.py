"""What training reads: examples by split, the TF Transform graph, TFRecords; all in one folder.

The folder is named by what goes into it. A run that was killed finds it again and goes on; the
workers of one training find it without being told.
"""

import dataclasses
import datetime
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.evaluate import labelled_examples
from transforms.acceleration import PLAIN, Acceleration
from transforms.definition import Definition, label_of, model_name
from transforms.errors import RunFailed, TooLittleData
from transforms.examples import example_schema, read_examples
from transforms.inference import feature_types
from transforms.keras_training import WORKER_0
from transforms.make_examples import Buckets
from transforms.preprocess import Preprocess, Shard
from transforms.splits import HELD_OUT, SPLITS, TRAIN, TUNING, GivenSplits

MIN_EXAMPLES = {TRAIN: 20, TUNING: 1, HELD_OUT: 1}
_PREPARED = "prepared.json"
_WAIT_S = 3600.0
_POLL_S = 1.0


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What lies in a working folder: shards and their rows by split, classes of the label."""

    shards: dict[str, list[tuple[Shard, int]]]
    classes: tuple[str, ...]

    def records(self) -> dict[str, list[str]]:
        """TFRecord files by split."""
        return {name: [shard.records for shard, _ in found] for name, found in self.shards.items()}

    def examples(self, split: str) -> list[str]:
        """Parquet files of a split."""
        return [shard.examples for shard, _ in self.shards[split]]

    def rows(self) -> dict[str, int]:
        """Examples by split."""
        return {split: sum(rows for _, rows in found) for split, found in self.shards.items()}


def is_chief() -> bool:
    """Whether this process prepares and writes: worker 0 of TF_CONFIG, or the only one."""
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return int(task.get("index", 0)) == 0 and task.get("type", "worker") in ("worker", "chief")


def built_folder() -> str:
    """Where a process exports to within the working folder."""
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return WORKER_0 if is_chief() else f"built-{task.get('type')}-{task.get('index')}"


def work_folder(
    definition: Definition,
    config: Any,
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    root: str,
    splits: GivenSplits | None = None,
    acceleration: Acceleration = PLAIN,
) -> str:
    """Where a training of these inputs works, below a local folder."""
    inputs = [
        repr(acceleration),
        repr(config),
        repr(splits),
        as_of.isoformat(),
        feature_types(definition.FEATURES),
        {b: {t: list(paths) for t, paths in files.items()} for b, files in source.files.items()}
        if isinstance(source, Buckets)
        else list(source),
    ]
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    return f"{root}/{model_name(definition)}/.work-{digest[:16]}"


def prepare(
    definition: Definition,
    config: Any,
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    work: str,
    options: PipelineOptions,
    *,
    splits: GivenSplits | None = None,
) -> Prepared:
    """Fills the working folder, unless it is filled already.

    Raises: TooLittleData, when a split has too few examples or training has one class only.
    """
    done = f"{work}/{_PREPARED}"
    if os.path.exists(done):
        return _read(done)
    model = model_name(definition)
    files = labelled_examples(model, config, source, as_of, work, options, splits=splits)
    rows = {split: sum(n for _, n in files.get(split, [])) for split in SPLITS}
    for split, needed in MIN_EXAMPLES.items():
        if rows[split] < needed:
            raise TooLittleData(
                f"{model}: {rows[split]} examples with a known label in the split {split}, "
                f"at least {needed} are needed (all splits: {rows})"
            )
    classes = _classes(definition, config, [path for path, _ in files[TRAIN]])
    shards = {
        split: [(Shard(path, path.replace(".parquet", ".tfrecord")), n) for path, n in files[split]]
        for split in SPLITS
    }
    with beam.Pipeline(options=options) as pipeline:
        pipeline | Preprocess(
            definition,
            label_of(definition, config),
            {split: [shard for shard, _ in found] for split, found in shards.items()},
            TRAIN,
            classes,
            f"{work}/graph",
            f"{work}/temporary",
        )
    prepared = Prepared(shards, classes)
    _write(prepared, done)
    return prepared


def _classes(definition: Definition, config: Any, train_files: list[str]) -> tuple[str, ...]:
    """The classes of a string label, sorted; none for other labels."""
    label = label_of(definition, config)
    schema = example_schema(definition.FEATURES, label)
    column = read_examples(train_files, schema.empty_table().select([label.name]).schema)
    found = sorted(str(value) for value in pc.unique(column[label.name]).to_pylist())
    if len(found) < 2:
        raise TooLittleData(
            f"{model_name(definition)}: every training example has the same {label.name}; "
            "there is nothing to tell apart"
        )
    return tuple(found) if pa.types.is_string(label.type) else ()


def wait_for(work: str) -> Prepared:
    """What worker 0 prepares, when it is there. Raises: RunFailed, after an hour."""
    done = f"{work}/{_PREPARED}"
    _wait(lambda: os.path.exists(done), "worker 0 prepared nothing")
    return _read(done)


def wait_until_done(work: str) -> None:
    """Returns when worker 0 has removed the working folder, as it does at the end.

    A worker that left earlier would count as crashed. Raises: RunFailed, after an hour.
    """
    _wait(lambda: not os.path.exists(work), "worker 0 did not finish")


def _wait(ready: Callable[[], bool], problem: str) -> None:
    end = time.monotonic() + _WAIT_S
    while not ready():
        if time.monotonic() > end:
            raise RunFailed(f"{problem} within {_WAIT_S:.0f} s")
        time.sleep(_POLL_S)


def _write(prepared: Prepared, path: str) -> None:
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(prepared), file)
    os.replace(f"{path}.part", path)


def _read(path: str) -> Prepared:
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    shards = {
        split: [(Shard(**shard), rows) for shard, rows in entries]
        for split, entries in found["shards"].items()
    }
    return Prepared(shards, tuple(found["classes"]))
