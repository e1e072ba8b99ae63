import numpy as np
import pyarrow as pa
import pytest

from transforms import forest_estimator
from transforms.forest_estimator import MEAN, ForestEstimator
from transforms.linear_forest import LinearForestLearner
from transforms.tensors import encode_text

FEATURES = pa.schema([("word", pa.string()), ("other", pa.float32()), ("x", pa.float32())])
ROWS = 200


@pytest.fixture
def columns(monkeypatch):
    """Columns of the features, which the graph gives as they are."""
    monkeypatch.setattr(forest_estimator, "load_graph", lambda folder: lambda columns: columns)
    random = np.random.default_rng(0)
    return {
        "word": np.array(["a", "b"])[random.integers(0, 2, ROWS)],
        "other": np.zeros(ROWS, np.float32),
        "x": random.normal(size=ROWS).astype(np.float32),
    }


def batch(columns):
    return encode_text(pa.record_batch(columns, schema=FEATURES), FEATURES)


def forest(task, **settings):
    import ydf

    ydf.verbose(0)
    return ydf.RandomForestLearner(
        label="y", task=getattr(ydf.Task, task), num_trees=9, winner_take_all=False, **settings
    )


def total(outputs):
    return outputs.values["driver_contribution"].sum(axis=1)


def test_drivers_of_true_are_those_of_its_probability(columns, tmp_path):
    label = np.where(columns["x"] + (columns["word"] == "a") > 0, "true", "false")
    model = forest("CLASSIFICATION").train({**columns, "y": label}, verbose=0)
    model.save(str(tmp_path / "forest"))
    estimator = ForestEstimator(str(tmp_path), FEATURES, pa.field("y", pa.bool_()), ())
    found = estimator.predict(batch(columns))

    assert found.values["y"] == pytest.approx(model.predict(columns), abs=1e-5)
    base = found.values["y"] - total(found)
    assert base == pytest.approx(np.full(ROWS, base[0]), abs=1e-5)
    assert set(np.unique(found.values["driver_index"][:, 0])) <= {0, 2}


def test_drivers_of_classes_are_those_of_the_likeliest(columns, tmp_path):
    classes = ("high", "low", "middle", "never seen")
    label = np.array(["low", "middle", "high"])[np.digitize(columns["x"], [-0.5, 0.5])]
    model = forest("CLASSIFICATION").train({**columns, "y": label}, verbose=0)
    model.save(str(tmp_path / "forest"))
    found = ForestEstimator(str(tmp_path), FEATURES, pa.field("y", pa.string()), classes).predict(
        batch(columns)
    )

    order = [model.label_classes().index(name) for name in classes[:3]]
    assert found.values["y"][:, :3] == pytest.approx(model.predict(columns)[:, order], abs=1e-5)
    assert (found.values["y"][:, 3] == 0).all()
    largest = found.values["y"].argmax(axis=1)
    base = found.values["y"].max(axis=1) - total(found)
    for place in np.unique(largest):  # one mean for each class
        assert np.ptp(base[largest == place]) < 1e-5


def test_an_equation_s_terms_are_drivers_too(columns, tmp_path):
    label = pa.field("y", pa.float32())
    learner = LinearForestLearner(forest("REGRESSION"), "y", np.sqrt, 1.0, -10.0)
    root = 6 + columns["x"] + 2 * (columns["word"] == "a")
    trained = learner.train({**columns, "y": np.square(root)}, verbose=0)
    trained.save(str(tmp_path / "forest"))
    found = ForestEstimator(str(tmp_path), FEATURES, label, ()).predict(batch(columns))

    assert found.values["y"] == pytest.approx(root, abs=0.5)
    assert found.values["y" + MEAN].tolist() == pytest.approx([root.mean()] * ROWS, abs=0.05)
    assert total(found) == pytest.approx(found.values["y"] - found.values["y" + MEAN], abs=1e-4)


@pytest.mark.parametrize("with_equation", [True, False])
def test_without_a_feature_to_each_column_there_are_no_drivers(
    columns, tmp_path, monkeypatch, with_equation
):
    monkeypatch.setattr(
        forest_estimator, "load_graph", lambda folder: lambda c: {"z": c["x"], "word": c["word"]}
    )
    given = {"z": columns["x"], "word": columns["word"]}
    learner = forest("REGRESSION")
    if with_equation:
        learner = LinearForestLearner(learner, "y", np.asarray, 1.0, -10.0)
    trained = learner.train({**given, "y": 3 * columns["x"]}, verbose=0)
    trained.save(str(tmp_path / "forest"))
    found = ForestEstimator(str(tmp_path), FEATURES, pa.field("y", pa.float32()), ()).predict(
        batch(columns)
    )

    assert set(found.values) == {"y"}
    assert np.corrcoef(found.values["y"], columns["x"])[0, 1] > 0.95
