"""TFRecord files of transformed examples -> batches to train on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from transforms.preprocess import label_key

_SHUFFLE_ROWS = 1 << 14


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
    data = data.batch(batch_size).map(parse, num_parallel_calls=2).prefetch(2)
    # Several workers take turns within each batch, so that a batch is what one process would see.
    # By file, the smaller shards would weigh more, and an epoch have the steps of the largest.
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return data.with_options(options)
