import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from transforms.calibration import (
    LEVELS,
    Calibration,
    calibrate_binary,
    calibrate_classes,
    calibrate_quantity,
    with_interval,
    youden_cut,
)
from transforms.metrics import calibration_error
from transforms.prediction_rows import Outputs, Predictions

YES = pa.field("ill", pa.bool_())
KIND = pa.field("kind", pa.string())
DOSE = pa.field("dose", pa.float32())
ROWS = 4000
OWNER = np.arange(ROWS)


def drawn(temperature, bias=0.0):
    """True log-odds, labels drawn from them, and probabilities that are off."""
    random = np.random.default_rng(0)
    logit = random.normal(0, 1.5, ROWS)
    positive = (random.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(float)
    return 1 / (1 + np.exp(-(logit * temperature + bias))), positive


def test_overconfident_probabilities_are_drawn_back():
    said, positive = drawn(3.0, bias=1.0)
    found = calibrate_binary(said, positive, OWNER)
    assert found.slope == pytest.approx(1 / 3, abs=0.04)
    assert found.bias == pytest.approx(-1 / 3, abs=0.1)
    better = found.probabilities(said, YES)
    one = np.ones(ROWS)
    assert calibration_error(better.astype(float), positive, one) < 0.03
    assert calibration_error(said, positive, one) > 0.1
    assert better.dtype == np.float32


def test_good_probabilities_stay_as_they_are():
    said, positive = drawn(1.0)
    random = np.random.default_rng(3)
    kept = [
        calibrate_binary(said[i], positive[i], i) for i in random.permutation(ROWS).reshape(20, 200)
    ]
    # On few rows a fit would follow chance: it must mostly be turned down.
    assert sum(found.slope == 1 and found.bias == 0 for found in kept) >= 10
    assert Calibration().probabilities(said, YES) is said


def test_too_few_rows_tell_nothing():
    said, positive = drawn(3.0)
    found = calibrate_binary(said[:60], positive[:60], OWNER[:60])
    assert (found.slope, found.bias) == (1.0, 0.0)
    assert calibrate_binary(said[:200], np.ones(200), OWNER[:200]) == Calibration()


def test_classes_get_a_temperature():
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (ROWS, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    actual = (true.cumsum(axis=1) < random.random((ROWS, 1))).sum(axis=1)
    sharp = true**2.5 / (true**2.5).sum(axis=1, keepdims=True)
    found = calibrate_classes(sharp, actual, OWNER)
    assert found.slope == pytest.approx(0.4, abs=0.05)
    back = found.probabilities(sharp.astype(np.float32), KIND)
    assert back.sum(axis=1) == pytest.approx(np.ones(ROWS), abs=1e-5)
    assert np.abs(back - true).max() < 0.05


def test_the_cut_is_where_both_classes_are_told_apart_best():
    probability = np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9])
    positive = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    assert youden_cut(probability, positive) in (0.25, 0.6)
    sums = {
        cut: ((probability >= cut) & (positive == 1)).sum() / 3
        + ((probability < cut) & (positive == 0)).sum() / 3
        for cut in (0.15, 0.25, 0.35, 0.6, 0.85)
    }
    assert sums[youden_cut(probability, positive)] == max(sums.values())
    assert youden_cut(probability, np.ones(6)) == 0.5
    assert youden_cut(np.full(4, 0.3), np.array([0.0, 1.0, 0.0, 1.0])) == 0.5


def test_a_quantity_gets_an_interval_that_holds_nine_in_ten():
    random = np.random.default_rng(2)
    score, error = random.normal(50, 10, ROWS), random.gamma(2, 3, ROWS)
    found = calibrate_quantity(score, score + error)
    assert len(found.residuals) == len(LEVELS) == 199
    raw = Outputs({"dose": score})
    assert raw.residuals.shape == (0,)
    outputs = found.apply(raw, DOSE)
    given = with_interval(Predictions(score.astype(np.float32)), outputs, DOSE)
    truth = score + random.gamma(2, 3, ROWS)
    inside = (given.interval_low <= truth) & (truth <= given.interval_high)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    assert given.interval_low.dtype == np.float32


def test_members_bound_the_probability_of_two_classes():
    values = {"ill": np.float32([0.5]), "ill/low": np.float32([0.2]), "ill/high": np.float32([0.9])}
    outputs = Calibration(slope=2.0, cut=0.3).apply(Outputs(values), YES)
    assert outputs.cut == 0.3
    given = with_interval(Predictions(outputs.values["ill"]), outputs, YES)
    assert given.interval_low == pytest.approx([0.0588], abs=1e-4)
    assert given.interval_high == pytest.approx([0.9878], abs=1e-4)
    own = Predictions(np.float32([0.5]), interval_low=np.float32([0.4]))
    assert with_interval(own, outputs, YES) is own
    none = Predictions(np.float32([0.5]))
    assert with_interval(none, Outputs({"ill": np.float32([0.5])}), YES) is none


def test_it_is_read_back_as_it_was_written():
    found = Calibration(1.5, 0.25, 0.4, (0.1, 0.2))
    assert Calibration.from_json(dataclasses.asdict(found)) == found
    assert Calibration.from_json({}) == Calibration()


def test_an_order_that_is_the_wrong_way_round_is_left_alone():
    said, positive = drawn(1.0)
    found = calibrate_binary(1 - said, positive, OWNER)
    assert (found.slope, found.bias) == (1.0, 0.0)
