"""Keras estimators: trained on TFRecords under tf.distribute, exported with their TFT graph.

Source: https://www.tensorflow.org/guide/distributed_training,
https://www.tensorflow.org/tutorials/distribute/multi_worker_with_keras
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from transforms import tensors
from transforms.calibration import HIGH, LOW
from transforms.definition import Definition, label_of
from transforms.prediction_rows import (
    CONTRIBUTIONS,
    DRIVER_CONTRIBUTION,
    DRIVER_INDEX,
    MAX_DRIVERS,
    Outputs,
)
from transforms.preprocess import label_key

_SHUFFLE_ROWS = 1 << 14


def strategy() -> Any:
    """MultiWorkerMirrored under TF_CONFIG, Mirrored with several GPUs, else one device."""
    import tensorflow as tf

    if json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def fix_seeds(seed: int) -> None:
    """Seeds of Python, numpy and TensorFlow, and only operations that repeat themselves."""
    import tensorflow as tf
    import tf_keras

    tf_keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def read_records(
    files: Sequence[str],
    spec: Mapping[str, Any],
    label: pa.Field,
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
) -> Any:
    """TFRecord files -> tf.data.Dataset of (features, {label name: label}) in batches."""
    import tensorflow as tf

    kind = tf.int64 if pa.types.is_string(label.type) else tf.float32
    full_spec = {**spec, label_key(label): tf.io.FixedLenFeature([], kind)}

    def parse(records: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        columns = tf.io.parse_example(records, full_spec)
        target = columns.pop(label_key(label))
        return columns, {label.name: target}

    data = tf.data.TFRecordDataset(sorted(files))
    if shuffle_seed is not None:
        data = data.shuffle(_SHUFFLE_ROWS, seed=shuffle_seed)
    return data.batch(batch_size).map(parse, num_parallel_calls=2).prefetch(2)


def fit(
    model: Any,
    label: pa.Field,
    config: Any,
    records: Mapping[str, Sequence[str]],
    graph_folder: str,
    backup_folder: str,
) -> None:
    """Trains a compiled model to the best loss on the tuning split.

    `records` are TFRecord files by split (`train`, `tuning`). A run that was killed goes on from
    the last whole epoch in `backup_folder`.
    """
    import tensorflow_transform as tft
    import tf_keras

    spec = tft.TFTransformOutput(graph_folder).transformed_feature_spec()
    train = read_records(
        records["train"], spec, label, batch_size=config.batch_size, shuffle_seed=config.seed
    )
    tuning = read_records(records["tuning"], spec, label, batch_size=config.batch_size)
    model.fit(
        train,
        validation_data=tuning,
        epochs=config.epochs,
        verbose=0,
        callbacks=[
            tf_keras.callbacks.BackupAndRestore(backup_folder),
            tf_keras.callbacks.EarlyStopping(
                monitor="val_loss",
                min_delta=getattr(config, "min_delta", 0.0),
                patience=config.patience,
                restore_best_weights=True,
            ),
        ],
    )


def fit_members(
    definition: Definition,
    config: Any,
    records: Mapping[str, Sequence[str]],
    graph_folder: str,
    work: str,
    built: str,
    scope: Any,
) -> Any:
    """Trains the `members` that the Config asks for (1 without that field) -> one model of all.

    Member i has the seed `config.seed + i`. A run that was killed goes on with the member, and the
    epoch, that it was at: whole members are kept in `work`, by each process under the name of the
    folder `built` that it exports to.
    """
    members = []
    for number in range(getattr(config, "members", 1)):
        own = dataclasses.replace(config, seed=config.seed + number)
        fix_seeds(own.seed)
        with scope.scope():
            model = definition.build_model(own)
        whole = f"{work}/{built}-member-{number}.weights.h5"
        if os.path.exists(whole):
            model.load_weights(whole)
        else:
            label = label_of(definition, own)
            fit(model, label, own, records, graph_folder, f"{work}/backup-{number}")
            part = f"{work}/{built}-part.weights.h5"
            model.save_weights(part)
            os.replace(part, whole)
        members.append(model)
    return members[0] if len(members) == 1 else _mean(members, label_of(definition, config).name)


def _mean(members: Sequence[Any], label: str) -> Any:
    """Keras models of one architecture -> a model of the mean of each of their outputs.

    Beside it the least and the largest of the outputs named after the label.
    """
    import tf_keras

    inputs = members[0].input
    for number, member in enumerate(members):
        member._name = f"member_{number}"  # Keras has no other way to tell them apart
    outputs = [member(inputs) for member in members]
    mean = {n: tf_keras.layers.Average()([o[n] for o in outputs]) for n in outputs[0]}
    stacked = [o[label] for o in outputs]
    mean[label + LOW] = tf_keras.layers.Minimum()(stacked)
    mean[label + HIGH] = tf_keras.layers.Maximum()(stacked)
    return tf_keras.Model(inputs, mean)


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
