"""Keras models trained on TFRecords under tf.distribute; what is killed goes on and ends the same.

Each epoch shuffles by a seed of its own, and layers draw from generators that are kept with the
weights: a training that was killed and begun again sees what an undisturbed one sees.

Source: https://www.tensorflow.org/guide/distributed_training,
https://www.tensorflow.org/tutorials/distribute/multi_worker_with_keras
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from transforms.acceleration import PLAIN, Acceleration, devices
from transforms.calibration import HIGH, LOW
from transforms.definition import Definition, label_of
from transforms.errors import RunFailed
from transforms.training_progress import Progress, kept_losses
from transforms.training_records import read_records

WORKER_0 = "built"
"""The folder that worker 0 exports to, and the names of what it keeps begin with."""
_MOST_EPOCHS = 1 << 20


def strategy() -> Any:
    """MultiWorkerMirrored under TF_CONFIG, Mirrored with several GPUs, else one device."""
    import tensorflow as tf

    if json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    found = devices()
    return tf.distribute.MirroredStrategy(found) if len(found) > 1 else tf.distribute.get_strategy()


def fix_seeds(seed: int) -> None:
    """Seeds of Python, numpy and TensorFlow, and only operations that repeat themselves.

    Layers draw from generators that can be kept, not from the hidden state of an operation.
    """
    import tensorflow as tf
    import tf_keras

    tf_keras.backend.experimental.enable_tf_random_generator()
    tf_keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    model: Any,
    label: pa.Field,
    config: Any,
    records: Mapping[str, Sequence[str]],
    graph_folder: str,
    progress: Progress,
) -> None:
    """Trains a compiled model until the loss on the tuning split falls no more, and takes the best.

    `records` are TFRecord files by split (`train`, `tuning`). It goes on from where `progress` is.
    """
    import tensorflow_transform as tft

    spec = tft.TFTransformOutput(graph_folder).transformed_feature_spec()
    tuning = read_records(records["tuning"], spec, label, batch_size=config.batch_size)
    for epoch in range(progress.epochs, config.epochs):
        if progress.without_gain >= max(config.patience, 1):
            break
        train = read_records(
            records["train"],
            spec,
            label,
            batch_size=config.batch_size,
            shuffle_seed=config.seed * _MOST_EPOCHS + epoch,
        )
        with _lost_workers():
            told = model.fit(
                train, validation_data=tuning, initial_epoch=epoch, epochs=epoch + 1, verbose=0
            )
        progress.add(float(told.history["val_loss"][0]))
    progress.take_best()


@contextlib.contextmanager
def _lost_workers() -> Iterator[None]:
    """Raises: RunFailed, when another worker of the training is gone."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        raise RunFailed(
            "another worker of this training is gone: start all of them again with the same "
            "arguments, and they go on after the last whole epoch"
        ) from error


def losses(work: str, members: int) -> list[list[float]]:
    """The loss on the tuning split after each epoch, by member, of a training in that folder."""
    return [list(kept_losses(f"{work}/{WORKER_0}-epochs-{number}")) for number in range(members)]


def fit_members(
    definition: Definition,
    config: Any,
    records: Mapping[str, Sequence[str]],
    graph_folder: str,
    work: str,
    built: str,
    scope: Any,
    acceleration: Acceleration = PLAIN,
) -> Any:
    """Trains the `members` that the Config asks for (1 without that field) -> one model of all.

    Member i has the seed `config.seed + i`. A run that was killed goes on with the member, and the
    epoch, that it was at: whole members are kept in `work`, by each process under the name of the
    folder `built` that it exports to. What was trained in mixed precision is built again without:
    it computes in float32 wherever it scores.
    """
    members = []
    for number in range(getattr(config, "members", 1)):
        own = dataclasses.replace(config, seed=config.seed + number)
        fix_seeds(own.seed)
        whole = f"{work}/{built}-member-{number}.weights.h5"
        if os.path.exists(whole):
            model = _build(definition, own, scope)
            model.load_weights(whole)
        else:
            model = _build(definition, own, scope, acceleration)
            label = label_of(definition, own)
            kept, mine = (f"{work}/{name}-epochs-{number}" for name in (WORKER_0, built))
            min_delta = getattr(own, "min_delta", 0.0)
            progress = Progress(model, kept, mine, min_delta=min_delta)
            fit(model, label, own, records, graph_folder, progress)
            if acceleration.mixed_precision:
                weights = model.get_weights()
                model = _build(definition, own, scope)
                model.set_weights(weights)
            part = f"{work}/{built}-part.weights.h5"
            model.save_weights(part)
            os.replace(part, whole)
        members.append(model)
    return members[0] if len(members) == 1 else _mean(members, label_of(definition, config).name)


def _build(
    definition: Definition, config: Any, scope: Any, acceleration: Acceleration = PLAIN
) -> Any:
    with scope.scope(), acceleration.policy():
        model = definition.build_model(config)
    acceleration.compile_steps(model)
    return model


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
