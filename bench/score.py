"""What scoring costs: all models in one pass, and each around the calls of its estimator.

Of a warehouse with champions, such as that of the demo after more patients were ingested:

- the wall time of `score all` beside the sum of one `score` for each model, in processes of their
  own, alternating;
- for each model the marginal cost of `score` on ready examples, from a number of rows to several
  times as many, beside calling its estimator directly on the same batches held in memory. The
  rows are the warehouse's own, repeated, and read for both sides by the same reader. Pixels are
  decoded before: they are counted from tensors.

The two sides are measured one after the other in every round, since the load of a shared machine
moves a short measurement more than a long one.
"""

import argparse
import dataclasses
import datetime
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import model_defs
from pipelines.nightly import buckets_of, champions, models_folder
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, config_of, score, scoring_of
from transforms.bucket_tables import from_ipc, read_tables, to_ipc
from transforms.definition import optional
from transforms.examples import example_schema, make_examples
from transforms.inference import load_estimator
from transforms.make_examples import Buckets, read_ready
from transforms.pixel_files import DicomPixels
from transforms.registry import ModelVersion, champion
from transforms.tensors import encode_text
from transforms.warehouse import Warehouse, open_warehouse

PASS_BAR, ROWS_BAR = 0.6, 0.6


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


def run_verb(*arguments: str) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "score", *arguments, "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def one_pass(warehouse: str, as_of: str, models: list[str], rounds: int) -> dict[str, Any]:
    """`score all` beside a run for each model."""
    at = ["--warehouse", warehouse, "--as-of", as_of]
    found = []
    for _ in range(rounds):
        together = measured(lambda: run_verb("all", *at)).wall_s
        apart = {m: measured(lambda m=m: run_verb(m, *at)).wall_s for m in models}
        found.append(
            {"all_s": together, "single_s": apart, "ratio": together / sum(apart.values())}
        )
        print(f"all {together:.1f} s, singly {sum(apart.values()):.1f} s", flush=True)
    ratio = statistics.median(entry["ratio"] for entry in found)
    print(f"one pass: {ratio:.2f} of the single runs' time (bar: at most {PASS_BAR})")
    return {"rounds": found, "ratio": ratio}


def example_rows(version: ModelVersion, buckets: Buckets, as_of: datetime.datetime) -> pa.Table:
    """The examples of the whole warehouse, as they are scored."""
    definition = model_defs.find(version.model)
    config, gather = config_of(version, definition), optional(definition, "gather")

    def tables() -> Iterator[Any]:
        for files in buckets.files.values():
            read = read_tables(files, with_labels=False)
            yield read.seen_by(version.model, DicomPixels(buckets.sources))

    if gather is not None:
        parts = (to_ipc(gather(read, as_of, config)) for read in tables())
        found = [make_examples(definition, from_ipc(parts), as_of, config)]
    else:
        found = [make_examples(definition, read, as_of, config) for read in tables()]
    schema = example_schema(definition.FEATURES)
    return pa.concat_tables(table.select(schema.names) for table in found)


def rows_per_second(
    version: ModelVersion,
    rows: pa.Table,
    as_of: datetime.datetime,
    folder: Path,
    *,
    seconds: float,
    times: int,
    rounds: int,
) -> dict[str, Any]:
    """Marginal rows/s of `score` on ready examples beside those of the estimator alone."""
    definition = model_defs.find(version.model)
    estimator = load_estimator(scoring_of(version, definition, "bench", as_of.date()))

    def direct(path: Path, passes: int = 1) -> Callable[[], None]:
        found = read_ready(str(path), example_schema(definition.FEATURES))
        batches = [encode_text(batch, definition.FEATURES) for batch in found]

        def call() -> None:
            for _ in range(passes):
                for batch in batches:
                    estimator.predict(batch)

        return call

    path = folder / f"{version.model}.parquet"
    pq.write_table(rows, path)
    measured(direct(path))  # the first call traces
    once = measured(direct(path)).wall_s
    repeats = max(1, round(seconds / (times - 1) / max(once, 1e-4)))
    table = pa.concat_tables([rows] * repeats)
    pq.write_table(table, path, row_group_size=max(1, min(table.num_rows, 1 << 17)))

    def scored(files: list[str]) -> None:
        out = {name: str(folder / name) for name in ("predictions", "extractions")}
        score([version], files, ScoreRun("bench", as_of, out), pipeline_options())
        for name in out.values():
            shutil.rmtree(name, ignore_errors=True)

    scored([str(path)])  # warms the file cache
    called = direct(path, times - 1)
    found = []
    for _ in range(rounds):
        small = measured(lambda: scored([str(path)]))
        large = measured(lambda: scored([str(path)] * times))
        alone, marginal = measured(called), large - small
        number = table.num_rows * (times - 1)
        found.append(
            {
                "direct_rows_per_s": number / alone.wall_s,
                "score_rows_per_s": number / marginal.wall_s,
                "ratio": alone.wall_s / marginal.wall_s,
                "cpu_ratio": alone.cpu_s / marginal.cpu_s,
            }
        )
    middle = {name: statistics.median(entry[name] for entry in found) for name in found[0]}
    print(
        f"{version.model}: {middle['score_rows_per_s']:,.0f} rows/s, estimator alone "
        f"{middle['direct_rows_per_s']:,.0f}, ratio {middle['ratio']:.2f} "
        f"({min(e['ratio'] for e in found):.2f} to {max(e['ratio'] for e in found):.2f}; of CPU "
        f"time {middle['cpu_ratio']:.2f}; bar: at least {ROWS_BAR})",
        flush=True,
    )
    return {"rows": [table.num_rows, table.num_rows * times], "rounds": found, **middle}


def chosen(warehouse: Warehouse, names: list[str]) -> list[ModelVersion]:
    if not names:
        return champions(warehouse, model_defs.names())
    found = [champion(models_folder(warehouse), name) for name in names]
    return [version for version in found if version is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("warehouse")
    parser.add_argument("--as-of", required=True, metavar="DATE")
    parser.add_argument("--models", nargs="+", default=[], help="default: all with a champion")
    parser.add_argument("--seconds", type=float, default=6.0, help="of the estimator alone")
    parser.add_argument("--times", type=int, default=4, help="large is so many times small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("bench/out/score.json"))
    arguments = parser.parse_args()
    warehouse = open_warehouse(arguments.warehouse)
    versions = chosen(warehouse, arguments.models)
    as_of = datetime.datetime.fromisoformat(arguments.as_of)
    result: dict[str, Any] = {"models": {}}
    if not arguments.models:
        names = [version.model for version in versions]
        result["one_pass"] = one_pass(arguments.warehouse, arguments.as_of, names, arguments.rounds)
    buckets = buckets_of(warehouse)
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            result["models"][version.model] = rows_per_second(
                version,
                example_rows(version, buckets, as_of),
                as_of,
                Path(folder),
                seconds=arguments.seconds,
                times=arguments.times,
                rounds=arguments.rounds,
            )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
