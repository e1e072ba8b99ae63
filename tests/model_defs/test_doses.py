import numpy as np
import pytest

from model_defs._doses import class_names, predict_doses, read_cuts
from transforms.calibration import LEVELS

CUTS = (21.0, 49.0)
# Residuals, mg/week, of roots that are off by a normal error of 1 at a typical root of 6.
ERRORS = np.linspace(-2, 2, len(LEVELS))
RESIDUALS = np.square(6 + ERRORS) - 36


def test_cuts_are_ascending_numbers():
    assert read_cuts(("21", "49")) == CUTS
    assert read_cuts(()) == ()
    for bad in (("49", "21"), ("0", "5"), ("low",), ("21", "21"), ("nan",), ("5", "nan")):
        with pytest.raises(ValueError, match="ascending numbers above 0, not"):
            read_cuts(bad)


@pytest.mark.parametrize(
    ("cuts", "names"),
    [
        ((30.0,), ("≤30 mg/week", ">30 mg/week")),
        ((21.0, 49.0), ("≤21 mg/week", ">21 to <49 mg/week", "≥49 mg/week")),
        (
            (10.0, 21.5, 49.0),
            ("≤10 mg/week", ">10 to ≤21.5 mg/week", ">21.5 to <49 mg/week", "≥49 mg/week"),
        ),
    ],
)
def test_classes_are_named_by_their_cuts(cuts, names):
    assert class_names(cuts) == names


def test_the_dose_is_the_square_of_the_root():
    found = predict_doses(np.float32([3, 6, -1]), 6.0, RESIDUALS, CUTS)

    assert found.score.tolist() == [9, 36, 0]
    assert found.score.dtype == np.float32


def test_probabilities_are_shares_of_the_errors():
    root = np.float32([np.sqrt(22.25), 6.0, np.sqrt(47.75)])
    found = predict_doses(root, 6.0, RESIDUALS, CUTS)

    # 22.25 is as far as half a step above the cut reaches, 47.75 as half a step below.
    assert found.probabilities[0, 0] == pytest.approx(0.5, abs=0.01)
    assert found.probabilities[2, 2] == pytest.approx(0.5, abs=0.01)
    under = np.interp([np.sqrt(22.25) - 6, np.sqrt(47.75) - 6], ERRORS, LEVELS)
    assert found.probabilities[1] == pytest.approx([under[0], under[1] - under[0], 1 - under[1]])
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(3))
    assert found.label[1] == 1
    assert found.classes == class_names(CUTS)


def test_nothing_is_certain():
    found = predict_doses(np.float32([1, 20]), 6.0, RESIDUALS, CUTS)

    assert found.label.tolist() == [0, 2]
    assert found.probabilities.max(axis=1) == pytest.approx([0.9975, 0.9975])


def test_the_interval_is_of_the_roots_and_widens_with_the_dose():
    found = predict_doses(np.float32([0.5, 4, 8]), 6.0, RESIDUALS, CUTS)
    low, high = np.interp([0.05, 0.95], LEVELS, ERRORS)

    assert found.interval_low == pytest.approx([0, (4 + low) ** 2, (8 + low) ** 2], rel=1e-5)
    assert found.interval_high == pytest.approx([(r + high) ** 2 for r in (0.5, 4, 8)], rel=1e-5)


def test_before_the_residuals_are_known_there_is_the_dose_alone():
    found = predict_doses(np.float32([6]), 6.0, np.zeros(0, np.float32), CUTS)

    assert found.score.tolist() == [36]
    assert found.probabilities is None
    assert found.interval_low is None
