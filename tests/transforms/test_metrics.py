import numpy as np
import pytest

from transforms.metrics import (
    auprc,
    auroc,
    binary_measures,
    calibration_error,
    class_measures,
    estimate,
    macro_f1,
    quantity_measures,
)

RANDOM = np.random.default_rng(0)
SCORE = np.round(RANDOM.random(60), 1)  # with ties
TRUTH = (RANDOM.random(60) < SCORE).astype(float)
ONES = np.ones(60)


def test_auroc_is_the_share_of_pairs_in_order():
    positive, negative = SCORE[TRUTH == 1], SCORE[TRUTH == 0]
    pairs = positive[:, None] - negative[None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert auroc(SCORE, TRUTH, ONES) == pytest.approx(expected, abs=1e-12)


def test_auprc_is_the_mean_precision_at_the_positives():
    expected = np.mean(
        [TRUTH[score <= SCORE].mean() for score, hit in zip(SCORE, TRUTH, strict=True) if hit]
    )
    assert auprc(SCORE, TRUTH, ONES) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("measure", [auroc, auprc, calibration_error])
def test_weights_are_repetitions(measure):
    counts = RANDOM.integers(0, 4, 60)
    repeated = measure(SCORE.repeat(counts), TRUTH.repeat(counts), np.ones(counts.sum()))
    assert measure(SCORE, TRUTH, counts.astype(float)) == pytest.approx(repeated, abs=1e-12)


def test_one_class_has_no_auroc():
    assert np.isnan(auroc(SCORE, np.ones(60), ONES))
    assert np.isnan(auprc(SCORE, np.zeros(60), ONES))


def test_calibration_error_is_the_mean_gap_of_the_bins():
    confidence = np.array([0.05, 0.05, 0.95, 1.0])
    correct = np.array([0.0, 1.0, 1.0, 1.0])
    # bins: |0.05 - 0.5| of two rows, |0.975 - 1| of two rows
    assert calibration_error(confidence, correct, np.ones(4)) == pytest.approx(0.45 / 2 + 0.025 / 2)


def test_macro_f1_leaves_out_classes_that_do_not_occur():
    predicted, actual = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    expected = (2 * 1 / 3 + 2 * 2 / 5) / 2
    assert macro_f1(predicted, actual, 5, np.ones(4)) == pytest.approx(expected)


def test_binary_measures_by_hand():
    found = binary_measures(np.array([0.2, 0.6]), np.array([0.0, 1.0]))
    values = {name: measure(np.ones(2)) for name, measure in found.items()}
    assert values == pytest.approx(
        {"auroc": 1.0, "auprc": 1.0, "brier": 0.1, "ece": 0.3, "accuracy": 1.0}
    )


def test_accuracy_is_of_the_cut_that_decides():
    probability, positive = np.array([0.2, 0.4]), np.array([0.0, 1.0])
    found = [binary_measures(probability, positive, cut)["accuracy"] for cut in (0.5, 0.4, 0.1)]
    assert [measure(np.ones(2)) for measure in found] == [0.5, 1.0, 0.5]


def test_class_measures_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
    found = class_measures(probabilities, np.array([0, 2]))
    values = {name: measure(np.ones(2)) for name, measure in found.items()}
    assert values["accuracy"] == 0.5
    assert values["brier"] == pytest.approx((0.09 + 0.04 + 0.01 + 0.01 + 0.36 + 0.49) / 2)
    assert values["auroc"] == 1.0  # of the two classes that occur
    assert values["macro_f1"] == pytest.approx(1 / 3)


def test_quantity_measures_by_hand():
    found = quantity_measures(np.array([1.0, 2.0]), np.array([1.0, 5.0]))
    assert found["mae"](np.ones(2)) == 1.5
    assert found["rmse"](np.ones(2)) == pytest.approx(np.sqrt(4.5))


def test_intervals_hold_the_truth_and_come_from_subjects():
    values = RANDOM.normal(size=400)
    measures = {"mean": lambda w: float(np.average(values, weights=w))}
    rows = estimate(measures, np.arange(400))["mean"]
    assert rows.low < rows.value < rows.high
    assert rows.high - rows.low == pytest.approx(2 * 1.96 / 20, rel=0.25)
    assert estimate(measures, np.arange(400))["mean"] == rows  # the seed is fixed
    few = estimate(measures, np.arange(400) // 100)["mean"]
    assert few.value == rows.value
    assert estimate(measures, np.zeros(400, int))["mean"].low == pytest.approx(rows.value)


def test_no_rows_give_nan():
    found = estimate({"mean": lambda w: 1.0}, np.array([], int))
    assert np.isnan(found["mean"].value)
