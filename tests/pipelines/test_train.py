import dataclasses
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import model_defs
from pipelines.evaluate import evaluate
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, score
from tests.pipelines.trained import (
    CLASSIFIERS,
    STANDINS,
    copy_of,
    folders,
    hospital_in,
    train_model,
    trained_in,
)
from tests.standins import examples as shared
from tests.standins import logistic
from transforms import registry
from transforms.acceleration import Acceleration
from transforms.errors import Refused
from transforms.parquet import read_files
from transforms.schemas import PREDICTIONS
from transforms.splits import GivenSplits


@pytest.fixture(autouse=True)
def standins(monkeypatch):
    """The stand-ins take the place of the models that the package has."""
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)


@pytest.fixture
def hospital(tmp_path_factory):
    return hospital_in(tmp_path_factory.getbasetemp())


@pytest.fixture
def trained(tmp_path_factory):
    return trained_in(tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_a_model_learns_and_is_stored(model, trained):
    found = trained[model]
    folder = found.version.folder
    assert found.decision.promoted
    assert sum(found.rows.values()) == 199  # the last subject has no label
    assert 100 < found.rows["train"] < 175
    assert found.evaluation.measures["auroc"].value > 0.95
    assert registry.champion(folder.rsplit("/", 2)[0], model) == found.version
    registry.verify(found.version)
    metrics = json.loads(Path(folder, "metrics.json").read_text())
    assert metrics["rows"] == found.rows["held_out"] == found.evaluation.rows
    card = Path(folder, "card.md").read_text()
    assert CLASSIFIERS[model].__doc__ in card
    assert f"auroc | {found.evaluation.measures['auroc'].value:.3f}" in card


def test_an_accelerated_training_gives_a_version_that_computes_in_float32(
    trained, hospital, tmp_path
):
    import tensorflow as tf
    import tf_keras

    both = Acceleration(mixed_precision=True, xla=True)
    found = train_model("logistic", hospital, tmp_path, acceleration=both)
    for version, used in ((found.version, True), (trained["logistic"].version, False)):
        described = version.read_json(registry.MODEL)
        assert (described["mixed_precision"], described["xla"]) == (used, used)
    losses, plain = (
        version.read_json(registry.MODEL)["tuning_losses"][0]
        for version in (found.version, trained["logistic"].version)
    )
    assert losses != plain
    assert losses == pytest.approx(plain, rel=0.05)
    serve = tf.saved_model.load(found.version.file("saved_model")).signatures["serving_default"]
    assert serve.structured_outputs["is_high"].dtype == tf.float32
    graph = serve.graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    assert len(nodes) > 20
    assert not [
        n.name for n in nodes if tf.float16.as_datatype_enum in {a.type for a in n.attr.values()}
    ]
    assert tf_keras.mixed_precision.global_policy().name == "float32"


def test_a_forest_ignores_acceleration(trained, hospital, tmp_path):
    both = Acceleration(mixed_precision=True, xla=True)
    found = train_model("forest", hospital, tmp_path, acceleration=both)
    assert found.evaluation == trained["forest"].evaluation
    assert "xla" not in found.version.read_json(registry.MODEL)


@pytest.mark.parametrize("model", ["logistic", "forest"])
def test_the_same_data_and_seed_give_the_same_measures(model, trained, hospital, tmp_path):
    again = train_model(model, hospital, tmp_path)
    assert again.evaluation == trained[model].evaluation


def test_a_worse_challenger_does_not_become_champion(trained, hospital, tmp_path):
    first = copy_of(trained["logistic"].version, tmp_path)
    away_from_the_labels = logistic.Config(epochs=1, learning_rate=-1.0)
    second = train_model("logistic", hospital, tmp_path, config=away_from_the_labels)
    assert not second.decision.promoted
    assert "worse than the champion" in second.decision.reason
    assert registry.champion(str(tmp_path), "logistic") == first
    assert second.version != first


def test_too_few_labels_are_refused_with_the_counts(tmp_path):
    few = shared.as_buckets(shared.tables(subjects=5), tmp_path)
    with pytest.raises(Refused, match=r"logistic: \d examples .* in the split train"):
        train_model("logistic", few, tmp_path / "models")


def test_ready_files_of_examples_serve_as_buckets_do(trained, hospital, tmp_path):
    found = logistic.examples(shared.tables(), shared.AS_OF)
    path = tmp_path / "examples.parquet"
    found.write_parquet(path)
    result = train_model("logistic", [str(path)], tmp_path / "models")
    assert result.rows == trained["logistic"].rows
    run = ScoreRun("r", shared.AS_OF, folders(tmp_path))
    ready = score([result.version], [str(path)], run, pipeline_options())
    assert ready.stages["logistic"].written == 200


def test_given_splits_decide_who_is_trained_on(hospital, tmp_path):
    ids = np.arange(1, 201)
    index = np.where(ids <= 120, 0, np.where(ids <= 150, 1, 2))
    given = GivenSplits(ids[:180], index[:180])
    found = train_model("logistic", hospital, tmp_path, splits=given)
    assert found.rows == {"train": 120, "tuning": 30, "held_out": 30}


def test_a_champion_of_other_splits_is_not_compared_with(trained, hospital, tmp_path, capsys):
    copy_of(trained["logistic"].version, tmp_path)
    ids = np.arange(1, 201)
    given = GivenSplits(ids, np.where(ids <= 120, 0, np.where(ids <= 150, 1, 2)))
    worse = logistic.Config(epochs=1, learning_rate=-1.0)
    found = train_model("logistic", hospital, tmp_path, config=worse, splits=given)
    assert found.decision.promoted
    assert "first version that can be compared" in found.decision.reason
    evaluate(
        [found.version],
        hospital,
        shared.AS_OF,
        str(tmp_path / "given"),
        pipeline_options(),
        splits=given,
    )
    assert "trained with other splits" not in capsys.readouterr().err
    evaluate([found.version], hospital, shared.AS_OF, str(tmp_path / "own"), pipeline_options())
    assert "trained with other splits" in capsys.readouterr().err


def test_without_promotion_the_champion_stays(trained, hospital, tmp_path):
    first = copy_of(trained["logistic"].version, tmp_path)
    second = train_model("logistic", hospital, tmp_path, promote=False)
    assert second.decision.promoted
    assert registry.champion(str(tmp_path), "logistic") == first


def test_what_a_refused_training_read_does_not_stay(tmp_path):
    few = shared.as_buckets(shared.tables(subjects=5), tmp_path)
    with pytest.raises(Refused):
        train_model("logistic", few, tmp_path / "models")
    assert not list(tmp_path.glob("models/*/.work-*"))


def with_other_held_out(tables, ids):
    """The tables with other values, words and labels of these subjects."""
    mine = pl.col("subject_id").is_in(ids.tolist())
    is_value = pl.col("code") == "VALUE"
    events = tables.events.with_columns(
        numeric_value=pl.when(mine & is_value)
        .then(pl.lit(1e6, pl.Float32))
        .otherwise("numeric_value"),
        text_value=pl.when(mine)
        .then(pl.when(is_value).then(pl.lit("Planted")).otherwise(pl.lit("high")))
        .otherwise("text_value"),
    )
    return dataclasses.replace(tables, events=events)


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_held_out_rows_touch_nothing_that_is_learnt(model, hospital, tmp_path):
    """Vocabulary, weights, early stopping, calibration: the two versions say the same."""
    ids = np.arange(1, 201)
    given = GivenSplits(ids, np.where(ids % 5 == 4, 2, ids % 5 == 3).astype(np.int64))
    told = []
    for number, tables in enumerate(
        [shared.tables(), with_other_held_out(shared.tables(), ids[ids % 5 == 4])]
    ):
        (tmp_path / f"b{number}").mkdir()
        source = shared.as_buckets(tables, tmp_path / f"b{number}")
        found = train_model(model, source, tmp_path / f"m{number}", splits=given)
        version = found.version
        assert found.rows == {"train": 119, "tuning": 40, "held_out": 40}
        files = [path.read_bytes() for path in Path(version.folder).rglob("*") if path.is_file()]
        assert not any(b"Planted" in content for content in files)
        run = ScoreRun("r", shared.AS_OF, folders(tmp_path / f"s{number}"))
        paths = [f.path for f in score([version], hospital, run, pipeline_options()).files]
        said = pl.DataFrame(read_files(paths, PREDICTIONS).select(["entity_id", "score", "label"]))
        told.append((version.read_json(registry.MODEL), said.sort("entity_id"), found.evaluation))
    (described, said, measured), (same, again, others) = told
    assert described == same
    assert said.height == 200
    assert said.equals(again)
    assert measured != others
