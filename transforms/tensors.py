"""Arrow columns of features <-> dense TensorFlow tensors and the batches that TFT reads."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import UsageError
from transforms.examples import fill_missing


def feature_spec(features: pa.Schema) -> dict[str, Any]:
    """FEATURES -> tf.io.FixedLenFeature by name, as TF Transform wants them.

    Raises: UsageError, for a type that a feature cannot have.
    """
    import tensorflow as tf

    return {
        f.name: tf.io.FixedLenFeature(_shape(f.type), _tf_type(f.type, f.name)) for f in features
    }


def tensor_specs(features: pa.Schema) -> dict[str, Any]:
    """FEATURES -> tf.TensorSpec by name: shape (None,) or (None, size) for a list."""
    import tensorflow as tf

    return {
        f.name: tf.TensorSpec([None, *_shape(f.type)], _tf_type(f.type, f.name), f.name)
        for f in features
    }


def _shape(kind: pa.DataType) -> list[int]:
    return [kind.list_size] if pa.types.is_fixed_size_list(kind) else []


def _tf_type(kind: pa.DataType, name: str) -> Any:
    import tensorflow as tf

    value = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    if pa.types.is_float32(value):
        return tf.float32
    if pa.types.is_int64(value):
        return tf.int64
    if pa.types.is_string(value) or pa.types.is_binary(value):
        return tf.string
    raise UsageError(f"feature {name} has type {kind}; see the docstring of model_defs")


def to_tensors(batch: pa.RecordBatch, features: pa.Schema) -> dict[str, Any]:
    """A batch with the columns of FEATURES -> tensors by name.

    Numbers are handed over as they lie in memory; nulls become the missing value.
    """
    return {f.name: _to_tensor(batch.column(f.name), f) for f in features}


def _to_tensor(column: pa.Array, field: pa.Field) -> Any:
    import tensorflow as tf

    if column.null_count:
        plain = column.cast(field.type)
        table = fill_missing(pa.table({field.name: plain}), pa.schema([field]))
        column = table.column(field.name).combine_chunks()
    kind = field.type
    if pa.types.is_fixed_size_list(kind):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return tf.convert_to_tensor(flat.reshape(len(column), kind.list_size))
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        # Python objects are made for the distinct values only.
        encoded = column
        if not pa.types.is_dictionary(column.type):
            encoded = column.cast(pa.binary()).dictionary_encode()
        values = encoded.dictionary.to_pylist()
        if not values:
            return tf.zeros([0], tf.string)
        return tf.gather(tf.constant(values, tf.string), encoded.indices.to_numpy())
    return tf.convert_to_tensor(column.to_numpy(zero_copy_only=False))


NUMBERS, WORDS, INDICES = "/numbers", "/words", "/indices"


def encode_text(batch: pa.RecordBatch, features: pa.Schema) -> pa.RecordBatch:
    """A batch -> the same with string features dictionary-encoded, null as "".

    What follows (packing, hashing) then works on distinct values.
    """
    for field in features:
        if not pa.types.is_string(field.type):
            continue
        column = batch.column(field.name)
        if column.null_count:
            column = pc.fill_null(column.cast(pa.string()), "")
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        index = batch.schema.get_field_index(field.name)
        batch = batch.set_column(index, field.name, column)
    return batch


def pack(batch: pa.RecordBatch, features: pa.Schema) -> dict[str, Any]:
    """A batch whose text is encoded -> few tensors: one of all numbers, three of all texts.

    A call of a SavedModel costs time for each tensor; `unpack` takes them apart in its graph.
    """
    import tensorflow as tf

    numbers, texts, rest = _kinds(features)
    packed = to_tensors(batch, rest)
    if len(numbers):
        columns = [batch.column(f.name).to_numpy(zero_copy_only=False) for f in numbers]
        packed[NUMBERS] = tf.convert_to_tensor(np.stack(columns))
    if len(texts):
        words: list[str] = []
        indices = np.zeros((len(texts), batch.num_rows), np.int32)
        for row, field in enumerate(texts):
            column = batch.column(field.name)
            indices[row] = column.indices.to_numpy() + len(words)
            words += column.dictionary.to_pylist()
        packed[WORDS] = tf.constant(words, tf.string)
        packed[INDICES] = tf.convert_to_tensor(indices)
    return packed


def unpack(packed: dict[str, Any], features: pa.Schema) -> dict[str, Any]:
    """What `pack` made -> tensors by feature; to be traced into a graph."""
    import tensorflow as tf

    numbers, texts, rest = _kinds(features)
    raw = {field.name: packed[field.name] for field in rest}
    if len(numbers):
        raw |= zip(numbers.names, tf.unstack(packed[NUMBERS], len(numbers)), strict=True)
    if len(texts):
        columns = tf.gather(packed[WORDS], packed[INDICES])
        raw |= zip(texts.names, tf.unstack(columns, len(texts)), strict=True)
    return raw


def packed_specs(features: pa.Schema) -> dict[str, Any]:
    """The tf.TensorSpecs of what `pack` makes."""
    import tensorflow as tf

    numbers, texts, rest = _kinds(features)
    specs = tensor_specs(rest)
    if len(numbers):
        specs[NUMBERS] = tf.TensorSpec([len(numbers), None], tf.float32)
    if len(texts):
        specs[WORDS] = tf.TensorSpec([None], tf.string)
        specs[INDICES] = tf.TensorSpec([len(texts), None], tf.int32)
    return specs


def _kinds(features: pa.Schema) -> tuple[pa.Schema, pa.Schema, pa.Schema]:
    """FEATURES -> float32 fields, string fields, the rest."""
    numbers = [f for f in features if pa.types.is_float32(f.type)]
    texts = [f for f in features if pa.types.is_string(f.type)]
    rest = [f for f in features if f not in numbers and f not in texts]
    return pa.schema(numbers), pa.schema(texts), pa.schema(rest)


def to_list_batch(batch: pa.RecordBatch, features: pa.Schema) -> pa.RecordBatch:
    """A batch -> the same features as lists of one or `size` values, as tfx_bsl's adapters read."""
    columns = []
    for field in features:
        column = batch.column(field.name)
        size = 1
        if pa.types.is_fixed_size_list(field.type):
            column, size = column.flatten(), field.type.list_size
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            column = column.cast(pa.large_binary())
        offsets = pa.array(np.arange(batch.num_rows + 1, dtype=np.int64) * size)
        columns.append(pa.LargeListArray.from_arrays(offsets, column))
    return pa.RecordBatch.from_arrays(columns, names=features.names)


