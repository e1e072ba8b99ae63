"""What counts as the best epoch, and that a new process knows what was kept."""

import math

import numpy as np
import pytest
import tf_keras

from transforms.training_progress import Progress


def weight_model(weight):
    """A model of one weight."""
    model = tf_keras.Sequential([tf_keras.Input((1,)), tf_keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    set_weight(model, weight)
    return model


def set_weight(model, weight):
    model.set_weights([np.float32([[weight]])])


@pytest.mark.parametrize(
    ("losses", "best", "without_gain"),
    [
        ([3.0, 2.0, 2.5], 1, 1),
        ([3.0, 2.95, 2.8], 2, 0),  # the second is lower by less than min_delta
        ([math.nan, math.nan, 2.0, 3.0], 2, 1),
        ([math.nan, math.inf], 0, 1),
        ([2.0, math.nan, 2.5], 0, 2),
    ],
)
def test_the_best_epoch(losses, best, without_gain, tmp_path):
    folder, model = str(tmp_path / "kept"), weight_model(-1.0)
    for epoch, loss in enumerate(losses):
        # Each epoch in a process of its own, as far as what is on disk goes.
        progress = Progress(model, folder, folder, min_delta=0.1)
        set_weight(model, float(epoch))
        progress.add(loss)
        model = weight_model(-1.0)
    resumed = Progress(model, folder, folder, min_delta=0.1)
    assert (resumed.epochs, resumed.without_gain) == (len(losses), without_gain)
    assert model.get_weights()[0].item() == len(losses) - 1
    resumed.take_best()
    assert model.get_weights()[0].item() == best
    assert len(list((tmp_path / "kept").iterdir())) == 3
