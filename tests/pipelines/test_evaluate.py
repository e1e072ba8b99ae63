import pytest

import model_defs
from pipelines.evaluate import evaluate
from pipelines.runner import pipeline_options
from tests.pipelines.trained import STANDINS, hospital_in, trained_in
from tests.standins import examples as shared


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


def test_evaluate_measures_what_training_measured(trained, hospital, tmp_path):
    version, options = trained["forest"].version, pipeline_options()
    found = evaluate([version], hospital, shared.AS_OF, str(tmp_path), options)
    assert found["forest"].evaluation == trained["forest"].evaluation