def from_tensors(tensors: dict[str, Any]) -> pa.RecordBatch:
    """Dense tensors, shape (n, …) -> a batch of flat lists, as tfx_bsl writes tf.Examples from."""
    columns = {}
    for name in sorted(tensors):
        values = np.asarray(tensors[name])
        flat = pa.array(values.reshape(-1))
        if not pa.types.is_floating(flat.type) and not pa.types.is_integer(flat.type):
            flat = flat.cast(pa.large_binary())
        size = int(np.prod(values.shape[1:], dtype=np.int64))
        offsets = pa.array(np.arange(len(values) + 1, dtype=np.int64) * size)
        columns[name] = pa.LargeListArray.from_arrays(offsets, flat)
    return pa.record_batch(columns)


def label_values(column: pa.ChunkedArray, field: pa.Field, classes: tuple[str, ...]) -> Any:
    """Labels -> what the estimator is trained on: float32, or int64 index of the class.

    Raises: UsageError, for a label type that is none of bool, string, float32.
    """
    if pa.types.is_string(field.type):
        index = pc.index_in(column, value_set=pa.array(classes, pa.string()))
        return pc.fill_null(index, -1).cast(pa.int64()).to_numpy()
    if pa.types.is_boolean(field.type):
        return column.cast(pa.uint8()).to_numpy().astype(np.float32)
    if pa.types.is_float32(field.type):
        return column.to_numpy()
    raise UsageError(f"label {field.name} has type {field.type}, not bool, string or float32")
