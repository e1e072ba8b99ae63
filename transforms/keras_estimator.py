"""Keras estimators: exported with their TFT graph, and loaded to score.

Source: https://www.tensorflow.org/guide/saved_model
"""

from typing import Any

import numpy as np
import pyarrow as pa

from transforms import tensors
from transforms.acceleration import devices
from transforms.prediction_rows import (
    CONTRIBUTIONS,
    DRIVER_CONTRIBUTION,
    DRIVER_INDEX,
    MAX_DRIVERS,
    Outputs,
)


def export(model: Any, features: pa.Schema, graph_folder: str, folder: str) -> None:
    """Writes a SavedModel from raw features to outputs, the TFT graph inside.

    Its signature `serving_default` takes the columns of FEATURES by name. An output
    `contributions` is cut to the largest ones, so that only these leave the graph.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    class Serving(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.preprocessing = tft.TFTransformOutput(graph_folder).transform_features_layer()
            self.model = model

        @tf.function
        def serve(self, **raw: Any) -> dict[str, Any]:
            outputs = dict(self.model(self.preprocessing(raw), training=False))
            contributions = outputs.pop(CONTRIBUTIONS, None)
            if contributions is not None:
                outputs.update(_largest(contributions))
            return outputs

    module = Serving()
    signature = module.serve.get_concrete_function(**tensors.tensor_specs(features))
    tf.saved_model.save(module, folder, signatures={"serving_default": signature})


def _largest(contributions: Any) -> dict[str, Any]:
    """(n, features) -> index and value of the MAX_DRIVERS largest by absolute value."""
    import tensorflow as tf

    count = min(MAX_DRIVERS, int(contributions.shape[-1]))
    index = tf.math.top_k(tf.abs(contributions), count).indices
    return {
        DRIVER_INDEX: index,
        DRIVER_CONTRIBUTION: tf.gather(contributions, index, batch_dims=1),
    }


class KerasEstimator:
    """A SavedModel, ready to score record batches."""

    def __init__(self, folder: str, features: pa.Schema, classes: tuple[str, ...]) -> None:
        import tensorflow as tf

        devices()  # the other processes of this machine need memory too
        self._model = tf.saved_model.load(folder)  # keeps the variables alive
        signature = self._model.signatures["serving_default"]
        self._features = features
        self._classes = classes
        self._score = tf.function(
            lambda packed: signature(**tensors.unpack(packed, features)),
            input_signature=[tensors.packed_specs(features)],
        )

    def predict(self, batch: pa.RecordBatch) -> Outputs:
        """A batch with the columns of FEATURES, its text encoded -> the model's outputs."""
        outputs = self._score(tensors.pack(batch, self._features))
        return Outputs({k: np.asarray(v.numpy()) for k, v in outputs.items()}, self._classes)
