"""What the tuning split tells about a trained model: probabilities that mean what they say, the
cut that decides, and how far a quantity is off.

Probabilities are recalibrated by Platt scaling (two classes) or a temperature (more), and only
where that helps on rows that it was not fitted on.

Sources: Guo et al. 2017, arXiv:1706.04599 (temperature); Platt 1999 (scaling); Youden 1950
(the cut); Lei et al. 2018, arXiv:1604.04173 (intervals from the residuals of other rows)
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.input_hash import mix64
from transforms.prediction_rows import Outputs, Predictions

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

LEVELS = np.linspace(0.005, 0.995, 199)
"""Levels of the quantiles of the residuals that are kept."""
INTERVAL = 0.90
LOW, HIGH = "/low", "/high"
"""Suffixes of outputs: the least and the largest that a member of an ensemble says."""
MIN_ROWS = 100
_TINY = 1e-7
_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Calibration:
    """`slope` multiplies log-odds or log-probabilities, `bias` is added to log-odds.

    `cut` and `residuals` are as in `Outputs`.
    """

    slope: float = 1.0
    bias: float = 0.0
    cut: float = 0.5
    residuals: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Calibration":
        """What `dataclasses.asdict` gave, read back."""
        return cls(**{**found, "residuals": tuple(found.get("residuals", ()))})

    def apply(self, outputs: Outputs, label: pa.Field) -> Outputs:
        """Outputs of the estimator -> the same with calibrated probabilities, and the rest."""
        values = dict(outputs.values)
        for name in (label.name, label.name + LOW, label.name + HIGH):
            if name in values:
                values[name] = self.probabilities(values[name], label)
        residuals = np.asarray(self.residuals, np.float32)
        return dataclasses.replace(outputs, values=values, cut=self.cut, residuals=residuals)

    def probabilities(self, found: npt.NDArray[Any], label: pa.Field) -> npt.NDArray[Any]:
        """Probabilities -> calibrated ones, of the same shape and float32; quantities as they are.

        >>> import pyarrow as pa
        >>> label = pa.field("x", pa.bool_())
        >>> Calibration(slope=2.0).probabilities(np.float32([0.5]), label).tolist()
        [0.5]
        """
        if pa.types.is_float32(label.type) or (self.slope == 1.0 and self.bias == 0.0):
            return found
        clipped = np.clip(np.asarray(found, np.float64), _TINY, 1 - _TINY)
        if pa.types.is_boolean(label.type):
            return _sigmoid(self.slope * _logit(clipped) + self.bias).astype(np.float32)
        return _sharpen(clipped, self.slope).astype(np.float32)


def _logit(p: Float) -> Float:
    return np.log(p) - np.log1p(-p)


def _sigmoid(x: Float) -> Float:
    return 1 / (1 + np.exp(-x))


def _sharpen(p: Float, slope: float) -> Float:
    powered = np.exp(slope * (np.log(p) - np.log(p.max(axis=1, keepdims=True))))
    found: Float = powered / powered.sum(axis=1, keepdims=True)
    return found


def calibrate_binary(probability: Float, positive: Float, owner: Int) -> Calibration:
    """Probabilities and 0/1 labels (n,) of the tuning split -> Platt scaling, and Youden's cut.

    `owner` int64 (n,): rows of one owner stay together when it is seen whether it helps.
    """
    x = _logit(np.clip(probability.astype(np.float64), _TINY, 1 - _TINY))

    def fit(rows: npt.NDArray[np.bool_]) -> tuple[float, float]:
        return _platt(x[rows], positive[rows])

    def loss(found: tuple[float, float], rows: npt.NDArray[np.bool_]) -> float:
        p = np.clip(_sigmoid(found[0] * x[rows] + found[1]), _TINY, 1 - _TINY)
        y = positive[rows]
        return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).sum())

    slope, bias = 1.0, 0.0
    if 0 < positive.mean() < 1:
        slope, bias = _where_it_helps(fit, loss, (1.0, 0.0), owner)
    calibrated = _sigmoid(slope * x + bias)
    return Calibration(slope, bias, cut=youden_cut(calibrated, positive))


def calibrate_classes(probabilities: Float, actual: Int, owner: Int) -> Calibration:
    """Probabilities (n, k) and class index (n,) of the tuning split -> 1 / temperature."""
    p = np.clip(probabilities.astype(np.float64), _TINY, 1)

    def loss(found: tuple[float, float], rows: npt.NDArray[np.bool_]) -> float:
        sharp = _sharpen(p[rows], found[0])
        own = sharp[np.arange(len(sharp)), actual[rows]]
        return float(-np.log(np.maximum(own, _TINY)).sum())

    def fit(rows: npt.NDArray[np.bool_]) -> tuple[float, float]:
        return _golden_section(lambda log: loss((np.exp(log), 0.0), rows), -2.0, 2.0), 0.0

    slope, _ = _where_it_helps(fit, loss, (1.0, 0.0), owner)
    return Calibration(slope)


def calibrate_quantity(score: Float, truth: Float) -> Calibration:
    """Scores and true quantities (n,) of the tuning split -> quantiles of truth - score."""
    residuals = np.quantile(truth.astype(np.float64) - score, LEVELS)
    return Calibration(residuals=tuple(round(float(r), 6) for r in residuals))


def _where_it_helps(
    fit: Callable[[npt.NDArray[np.bool_]], tuple[float, float]],
    loss: Callable[[tuple[float, float], npt.NDArray[np.bool_]], float],
    unchanged: tuple[float, float],
    owner: Int,
) -> tuple[float, float]:
    """The fit to all rows, if fits to each half lower the loss of the other; else unchanged."""
    half = mix64(owner.view(np.uint64)) % np.uint64(2) == 0
    if len(owner) < MIN_ROWS or min(half.sum(), (~half).sum()) < MIN_ROWS // 4:
        return unchanged
    crossed = loss(fit(half), ~half) + loss(fit(~half), half)
    every = np.ones(len(owner), bool)
    found = fit(every)
    # A slope of 0 or less would turn the order round: the model says nothing on these rows.
    return found if crossed < loss(unchanged, every) and found[0] > 0 else unchanged


def _platt(x: Float, positive: Float) -> tuple[float, float]:
    """Logistic regression of the label on the log-odds, by Newton's method, a little damped."""
    design = np.stack([x, np.ones_like(x)], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        p = _sigmoid(design @ weights)
        gradient = design.T @ (p - positive) + 1e-3 * (weights - [1.0, 0.0])
        hessian = (design.T * (p * (1 - p))) @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    return round(float(weights[0]), 6), round(float(weights[1]), 6)


def _golden_section(loss: Callable[[float], float], low: float, high: float) -> float:
    """Exponential of the argument between low and high at which the loss is least."""
    ratio = (np.sqrt(5) - 1) / 2
    for _ in range(_STEPS):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return round(float(np.exp((low + high) / 2)), 6)


def youden_cut(probability: Float, positive: Float) -> float:
    """The cut, halfway between two probabilities, with the largest sensitivity + specificity.

    Of equal cuts the middle one; 0.5 without both classes.

    >>> youden_cut(np.array([0.1, 0.2, 0.6, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    0.4
    """
    if not 0 < positive.mean() < 1:
        return 0.5
    values, group = np.unique(probability, return_inverse=True)
    if len(values) < 2:
        return 0.5
    pos = np.bincount(group, positive) / positive.sum()
    neg = np.bincount(group, 1 - positive) / (1 - positive).sum()
    gain = np.cumsum(neg) - np.cumsum(pos)  # specificity + sensitivity - 1 above each value
    best = np.flatnonzero(np.isclose(gain[:-1], gain[:-1].max(), rtol=0, atol=1e-12))
    place = best[len(best) // 2]
    return round(float((values[place] + values[place + 1]) / 2), 6)


def with_interval(predictions: Predictions, outputs: Outputs, label: pa.Field) -> Predictions:
    """Predictions -> with an interval, where the model gave none and one is known.

    Of a quantity: the score plus the 5 % and 95 % quantiles of the tuning split's residuals. Of
    two classes: the least and the largest that a member of the ensemble says.
    """
    if predictions.interval_low is not None:
        return predictions
    low = outputs.values.get(label.name + LOW)
    high = outputs.values.get(label.name + HIGH)
    if pa.types.is_float32(label.type) and len(outputs.residuals):
        tail = (1 - INTERVAL) / 2
        below, above = np.interp([tail, 1 - tail], LEVELS, outputs.residuals)
        low, high = predictions.score + below, predictions.score + above
    elif not pa.types.is_boolean(label.type):
        return predictions
    if low is None or high is None:
        return predictions
    return dataclasses.replace(
        predictions,
        interval_low=np.asarray(low, np.float32).reshape(-1),
        interval_high=np.asarray(high, np.float32).reshape(-1),
    )
