import datetime

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from transforms.evaluation import evaluate_predictions, slice_groups

TIME = datetime.datetime(2024, 1, 1)
COUNT = 120


def keys():
    return {
        "subject_id": list(range(COUNT)),
        "entity_id": list(range(COUNT)),
        "prediction_time": [TIME] * COUNT,
    }


def test_predictions_are_joined_by_their_keys():
    truth = [n % 2 == 0 for n in range(COUNT)]
    sex = ["F" if n < 60 else "" for n in range(COUNT)]
    examples = pl.DataFrame({**keys(), "ill": truth, "sex": sex, "age_years": [30.0] * COUNT})
    # In another order, and without the last example, which was refused.
    predictions = pl.DataFrame({**keys(), "score": [0.9 if hit else 0.1 for hit in truth]})
    predictions = predictions[:-1].reverse()
    found = evaluate_predictions(
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
    found = evaluate_predictions(predictions, examples, pa.field("best", pa.string()), classes, {})
    assert found.measures["accuracy"].value == 1.0
    assert found.measures["brier"].value == pytest.approx(0.04 + 0.01 + 0.01)
    assert found.baseline["accuracy"] == pytest.approx(1 / 3)


def test_quantities_are_measured_in_their_unit():
    predictions = pl.DataFrame({**keys(), "score": [1.0] * COUNT})
    examples = pl.DataFrame({**keys(), "cases": np.linspace(0, 2, COUNT)})
    found = evaluate_predictions(predictions, examples, pa.field("cases", pa.float32()), (), {})
    assert found.measures["mae"].value == pytest.approx(0.5042, abs=1e-3)
    assert found.measures["rmse"].value == pytest.approx(found.baseline["rmse"])


def test_small_groups_are_not_measured_alone():
    examples = pl.DataFrame({"sex": ["F"] * 10, "age_years": [17.9] * 10})
    groups = slice_groups(examples)
    assert groups["age"].to_list() == ["0-17"] * 10
    assert slice_groups(pl.DataFrame({"x": [1]})) == {}
