"""Which of three outcomes: softmax regression (a stand-in for tests)."""

import dataclasses

from tests.standins import forest, logistic

ENTITY = "patient"
FEATURES = logistic.FEATURES
LABEL = forest.LABEL
examples = forest.examples
preprocessing_fn = logistic.preprocessing_fn
to_predictions = forest.to_predictions


@dataclasses.dataclass(frozen=True)
class Config:
    seed: int = 0
    epochs: int = 5
    batch_size: int = 16
    patience: int = 5
    classes: tuple[str, ...] = ()


def build_model(config):
    import tf_keras

    x = tf_keras.Input((2,), name="x")
    softmax = tf_keras.layers.Dense(len(config.classes), "softmax", name=LABEL.name)
    model = tf_keras.Model({"x": x}, {LABEL.name: softmax(x)})
    model.compile(
        tf_keras.optimizers.Adam(0.3), loss={LABEL.name: "sparse_categorical_crossentropy"}
    )
    return model
