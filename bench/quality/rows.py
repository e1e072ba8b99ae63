"""What the quality benches share: running the verbs, intervals, and the rows that they report."""

import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

METRICS = {
    "auc": "AUC",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "accuracy": "accuracy",
    "bucket_accuracy": "bucket accuracy",
    "within_20pct": "within 20 % of the dose",
    "macro_f1": "macro-F1",
    "ci": "concordance index",
    "mae": "MAE",
    "mse": "MSE",
    "rmse_h2": "RMSE 2 weeks ahead",
    "rmse_h3": "RMSE 3 weeks ahead",
    "rwis": "WIS / persistence's",
    "brier": "Brier score",
    "ece": "calibration error",
}
KEY = "a key of the benches, which hold public data alone"
RESAMPLES = 1000

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Row:
    """One measure of one model on one set.

    `low` and `high` bound the 95 % interval. `baseline` is what the simple model of the same
    script reaches on the same rows, `published` what the literature reports; None: not known.
    `seconds` is the wall time of the product's verbs behind the figure. `note` says what was run
    where a bench runs several things (`single member`).
    """

    model: str
    set: str
    split: str
    metric: str
    value: float
    low: float
    high: float
    baseline: float | None
    published: float | None
    seconds: float
    note: str = ""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r}")

    def as_json(self) -> dict[str, Any]:
        """The row as docs/quality.json holds it: the split stands behind the set, in brackets."""
        found = dataclasses.asdict(self)
        split, note = found.pop("split"), found.pop("note")
        found["set"] = f"{self.set} ({split}{', ' if note else ''}{note})"
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in found.items()
        }


def nightrounds(*arguments: object) -> dict[str, Any]:
    """Runs one verb in a process of its own -> the object that its `--json` prints.

    Raises: SystemExit, with what it wrote, when it does not end with 0.
    """
    command = [sys.executable, "-m", "pipelines.cli", *map(str, arguments), "--json", "--quiet"]
    environment = {**os.environ, "NIGHTROUNDS_ID_KEY": KEY}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class Clock:
    """Adds up the wall time of what runs inside of it, in `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """`with clock(): …`."""
        started = time.monotonic()
        yield
        self.seconds += time.monotonic() - started


def bootstrap(
    metric: Callable[..., float],
    *arrays: Array,
    groups: Array | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float, float]:
    """A metric of arrays of n rows -> its value and its 95 % percentile interval.

    Rows are resampled; with `groups` (n,) whole groups are.

    >>> bootstrap(np.mean, np.array([1.0, 1.0]))
    (1.0, 1.0, 1.0)
    """
    random = np.random.default_rng(seed)
    rows = len(arrays[0])
    members = None
    if groups is not None:
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    found = []
    for _ in range(resamples):
        if members is None:
            drawn = random.integers(0, rows, rows)
        else:
            drawn = np.concatenate(
                [members[i] for i in random.integers(0, len(members), len(members))]
            )
        found.append(metric(*(array[drawn] for array in arrays)))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(metric(*arrays)), float(low), float(high)


def ndjson(resources: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> bytes:
    """FHIR resources -> NDJSON."""
    lines = io.BytesIO()
    for resource in resources:
        lines.write(json.dumps(resource, separators=(",", ":")).encode() + b"\n")
    return lines.getvalue()
