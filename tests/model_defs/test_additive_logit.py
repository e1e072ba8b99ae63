import numpy as np
import pytest

from model_defs import readmission


@pytest.fixture(scope="module")
def model():
    return readmission.build_model(readmission.Config())


def inputs(model, value, word):
    return {
        name: np.full((2, *shape[1:]), word if name == "tokens" else value, dtype)
        for name, shape, dtype in (
            (layer.name, layer.shape, "int64" if layer.name == "tokens" else "float32")
            for layer in model.inputs
        )
    }


def test_before_training_nothing_contributes(model):
    found = model(inputs(model, 1.0, 3))

    assert found["readmitted"].numpy().tolist() == [0.5, 0.5]
    assert found["contributions"].shape == (2, len(readmission.FEATURES))
    assert not found["contributions"].numpy().any()


def test_contributions_add_up_to_the_logit_less_the_intercept(model):
    layer = model.get_layer("additive_logit")
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.1, w.shape) for w in layer.get_weights()])
    intercept = layer.get_weights()[-1]

    found = model(inputs(model, 0.7, 5))
    probability = found["readmitted"].numpy().astype(float)
    logit = np.log(probability / (1 - probability))

    total = found["contributions"].numpy().sum(axis=1)
    assert total == pytest.approx(logit - intercept, abs=1e-3)


def test_a_column_contributes_to_its_own_feature(model):
    layer = model.get_layer("additive_logit")
    weights = [np.zeros_like(w) for w in layer.get_weights()]
    weights[0][0] = 2.0  # the first standardised number, age
    layer.set_weights(weights)

    found = model(inputs(model, 0.5, -1))["contributions"].numpy()[0]

    assert dict(zip(readmission.FEATURES.names, found, strict=True))["age_years"] == 1.0
    assert np.count_nonzero(found) == 1


def test_a_cross_contributes_to_its_features_in_equal_parts(model):
    layer = model.get_layer("additive_logit")
    weights = [np.zeros_like(w) for w in layer.get_weights()]
    weights[1][7] = 3.0
    layer.set_weights(weights)
    values = inputs(model, 0.0, -1)
    values["tokens"][:, -1] = 7  # the last cross: returns and earlier stays

    found = model(values)["contributions"].numpy()[0]
    by_name = dict(zip(readmission.FEATURES.names, found, strict=True))

    assert by_name["returns_ever"] == by_name["inpatient_stays_365d"] == 1.5
    assert np.count_nonzero(found) == 2
