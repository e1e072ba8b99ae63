import pyarrow as pa
import pytest

from transforms.evaluation import Evaluation
from transforms.gate import decide
from transforms.metrics import Estimate

BOOL = pa.field("ill", pa.bool_())
QUANTITY = pa.field("cases", pa.float32())
NAN = float("nan")


def measured(**values):
    estimates = {name: Estimate(value, NAN, NAN) for name, value in values.items()}
    return Evaluation(10, 10, estimates, {}, {})


def between(low, high):
    """The interval of the difference, challenger - champion."""
    return Estimate((low + high) / 2, low, high)


UNSURE = between(-0.5, 0.5)


@pytest.mark.parametrize(
    ("new", "old", "promoted"),
    [(0.8, 0.8, True), (0.795, 0.8, True), (0.78, 0.8, False), (0.9, 0.8, True), (NAN, 0.8, False)],
)
def test_auroc_may_fall_by_the_margin(new, old, promoted):
    found = decide(BOOL, measured(auroc=new), measured(auroc=old), UNSURE, margin=0.01)
    assert found.promoted is promoted


@pytest.mark.parametrize(("new", "promoted"), [(100.0, True), (100.9, True), (102.0, False)])
def test_an_error_may_grow_by_the_margin(new, promoted):
    found = decide(QUANTITY, measured(rmse=new), measured(rmse=100.0), UNSURE, margin=0.01)
    assert found.promoted is promoted
    assert f"rmse is {new:.4f}" in found.reason


def test_the_first_version_passes():
    assert decide(BOOL, measured(auroc=NAN), None, None).promoted


def test_a_small_but_certain_loss_does_not_pass():
    auroc = measured(auroc=0.795), measured(auroc=0.8)
    assert not decide(BOOL, *auroc, between(-0.009, -0.001)).promoted
    assert decide(BOOL, *auroc, between(-0.009, 0.001)).promoted
    rmse = measured(rmse=100.5), measured(rmse=100.0)
    assert not decide(QUANTITY, *rmse, between(0.1, 0.9)).promoted
    found = decide(QUANTITY, *rmse, between(-0.1, 0.9))
    assert found.promoted
    assert "95 % interval -0.1000 to +0.9000" in found.reason
