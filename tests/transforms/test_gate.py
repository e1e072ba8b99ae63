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


@pytest.mark.parametrize(
    ("new", "old", "promoted"),
    [(0.8, 0.8, True), (0.795, 0.8, True), (0.78, 0.8, False), (0.9, 0.8, True), (NAN, 0.8, False)],
)
def test_auroc_may_fall_by_the_margin(new, old, promoted):
    found = decide(BOOL, measured(auroc=new), measured(auroc=old), margin=0.01)
    assert found.promoted is promoted


@pytest.mark.parametrize(("new", "promoted"), [(100.0, True), (100.9, True), (102.0, False)])
def test_an_error_may_grow_by_the_margin(new, promoted):
    found = decide(QUANTITY, measured(rmse=new), measured(rmse=100.0), margin=0.01)
    assert found.promoted is promoted
    assert f"rmse is {new:.4f}" in found.reason


def test_the_first_version_passes():
    assert decide(BOOL, measured(auroc=NAN), None).promoted
