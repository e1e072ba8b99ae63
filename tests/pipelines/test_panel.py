"""A definition that states all it may: it gathers, splits, forecasts several times, extracts."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import model_defs
from pipelines.evaluate import evaluate
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, score
from tests.pipelines.trained import STANDINS, folders, hospital_in, train_model
from tests.standins import examples as shared
from tests.standins import panel
from transforms.parquet import read_files
from transforms.schemas import EXTRACTIONS, PREDICTIONS
from transforms.training_progress import Progress


@pytest.fixture(autouse=True)
def standins(monkeypatch):
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)


@pytest.fixture
def hospital(tmp_path_factory):
    return hospital_in(tmp_path_factory.getbasetemp())


def test_it_trains_on_all_buckets_at_once_and_scores_with_them(hospital, tmp_path):
    trained = train_model("panel", hospital, tmp_path / "m", config=panel.Config(factor=2.0))
    assert trained.rows == {"train": 202, "tuning": 66, "held_out": 66}  # of 400, 66 in no split
    measures, baseline = trained.evaluation.measures, trained.evaluation.baseline
    assert measures["rmse"].value < baseline["rmse"] / 5
    described = json.loads(Path(trained.version.folder, "model.json").read_text())
    assert described["label"] == "above_times_2"
    assert len(described["calibration"]["residuals"]) == 199

    run = ScoreRun("run1", shared.AS_OF, folders(tmp_path))
    found = score([trained.version], hospital, run, pipeline_options())
    stage = found.stages["panel"]
    assert (stage.read, stage.written) == (400, 400)
    files = {name: [f.path for f in found.files if f.table == name] for name in run.folders}
    table = read_files(files["predictions"], PREDICTIONS)
    rows = pl.DataFrame(
        table.select(["entity_id", "score", "interval_low", "interval_high", "advice", "picture"])
    ).with_columns(horizon=(pl.Series(table["target_time"]) - shared.AS_OF).dt.total_days())
    values = shared.tables().events.filter(pl.col("code") == "VALUE")
    mean = values["numeric_value"].mean()
    truth = dict(values.select("subject_id", "numeric_value").iter_rows())
    for entity, said, low, high, advice, picture, horizon in rows.iter_rows():
        expected = 2 * horizon * (truth[entity] - mean)
        assert said == pytest.approx(expected, abs=2)
        assert low <= high
        assert (advice, picture) == (("look", b"png") if said > 0 else ("leave", None))
    assert table["subject_id"].null_count == 400
    first = table["quantiles"][0].as_py()
    assert [name for name, _ in first] == ["0.1", "0.5", "0.9"]
    assert first[1][1] == table["score"][0].as_py()

    extracted = pl.DataFrame(read_files(files["extractions"], EXTRACTIONS))
    assert extracted.height == 200
    assert set(extracted["run_id"]) == {"run1"}
    assert set(extracted["entity_type"]) == {"value"}


def test_a_mean_of_members_lies_between_them(hospital, tmp_path):
    import tensorflow as tf

    both = train_model("panel", hospital, tmp_path / "two", config=panel.Config(epochs=1))
    single = [
        train_model(
            "panel", hospital, tmp_path / str(n), config=panel.Config(epochs=1, seed=n, members=1)
        )
        for n in (0, 1)
    ]
    inputs = {name: tf.constant([0.5, -1.0]) for name in panel.FEATURES.names}
    outputs = []
    for found in (both, *single):
        model = tf.saved_model.load(f"{found.version.folder}/saved_model")
        outputs.append(
            {k: v.numpy() for k, v in model.signatures["serving_default"](**inputs).items()}
        )
    mean, first, second = outputs
    assert not np.allclose(first["above_times_1"], second["above_times_1"])
    said = np.stack([first["above_times_1"], second["above_times_1"]])
    assert mean["above_times_1"] == pytest.approx(said.mean(axis=0), rel=1e-5)
    assert mean["above_times_1/low"] == pytest.approx(said.min(axis=0), rel=1e-5)
    assert mean["above_times_1/high"] == pytest.approx(said.max(axis=0), rel=1e-5)


def test_evaluate_gives_the_held_out_predictions_beside_the_truth(hospital, tmp_path):
    trained = train_model("panel", hospital, tmp_path, config=panel.Config(epochs=5))
    found = evaluate([trained.version], hospital, shared.AS_OF, str(tmp_path), pipeline_options())[
        "panel"
    ]
    assert found.evaluation == trained.evaluation
    rows = found.predictions
    assert rows.height == 66
    assert set(rows["entity_id"] % 6) == {4}
    error = (rows["score"] - rows["truth"]).to_numpy()
    assert found.evaluation.measures["rmse"].value == pytest.approx(np.sqrt((error**2).mean()))


def test_a_training_that_was_killed_ends_like_an_undisturbed_one(hospital, tmp_path, monkeypatch):
    """Killed within the first member, the last epoch lost, and near the end of the second."""
    config = panel.Config(epochs=8, patience=2, dropout=0.3)
    add, losses, deaths = Progress.add, [], []

    def killed(progress, loss):
        at, is_kept = deaths[0] if deaths else (0, True)
        if len(losses) == at - 1 and not is_kept:
            raise KeyboardInterrupt
        add(progress, loss)
        losses.append(loss)
        if len(losses) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "add", killed)
    undisturbed = train_model("panel", hospital, tmp_path / "a", config=config)
    expected = losses.copy()
    assert len(expected) < 2 * config.epochs, "one stops early"
    losses.clear()
    for death in ((3, False), (len(expected) - 1, True)):
        deaths[:] = [death]
        with pytest.raises(KeyboardInterrupt):
            train_model("panel", hospital, tmp_path / "b", config=config)
    deaths.clear()
    resumed = train_model("panel", hospital, tmp_path / "b", config=config)
    assert losses == expected
    assert resumed.evaluation == undisturbed.evaluation
