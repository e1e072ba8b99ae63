"""What a GPU makes quicker in the training of Keras models: half the digits, and XLA.

Both are on where this process has a GPU, unless it is said otherwise. A definition names in
`CANNOT_USE` what its model must go without.

Source: https://www.tensorflow.org/guide/mixed_precision, https://openxla.org/xla/tf2xla
"""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from transforms.definition import Definition, optional


@dataclasses.dataclass(frozen=True)
class Acceleration:
    """How a training computes. `mixed_precision`: layers in float16, weights in float32."""

    mixed_precision: bool = False
    xla: bool = False

    def fit_for(self, definition: Definition, replicas: int) -> "Acceleration":
        """The same without what the model cannot use, or so many replicas that train together."""
        without = dict.fromkeys(optional(definition, "CANNOT_USE") or (), False)
        if replicas > 1:  # XLA does not compile the sum over them
            without["xla"] = False
        return dataclasses.replace(self, **without)

    @contextlib.contextmanager
    def policy(self) -> Iterator[None]:
        """Layers that are built within it compute so; those of the next model do not."""
        import tf_keras

        before = tf_keras.mixed_precision.global_policy()
        if self.mixed_precision:
            tf_keras.mixed_precision.set_global_policy("mixed_float16")
        try:
            yield
        finally:
            tf_keras.mixed_precision.set_global_policy(before)

    def compile_steps(self, model: Any) -> None:
        """Has the steps of a compiled model compiled by XLA, or not.

        On a GPU an optimizer would compile its own part all the same.
        """
        model.jit_compile = self.xla
        if not self.xla:
            optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
            optimizer.jit_compile = False


PLAIN = Acceleration()


def accelerate(*, mixed_precision: bool | None = None, xla: bool | None = None) -> Acceleration:
    """As it is said; what is not said is on where this process has a GPU."""
    has_gpu = bool(devices())
    return Acceleration(
        has_gpu if mixed_precision is None else mixed_precision, has_gpu if xla is None else xla
    )


def devices() -> list[str]:
    """The names of this process's GPUs. They give memory as it is asked for, not all at once.

    A process that has used them before keeps what it holds.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # it is too late to ask for it
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    return [f"GPU:{number}" for number in range(len(gpus))]
