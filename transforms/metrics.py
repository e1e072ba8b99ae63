"""Measures of predictions, each with an interval from resampled subjects.

All take row weights, so that a bootstrap sample is a vector of counts. Subjects are resampled,
not rows: the rows of one subject resemble each other.

Source: Efron & Tibshirani 1993 (percentile bootstrap); Guo et al. 2017, arXiv:1706.04599 (ECE)
"""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Measures = Mapping[str, Callable[[Float], float]]

ECE_BINS = 10
RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A value and the bounds of its 95 % interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


def auroc(score: Float, positive: Float, weight: Float) -> float:
    """Area under the ROC curve; ties count half. NaN without both classes.

    >>> auroc(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.ones(2))
    1.0
    """
    _, group = np.unique(score, return_inverse=True)
    pos = np.bincount(group, weight * positive)
    neg = np.bincount(group, weight * (1 - positive))
    if not pos.sum() or not neg.sum():
        return float("nan")
    below = np.cumsum(neg) - neg
    return float((pos * (below + neg / 2)).sum() / (pos.sum() * neg.sum()))


def auprc(score: Float, positive: Float, weight: Float) -> float:
    """Average precision: the step-wise area under precision and recall.

    >>> auprc(np.array([0.1, 0.9]), np.array([0.0, 1.0]), np.ones(2))
    1.0
    """
    _, group = np.unique(-score, return_inverse=True)
    pos = np.bincount(group, weight * positive)
    every = np.bincount(group, weight)
    if not pos.sum():
        return float("nan")
    found, shown = np.cumsum(pos), np.cumsum(every)
    precision = np.divide(found, shown, out=np.zeros_like(found), where=shown > 0)
    return float((pos * precision).sum() / pos.sum())


def calibration_error(confidence: Float, correct: Float, weight: Float) -> float:
    """Expected calibration error over ECE_BINS bins of equal width.

    >>> calibration_error(np.array([0.5, 0.5]), np.array([0.0, 1.0]), np.ones(2))
    0.0
    """
    bins = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gap = np.bincount(bins, weight * (confidence - correct), ECE_BINS)
    return float(np.abs(gap).sum() / weight.sum())


def macro_f1(predicted: Int, actual: Int, classes: int, weight: Float) -> float:
    """Mean over the classes that occur of the harmonic mean of precision and recall.

    >>> macro_f1(np.array([0, 1]), np.array([0, 1]), 3, np.ones(2))
    1.0
    """
    hit = np.bincount(actual, weight * (predicted == actual), classes)
    total = np.bincount(actual, weight, classes) + np.bincount(predicted, weight, classes)
    occurs = total > 0
    return float((2 * hit[occurs] / total[occurs]).mean())


def binary_measures(probability: Float, positive: Float, cut: float = 0.5) -> Measures:
    """Probability of the positive class and 0/1 labels -> measures, as functions of weights.

    `cut`: from which probability on the positive class is decided for.
    """
    correct = ((probability >= cut) == positive.astype(bool)).astype(float)
    return {
        "auroc": lambda w: auroc(probability, positive, w),
        "auprc": lambda w: auprc(probability, positive, w),
        "brier": lambda w: float(np.average((probability - positive) ** 2, weights=w)),
        "ece": lambda w: calibration_error(probability, positive, w),
        "accuracy": lambda w: float(np.average(correct, weights=w)),
    }


def class_measures(probabilities: Float, actual: Int) -> Measures:
    """Probabilities (n, k) and the index of the true class -> measures."""
    count = probabilities.shape[1]
    truth = np.eye(count)[actual]
    predicted = probabilities.argmax(axis=1)
    correct = (predicted == actual).astype(float)
    confidence = probabilities.max(axis=1)
    brier = ((probabilities - truth) ** 2).sum(axis=1)

    def mean_auroc(weight: Float) -> float:
        areas = [auroc(probabilities[:, k], truth[:, k], weight) for k in range(count)]
        known = [area for area in areas if not np.isnan(area)]
        return float(np.mean(known)) if known else float("nan")

    return {
        "auroc": mean_auroc,
        "brier": lambda w: float(np.average(brier, weights=w)),
        "ece": lambda w: calibration_error(confidence, correct, w),
        "accuracy": lambda w: float(np.average(correct, weights=w)),
        "macro_f1": lambda w: macro_f1(predicted, actual, count, w),
    }


def quantity_measures(predicted: Float, actual: Float) -> Measures:
    """Predicted and true quantities -> measures in their unit."""
    error = predicted - actual
    return {
        "rmse": lambda w: float(np.sqrt(np.average(error**2, weights=w))),
        "mae": lambda w: float(np.average(np.abs(error), weights=w)),
    }


def minus(
    first: Callable[[Float], float], second: Callable[[Float], float]
) -> Callable[[Float], float]:
    """Two measures of the same rows -> their difference, which `estimate` resamples in pairs."""
    return lambda weight: first(weight) - second(weight)


def estimate(
    measures: Measures, subject: Int, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Measures of all rows, with percentile intervals over resampled subjects."""
    _, group = np.unique(subject, return_inverse=True)
    groups = int(group.max()) + 1 if len(group) else 0
    if not groups:
        return {name: Estimate(np.nan, np.nan, np.nan) for name in measures}
    random = np.random.default_rng(seed)
    whole = np.ones(len(group))
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(resamples):
        drawn = np.bincount(random.integers(0, groups, groups), minlength=groups)
        weight = drawn[group].astype(float)
        for name, measure in measures.items():
            samples[name].append(measure(weight))
    found = {}
    for name, measure in measures.items():
        values = np.array(samples[name])
        values = values[~np.isnan(values)]
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
        found[name] = Estimate(measure(whole), float(low), float(high))
    return found
