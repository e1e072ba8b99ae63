"""What the verbs do beyond calling a pipeline: `all` is what the data allow."""

import datetime
import types

import pytest

from pipelines import nightly, train_models
from pipelines import train as training
from pipelines.outcome_lines import describe_model
from pipelines.runner import pipeline_options
from transforms.errors import Refused, TooLittleData, UsageError
from transforms.evaluation import Evaluation
from transforms.gate import Decision
from transforms.metrics import Estimate
from transforms.registry import ModelVersion

DAY = datetime.datetime(2024, 1, 1)
WAREHOUSE = types.SimpleNamespace(folder="w")


@pytest.fixture
def trainable(monkeypatch):
    """Models of this set can be trained, the others lack data."""
    allowed = set()

    def train(model, *_, **__):
        if model not in allowed:
            raise TooLittleData(f"{model}: 0 examples")
        measured = Evaluation(1, 1, {"auroc": Estimate(0.8, 0.7, 0.9)}, {}, {})
        version = ModelVersion(model, "v1", "folder")
        return training.Trained(version, measured, Decision(True, "first"), {"train": 20}, {})

    monkeypatch.setattr(train_models, "train", train)
    return allowed


def train(names, *, skip):
    return train_models.train_models(
        "models", "work", dict.fromkeys(names), None, DAY, pipeline_options(), None, skip=skip
    )


def test_all_trains_what_the_data_allow(trainable, capsys):
    trainable.add("b")
    found = train(["a", "b"], skip=True).models
    assert found["a"] == {"refused": "a: 0 examples"}
    assert found["b"]["champion"]
    assert "not trained: a: 0 examples" in capsys.readouterr().err
    assert describe_model(found["a"]) == "not trained (a: 0 examples)"


def test_a_model_that_is_named_must_be_trainable(trainable):
    trainable.add("b")
    with pytest.raises(Refused, match="a: 0 examples"):
        train(["a", "b"], skip=False)


def test_all_trains_the_others_where_one_fails(monkeypatch, capsys):
    def fails(*_, **__):
        raise ValueError("of a patient")

    monkeypatch.setattr(train_models, "train", fails)
    found = train(["a", "b"], skip=True)
    assert list(found.failed) == ["train_a", "train_b"]
    assert found.failed["train_a"].startswith("train: ValueError at test_verbs.py:")
    assert found.stages["train_a"].skipped == {f"failed: {found.failed['train_a']}": 0}
    assert "of a patient" not in capsys.readouterr().err
    with pytest.raises(ValueError, match="of a patient"):
        train(["a"], skip=False)


def test_a_champion_that_was_changed_is_passed_over_by_nobody(monkeypatch):
    def changed(*_, **__):
        raise Refused("a v1: model.json was changed after training")

    monkeypatch.setattr(train_models, "train", changed)
    with pytest.raises(Refused, match="was changed after training"):
        train(["a"], skip=True)


def test_what_is_undefined_is_said():
    measured = {"auroc": {"value": None, "low": None, "high": None}}
    assert describe_model({"version": "v", "measures": measured}) == "v, auroc undefined"


def test_all_scores_the_champions_that_there_are(monkeypatch):
    monkeypatch.setattr(nightly.model_defs, "names", lambda: ["a", "b"])
    monkeypatch.setattr(nightly.model_defs, "find", lambda name: name)
    there = {"b": ModelVersion("b", "v", "f")}
    monkeypatch.setattr(nightly, "champion", lambda _, name: there.get(name))
    assert nightly.named_champions(WAREHOUSE, ["all"]) == [there["b"]]
    with pytest.raises(UsageError, match="no champion of a: run `nightrounds train a` first"):
        nightly.named_champions(WAREHOUSE, ["a", "b"])
    there.clear()
    with pytest.raises(UsageError, match="no champion of a, b"):
        nightly.named_champions(WAREHOUSE, ["all"])
