"""A random forest that learns what a linear equation leaves: for quantities that mostly add up.

A forest predicts in steps and needs many rows to follow a slope. So a ridge regression on the same
columns comes first, and the forest learns its residuals; the prediction is the sum of both. The
equation lies beside the forest as `linear.json`, to be read by people too.

Source: Zhang, Nettleton & Zhu 2019, regression-enhanced random forests, arXiv:1904.10416
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.forest_drivers import word_numbers

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]

FILE = "linear.json"
_FEWEST = 5
_TINY = 1e-9


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear equation whose terms are 0 on the average of its training.

    `numbers`: column -> (weight, mean, addition where it is missing, taken off where it is not);
    `words`: column -> addition of each word, `""` for any other.
    """

    intercept: float
    missing: float
    numbers: Mapping[str, tuple[float, float, float, float]]
    words: Mapping[str, Mapping[str, float]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns in the order of the terms."""
        return (*self.numbers, *self.words)

    def terms(self, columns: Columns) -> npt.NDArray[np.float32]:
        """Columns of n rows -> what each column adds, (n, columns). Words are bytes."""
        rows = len(columns[self.columns[0]])
        found = np.empty((rows, len(self.columns)), np.float32)
        for place, (name, (weight, mean, absent, present)) in enumerate(self.numbers.items()):
            values = columns[name].astype(np.float32, copy=False)
            gone = ~(values > self.missing)
            found[:, place] = np.where(gone, absent, weight * (values - mean) - present)
        for place, (name, weights) in enumerate(self.words.items(), len(self.numbers)):
            known = [word for word in weights if word]
            table = np.asarray(
                [weights[""], *(weights[word] for word in known), weights[""]], np.float32
            )
            words = pa.array([word.encode() for word in known], pa.binary())
            found[:, place] = table[word_numbers(columns[name], words)]
        return found

    def predict(self, columns: Columns) -> npt.NDArray[np.float32]:
        """Columns of n rows -> the sum of the terms and the intercept, (n,)."""
        return np.float32(self.intercept) + self.terms(columns).sum(axis=1)

    def save(self, folder: str) -> None:
        """Writes `folder/linear.json`."""
        text = json.dumps(dataclasses.asdict(self), indent=1)
        Path(folder, FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: str) -> "Linear | None":
        """The equation beside a forest, where there is one."""
        file = Path(folder, FILE)
        if not file.exists():
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
        numbers = {name: tuple(terms) for name, terms in found["numbers"].items()}
        return cls(found["intercept"], found["missing"], numbers, found["words"])


def fit_linear(columns: Columns, target: Array, *, penalty: float, missing: float) -> Linear:
    """Ridge regression on numbers, marks of missing ones, and words seen at least _FEWEST times.

    `columns` hold numbers, or words as str; numbers that are NaN or not above `missing` are
    missing. Numbers count on the scale they have, so that of marks and words the penalty holds
    back the rare ones; give measured numbers standardised.
    """
    design: list[Array] = []
    where: list[tuple[str, str | None]] = []  # column, word (None: its number; "": it is missing)
    mean: dict[str, float] = {}

    def add(name: str, word: str | None, values: Array) -> None:
        if values.min() < values.max():
            design.append(values - values.mean())
            where.append((name, word))

    for name, found in columns.items():
        if found.dtype.kind == "U":
            seen, count = np.unique(found, return_counts=True)
            for word in seen[(count >= _FEWEST) & (seen != "")]:
                add(name, str(word), (found == word).astype(float))
        else:
            values = found.astype(float)
            gone = ~(values > missing)
            mean[name] = 0.0 if gone.all() else float(values[~gone].mean())
            add(name, None, np.where(gone, mean[name], values))
            add(name, "", gone.astype(float))
    intercept = float(target.mean())
    x = np.stack(design, axis=1) if design else np.zeros((len(target), 0))
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (target - intercept))
    return _as_linear(columns, where, weights, mean, intercept, missing)


def _as_linear(
    columns: Columns,
    where: list[tuple[str, str | None]],
    weights: Array,
    mean: Mapping[str, float],
    intercept: float,
    missing: float,
) -> Linear:
    """Weights of the design's columns -> terms whose average over the training is 0."""
    weight = dict(zip(where, (float(w) for w in weights), strict=True))
    numbers, words = {}, {}
    for name, found in columns.items():
        if name in mean:
            share = float((~(found > missing)).mean())
            absent = weight.get((name, ""), 0.0)
            numbers[name] = (
                weight.get((name, None), 0.0),
                mean[name],
                absent * (1 - share),
                absent * share,
            )
        else:
            of_word = {word: w for (column, word), w in weight.items() if column == name and word}
            average = sum(w * float((found == word).mean()) for word, w in of_word.items())
            words[name] = {"": -average, **{word: w - average for word, w in of_word.items()}}
    return Linear(intercept, missing, numbers, words)


@dataclasses.dataclass(frozen=True)
class LinearForest:
    """An equation and the forest of its residuals."""

    linear: Linear
    forest: Any

    def save(self, folder: str) -> None:
        """Writes the forest as ydf does, and the equation beside it."""
        self.forest.save(folder)
        self.linear.save(folder)


@dataclasses.dataclass(frozen=True)
class LinearForestLearner:
    """Trains as a ydf learner does. `learner` is a regression of the column `label`.

    What is learned, and predicted, is the `target` of the label. `missing`: numbers that are not
    above it are missing.
    """

    learner: Any
    label: str
    target: Callable[[Array], Array]
    penalty: float
    missing: float

    def train(self, data: Columns, verbose: int | None = None) -> LinearForest:
        """Columns and label of the training rows -> the fitted pair."""
        target = self.target(data[self.label].astype(float))
        columns = {name: values for name, values in data.items() if name != self.label}
        linear = fit_linear(columns, target, penalty=self.penalty, missing=self.missing)
        encoded = {
            name: np.char.encode(values, "utf-8").astype(object)
            if values.dtype.kind == "U"
            else values
            for name, values in columns.items()
        }
        left = target - linear.predict(encoded)
        forest = self.learner.train(
            {**columns, self.label: left.astype(np.float32)}, verbose=verbose
        )
        return LinearForest(linear, forest)
