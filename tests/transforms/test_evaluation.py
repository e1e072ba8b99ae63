import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from transforms.evaluation import beside_truth, difference, evaluate_predictions, slice_groups

TIME = datetime.datetime(2024, 1, 1)
COUNT = 120


def keys():
    return {
        "subject_id": list(range(COUNT)),
        "entity_id": list(range(COUNT)),
        "prediction_time": [TIME] * COUNT,
        "target_time": [None] * COUNT,
    }


def evaluated(predictions, examples, label, classes, groups):
    both = beside_truth(predictions, examples, label, groups)
    return evaluate_predictions(both, label, classes, groups)


def test_predictions_are_joined_by_their_keys():
    truth = [n % 2 == 0 for n in range(COUNT)]
    sex = ["F" if n < 60 else "" for n in range(COUNT)]
    examples = pl.DataFrame({**keys(), "ill": truth, "sex": sex, "age_years": [30.0] * COUNT})
    # In another order, and without the last example, which was refused.
    predictions = pl.DataFrame({**keys(), "score": [0.9 if hit else 0.1 for hit in truth]})
    predictions = predictions[:-1].reverse()
    found = evaluated(
        predictions, examples, pa.field("ill", pa.bool_()), (), slice_groups(examples)
    )
    assert (found.rows, found.subjects) == (119, 119)
    assert found.measures["auroc"].value == 1.0
    assert found.measures["brier"].value == pytest.approx(0.01)
    assert found.baseline["auroc"] == 0.5
    assert found.baseline["brier"] == pytest.approx(60 * 59 / 119**2)
    assert {name: rows for name, (rows, _) in found.slices.items()} == {
        "sex=F": 60,
        "age=18-44": 119,
    }
    assert found.as_json()["slices"]["sex=F"]["measures"]["auroc"]["value"] == 1.0


def test_classes_come_from_the_map_of_probabilities():
    classes = ("a", "b", "c")
    truth = [classes[n % 3] for n in range(COUNT)]
    # The map's order is not that of the classes.
    right = [
        [{"key": name, "value": 0.8 if name == t else 0.1} for name in ("c", "a", "b")]
        for t in truth
    ]
    predictions = pl.DataFrame({**keys(), "score": [0.8] * COUNT, "probabilities": right})
    examples = pl.DataFrame({**keys(), "best": truth})
    found = evaluated(predictions, examples, pa.field("best", pa.string()), classes, {})
    assert found.measures["accuracy"].value == 1.0
    assert found.measures["brier"].value == pytest.approx(0.04 + 0.01 + 0.01)
    assert found.baseline["accuracy"] == pytest.approx(1 / 3)


def test_quantities_are_measured_in_their_unit():
    predictions = pl.DataFrame({**keys(), "score": [1.0] * COUNT})
    examples = pl.DataFrame({**keys(), "cases": np.linspace(0, 2, COUNT)})
    found = evaluated(predictions, examples, pa.field("cases", pa.float32()), (), {})
    assert found.measures["mae"].value == pytest.approx(0.5042, abs=1e-3)
    assert found.measures["rmse"].value == pytest.approx(found.baseline["rmse"])


def test_small_groups_are_not_measured_alone():
    examples = pl.DataFrame({"sex": ["F"] * 10, "age_years": [17.9] * 10})
    groups = slice_groups(examples)
    assert groups["age"].to_list() == ["0-17"] * 10
    assert slice_groups(pl.DataFrame({"x": [1]})) == {}


def test_a_class_that_training_never_saw_is_always_wrong():
    sure = [[{"key": "a", "value": 1.0}]] * COUNT
    predictions = pl.DataFrame({**keys(), "score": [1.0] * COUNT, "probabilities": sure})
    examples = pl.DataFrame({**keys(), "best": ["a" if n < 90 else "new" for n in range(COUNT)]})
    found = evaluated(predictions, examples, pa.field("best", pa.string()), ("a",), {})
    assert found.measures["accuracy"].value == 0.75


def test_rows_about_no_patient_are_resampled_by_entity():
    truth = np.arange(COUNT) % 7
    none = {**keys(), "subject_id": [None] * COUNT}
    predictions = pl.DataFrame({**none, "score": [1.0] * COUNT})
    examples = pl.DataFrame({**none, "cases": truth.astype(float), "horizon": truth % 2})
    groups = slice_groups(examples, ("horizon",))
    found = evaluated(predictions, examples, pa.field("cases", pa.float32()), (), groups)
    assert found.subjects == COUNT
    assert found.measures["mae"].low < found.measures["mae"].value < found.measures["mae"].high
    assert sorted(found.slices) == ["horizon=0", "horizon=1"]


def test_two_versions_are_compared_on_the_rows_that_both_have():
    truth = [n % 2 == 0 for n in range(COUNT)]
    examples = pl.DataFrame({**keys(), "ill": truth})
    label = pa.field("ill", pa.bool_())
    random = np.random.default_rng(0)
    good = [0.8 if hit else 0.2 for hit in truth]
    frames = [
        beside_truth(pl.DataFrame({**keys(), "score": score}), examples, label, {})
        for score in (good, random.random(COUNT).tolist())
    ]
    found = difference((frames[0], ()), (frames[1][:100], ()), label, "auroc")
    alone = evaluate_predictions(frames[1][:100], label, (), []).measures["auroc"].value
    assert found.value == pytest.approx(1 - alone)
    assert 0 < found.low < found.value < found.high
    same = difference((frames[1], ()), (frames[1], ()), label, "auroc")
    assert (same.value, same.low, same.high) == (0, 0, 0)
