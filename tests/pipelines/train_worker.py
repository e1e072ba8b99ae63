"""One process of a distributed training of a stand-in: TF_CONFIG tells which.

    python -m tests.pipelines.train_worker FOLDER MODEL EPOCHS

With NIGHTROUNDS_LOGICAL_DEVICES=N the one process has N devices, all of them the processor.
FOLDER holds `buckets.json`, bucket -> table -> Parquet files; the models go there too.
"""

import json
import os
import sys
from pathlib import Path

import model_defs
from tests.pipelines.trained import STANDINS, train_model
from transforms.errors import RunFailed
from transforms.make_examples import Buckets


def main() -> int:
    folder, model, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    model_defs.find = STANDINS.__getitem__
    if devices := int(os.environ.get("NIGHTROUNDS_LOGICAL_DEVICES", "0")):
        _mirror(devices)
    try:
        train_in(folder, model, epochs)
    except RunFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def train_in(folder: Path, model: str, epochs: int) -> None:
    """Trains on what lies in the folder, all epochs."""
    files = json.loads((folder / "buckets.json").read_text())
    source = Buckets({int(bucket): tables for bucket, tables in files.items()})
    config = STANDINS[model].Config(epochs=epochs, patience=epochs, learning_rate=0.1)
    train_model(model, source, folder / "models", config=config)


def _mirror(number: int) -> None:
    import tensorflow as tf

    from transforms import keras_training

    (processor,) = tf.config.list_physical_devices("CPU")
    each = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(processor, [each] * number)
    names = [f"CPU:{n}" for n in range(number)]
    keras_training.devices = lambda: names


if __name__ == "__main__":
    sys.exit(main())
