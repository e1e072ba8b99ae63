"""`reproduce`: a run's predictions once more, from the tables as it saw them, bit for bit.

Iceberg keeps the snapshots, `runs` which of them the run began from, the registry the versions. Of
images the index is kept and not the pixels: their files must still be where they were.
"""

import dataclasses
import datetime
import json

import numpy as np
import polars as pl
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.nightly import buckets_of, models_folder
from pipelines.score import ScoreRun, score
from transforms.errors import RunFailed, UsageError
from transforms.parquet import read_files
from transforms.registry import version_of
from transforms.schemas import PREDICTIONS, TABLES
from transforms.warehouse import Warehouse

_KEYS = ["model", "model_version", "entity_id", "prediction_time", "target_time"]
_VALUES = ["score", "input_hash"]


@dataclasses.dataclass(frozen=True)
class Reproduced:
    """Of one version: rows that the run published, and how many came out the same."""

    model: str
    version: str
    rows: int
    same: int
    more: int

    @property
    def is_same(self) -> bool:
        """Whether every row came out with the same bits, and no other."""
        return self.same == self.rows and self.more == 0

    def describe(self) -> str:
        """One line.

        >>> Reproduced("readmission", "v1", 3, 3, 0).describe()
        'readmission v1: 3 of 3 predictions are the same, bit for bit'
        """
        text = f"{self.model} {self.version}: {self.same:,} of {self.rows:,} predictions are the "
        text += "same, bit for bit"
        return text + (f"; {self.more:,} more" if self.more else "")


def reproduce(
    warehouse: Warehouse, run_id: str, folder: str, options: PipelineOptions
) -> list[Reproduced]:
    """Scores what a run scored again and compares; nothing is published.

    `folder` is for what it works on.

    Raises: UsageError, when there is no such run or it cannot be done again from the tables;
    Refused, when a version was changed since; RunFailed, when one fails.
    """
    as_of, since, began = _recorded(warehouse, run_id)
    seen = warehouse.seen_by(run_id, began)
    before = _predictions(seen.paths("predictions")).filter(pl.col("run_id") == run_id)
    pairs = before.select("model", "model_version").unique().sort("model").rows()
    if not pairs:
        raise UsageError(f"run {run_id} published no predictions")
    versions = [version_of(models_folder(warehouse), *pair) for pair in pairs]
    folders = {table: f"{folder}/{table}" for table in ("predictions", "extractions")}
    run = ScoreRun(run_id, as_of, folders, since)
    result = score(versions, buckets_of(seen), run, options)
    if result.failed:
        raise RunFailed("; ".join(f"{model}: {why}" for model, why in result.failed.items()))
    after = _predictions([file.path for file in result.files if file.table == "predictions"])
    return [_compare(before, after, *pair) for pair in pairs]


def _recorded(
    warehouse: Warehouse, run_id: str
) -> tuple[datetime.datetime, datetime.datetime | None, dict[str, int]]:
    """`as_of`, `since` and the snapshots that a run began from."""
    columns = ["run_id", "parameters", "snapshots"]
    table = read_files(warehouse.paths("runs"), TABLES["runs"].schema, columns)
    for row in table.to_pylist():
        if row["run_id"] == run_id:
            parameters = json.loads(row["parameters"])
            if row["snapshots"] is None:
                raise UsageError(f"run {run_id} is of a release that did not record what it read")
            if "as_of" not in parameters or "examples" in parameters:
                raise UsageError(f"run {run_id} scored no tables")
            since = parameters.get("since")
            return (
                datetime.datetime.fromisoformat(parameters["as_of"]),
                datetime.datetime.fromisoformat(since) if since else None,
                dict(row["snapshots"]),
            )
    raise UsageError(f"there is no run {run_id}")


def _predictions(paths: list[str]) -> pl.DataFrame:
    names = [*_KEYS, *_VALUES, "run_id"]
    schema = pa.schema([PREDICTIONS.field(name) for name in names])
    return pl.DataFrame(read_files(paths, schema))


def _with_bits(found: pl.DataFrame) -> pl.DataFrame:
    """Scores as their bits: 0.0 equals -0.0, which are not the same."""
    return found.with_columns(pl.Series("score", found["score"].to_numpy().view(np.uint32)))


def _compare(before: pl.DataFrame, after: pl.DataFrame, model: str, version: str) -> Reproduced:
    wanted = (pl.col("model") == model) & (pl.col("model_version") == version)
    old, new = (_with_bits(found.filter(wanted)) for found in (before, after))
    same = old.join(new, on=[*_KEYS, *_VALUES], nulls_equal=True).height
    return Reproduced(model, version, old.height, same, max(0, new.height - old.height))
