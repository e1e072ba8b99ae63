import types

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.standins import logistic
from transforms.acceleration import PLAIN, Acceleration, accelerate, devices
from transforms.keras_training import fix_seeds
from transforms.training_progress import Progress

BOTH = Acceleration(mixed_precision=True, xla=True)
MIXED = Acceleration(mixed_precision=True)


@pytest.fixture
def asked(monkeypatch):
    """A machine with two GPUs, as far as can be seen; the memory growth that was asked for."""
    asked = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}0", f"{kind}1"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda *given: asked.append(given)
    )
    return asked


def test_gpus_give_memory_as_it_is_asked_for(asked):
    assert devices() == ["GPU:0", "GPU:1"]
    assert asked == [("GPU0", True), ("GPU1", True)]


def test_gpus_in_use_stay_as_they_are(asked, monkeypatch):
    def too_late(gpu, growth):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", too_late)
    assert devices() == ["GPU:0", "GPU:1"]


def test_a_gpu_turns_on_what_is_not_said(asked):
    assert accelerate() == BOTH
    assert accelerate(mixed_precision=False) == Acceleration(xla=True)
    assert accelerate(xla=False) == MIXED


def test_without_a_gpu_only_what_is_said_is_on():
    assert accelerate() == PLAIN == Acceleration(mixed_precision=False, xla=False)
    assert accelerate(mixed_precision=True, xla=True) == BOTH


def test_a_model_goes_without_what_it_cannot_use():
    text = types.SimpleNamespace(CANNOT_USE=("xla",))
    assert BOTH.fit_for(logistic, 1) == BOTH
    assert BOTH.fit_for(text, 1) == MIXED
    assert PLAIN.fit_for(text, 1) == PLAIN
    assert BOTH.fit_for(logistic, 2) == MIXED  # replicas sum up outside of what XLA compiles


def test_the_policy_does_not_outlast_a_model_that_fails():
    def built():
        return tf_keras.layers.Dense(1).compute_dtype

    with pytest.raises(ZeroDivisionError), MIXED.policy():
        assert built() == "float16"
        raise ZeroDivisionError
    assert built() == "float32"
    with PLAIN.policy():
        assert built() == "float32"


def compiled(acceleration):
    fix_seeds(0)
    with acceleration.policy():
        model = logistic.build_model(logistic.Config())
    model.optimizer.jit_compile = True  # as Keras has it where there is a GPU
    acceleration.compile_steps(model)
    return model


def test_without_xla_nothing_is_compiled_by_it():
    assert not compiled(PLAIN).optimizer.jit_compile
    mixed = compiled(MIXED)
    assert (mixed.jit_compile, mixed.optimizer.inner_optimizer.jit_compile) == (False, False)
    assert compiled(BOTH).jit_compile


X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
Y = {logistic.LABEL.name: (X[:, 0] > 0).astype(np.float32)}


def epochs(model, number, x=X):
    """Trains; the loss of each epoch."""
    data = {"x": x}, Y
    told = model.fit(*data, batch_size=16, epochs=number, shuffle=False, verbose=0)
    return told.history["loss"]


def test_xla_gives_the_same_losses_and_repeats_them():
    plain, xla = epochs(compiled(PLAIN), 3), epochs(compiled(Acceleration(xla=True)), 3)
    assert xla == pytest.approx(plain, rel=1e-5)
    assert epochs(compiled(Acceleration(xla=True)), 3) == xla


def test_a_mixed_training_goes_on_with_its_loss_scale(tmp_path):
    folder, steep = str(tmp_path), 10 * X  # gradients that float16 does not hold, at first
    model = compiled(MIXED)
    progress = Progress(model, folder, folder)
    progress.add(epochs(model, 1, steep)[0])
    kept = (float(model.optimizer.loss_scale), int(model.optimizer.dynamic_counter))
    assert kept[0] < model.optimizer.initial_scale == 2**15
    undisturbed = epochs(model, 1, steep)
    again = compiled(MIXED)
    Progress(again, folder, folder)
    assert (float(again.optimizer.loss_scale), int(again.optimizer.dynamic_counter)) == kept
    assert epochs(again, 1, steep) == undisturbed
    assert {w.dtype for w in again.get_weights()} == {np.dtype(np.float32)}
