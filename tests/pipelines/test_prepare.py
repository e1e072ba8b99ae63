import dataclasses
import json
import os

import pytest

import model_defs
from pipelines import prepare as prepare_module
from pipelines.prepare import is_chief, prepare, wait_for, wait_until_done, work_folder
from pipelines.runner import pipeline_options
from tests.pipelines.trained import STANDINS, hospital_in, train_model
from tests.standins import examples as shared
from tests.standins import forest, logistic
from transforms.acceleration import Acceleration
from transforms.errors import Refused, RunFailed
from transforms.make_examples import Buckets


@pytest.fixture(autouse=True)
def standins(monkeypatch):
    """The stand-ins take the place of the models that the package has."""
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)


@pytest.fixture
def hospital(tmp_path_factory):
    return hospital_in(tmp_path_factory.getbasetemp())


@pytest.mark.parametrize(
    ("task", "chief"),
    [
        (None, True),
        ({"type": "worker", "index": 0}, True),
        ({"type": "chief", "index": 0}, True),
        ({"type": "worker", "index": 1}, False),
        ({"type": "evaluator", "index": 0}, False),
    ],
)
def test_worker_0_prepares(monkeypatch, task, chief):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if task:
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {}, "task": task}))
    assert is_chief() is chief


def test_a_folder_is_named_by_what_goes_into_it(hospital):
    def name(definition=logistic, config=None, source=hospital, as_of=shared.AS_OF, **more):
        config = config or definition.Config()
        return work_folder(definition, config, source, as_of, "models", **more)

    others = {
        name(),
        name(definition=forest),
        name(config=logistic.Config(seed=1)),
        name(as_of=shared.AS_OF + shared.DAY),
        name(source=Buckets({0: {"events": ["a"]}})),
        name(source=["a.parquet"]),
        name(acceleration=Acceleration(mixed_precision=True)),
        name(acceleration=Acceleration(xla=True)),
    }
    assert len(others) == 8
    assert name() == name()
    assert name().startswith("models/logistic/.work-")


def test_a_run_that_was_killed_goes_on_where_it_was(hospital, tmp_path, monkeypatch):
    options = pipeline_options()
    config = logistic.Config(epochs=1)
    work = work_folder(logistic, config, hospital, shared.AS_OF, str(tmp_path))
    first = prepare(logistic, config, hospital, shared.AS_OF, work, options)
    assert sum(first.rows().values()) == 199
    assert wait_for(work) == first

    def never(*arguments):
        raise AssertionError("prepared again")

    monkeypatch.setattr(prepare_module, "labelled_examples", never)
    assert prepare(logistic, config, hospital, shared.AS_OF, work, options) == first
    assert train_model("logistic", hospital, tmp_path, config=config) is not None
    assert not os.path.exists(work)


def test_a_worker_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare_module, "_WAIT_S", 0.0)
    with pytest.raises(RunFailed, match="worker 0 prepared nothing"):
        wait_for(str(tmp_path))
    with pytest.raises(RunFailed, match="worker 0 did not finish"):
        wait_until_done(str(tmp_path))
    wait_until_done(str(tmp_path / "gone"))


def test_one_class_alone_is_refused(tmp_path):
    found = shared.tables()
    events = found.events.filter((found.events["text_value"] != "high").fill_null(value=True))
    healthy = shared.as_buckets(dataclasses.replace(found, events=events), tmp_path)
    with pytest.raises(Refused, match="every training example has the same is_high"):
        train_model("logistic", healthy, tmp_path / "models")
