"""Cost of `score` around the model call, on synthetic example rows.

Marginal cost of `score` from SMALL to LARGE rows, beside calling the SavedModel directly on as
many rows, in the same batches, held in memory as tensors. The two are measured one after the
other in every round, over the same number of rows, since the load of a shared machine moves a
short measurement more than a long one. Printed: each round, the median of their ratios and the
extremes, by wall time and by CPU time of the process.
"""

import argparse
import dataclasses
import datetime
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import model_defs
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, score
from pipelines.train import train
from transforms import tensors
from transforms.definition import Definition
from transforms.examples import BATCH_ROWS, example_schema, read_examples
from transforms.registry import ModelVersion

AS_OF = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
TRAIN_ROWS = 4_000
WORDS = 50


def synthetic(definition: Definition, rows: int, seed: int) -> pa.Table:
    """Examples of that shape: normal numbers, a tenth of them missing, words of a vocabulary."""
    random = np.random.default_rng(seed)
    columns = {
        "subject_id": random.integers(0, 2**62, rows),
        "entity_id": random.integers(0, 2**62, rows),
        "prediction_time": random.integers(1_600_000_000, 1_700_000_000, rows) * 1_000_000,
    }
    words = np.array([f"word{n}" for n in range(WORDS)])
    for field in definition.FEATURES:
        if pa.types.is_string(field.type):
            columns[field.name] = words[random.integers(0, WORDS, rows)]
        elif pa.types.is_float32(field.type):
            values = random.normal(1, 1, rows).astype(np.float32)
            values[random.random(rows) < 0.1] = np.nan
            columns[field.name] = values
        else:
            raise SystemExit(f"{field.name}: no synthetic values of type {field.type}")
    columns[definition.LABEL.name] = random.random(rows) < 0.2
    return pa.table(columns).cast(example_schema(definition.FEATURES, definition.LABEL))


def trained(model: str, folder: Path) -> ModelVersion:
    """A version of the model, trained for one epoch on synthetic rows."""
    definition = model_defs.find(model)
    path = folder / "train.parquet"
    pq.write_table(synthetic(definition, TRAIN_ROWS, 1), path)
    config = definition.Config(epochs=1)
    found = train(
        model, [str(path)], str(folder / "models"), AS_OF, pipeline_options(), config=config
    )
    if found is None:
        raise SystemExit("a helper of a distributed training has nothing to measure")
    return found.version


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds on the clock and of the process's CPUs."""

    wall_s: float
    cpu_s: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


def measured(work: Callable[[], object]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def direct_call(version: ModelVersion, files: list[str]) -> Callable[[int], None]:
    """The signature on ready tensors of the files, so many passes over them."""
    import tensorflow as tf

    definition = model_defs.find(version.model)
    loaded = tf.saved_model.load(version.file("saved_model"))
    signature = loaded.signatures["serving_default"]
    table = read_examples(files, example_schema(definition.FEATURES)).combine_chunks()
    batches = [
        tensors.to_tensors(batch, definition.FEATURES) for batch in table.to_batches(BATCH_ROWS)
    ]
    signature(**batches[0])  # the first call traces

    def passes(count: int, _alive: object = loaded) -> None:
        for _ in range(count):
            for batch in batches:
                for value in signature(**batch).values():
                    value.numpy()

    return passes


def run_score(version: ModelVersion, files: list[str], folder: Path) -> None:
    """One run of `score` over the files."""
    run = ScoreRun("bench", AS_OF, str(folder / "predictions"))
    score([version], files, run, pipeline_options())
    shutil.rmtree(run.folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="readmission")
    parser.add_argument("--small", type=int, default=1_000_000, help="rows")
    parser.add_argument("--times", type=int, default=4, help="large is so many times small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/score.json"))
    arguments = parser.parse_args()
    definition = model_defs.find(arguments.model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        version = trained(arguments.model, folder)
        path = folder / "examples.parquet"
        table = synthetic(definition, arguments.small, 2).drop_columns([definition.LABEL.name])
        pq.write_table(table, path, row_group_size=BATCH_ROWS * 8)
        files = [str(path)]
        run_score(version, files, folder)  # warms the file cache and TensorFlow
        direct = direct_call(version, files)
        rounds = []
        for _ in range(arguments.rounds):
            small = measured(lambda: run_score(version, files, folder))
            large = measured(lambda: run_score(version, files * arguments.times, folder))
            called = measured(lambda: direct(arguments.times - 1))
            marginal = large - small
            rows = arguments.small * (arguments.times - 1)
            rounds.append(
                {
                    "direct_rows_per_s": rows / called.wall_s,
                    "marginal_rows_per_s": rows / marginal.wall_s,
                    "ratio": called.wall_s / marginal.wall_s,
                    "cpu_ratio": called.cpu_s / marginal.cpu_s,
                }
            )
            print(
                "direct {direct_rows_per_s:,.0f} rows/s, score {marginal_rows_per_s:,.0f} rows/s, "
                "ratio {ratio:.2f}, of CPU time {cpu_ratio:.2f}".format(**rounds[-1]),
                flush=True,
            )
    result: dict[str, object] = {
        "model": arguments.model,
        "features": len(definition.FEATURES),
        "rows": [arguments.small, arguments.small * arguments.times],
        "rounds": rounds,
    }
    for name in rounds[0]:
        values = sorted(found[name] for found in rounds)
        result[name] = {"median": statistics.median(values), "min": values[0], "max": values[-1]}
        print(f"{name:22} median {statistics.median(values):>12,.2f}", end="")
        print(f"  ({values[0]:,.2f} to {values[-1]:,.2f})")
    print("bar: ratio at least 0.5")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
