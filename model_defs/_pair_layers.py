"""Layers between the bytes of pairs and what a network learns of each distinct molecule.

A batch of pairs holds each compound and each target many times. What depends on one of them
alone is computed once for each distinct one, and then handed to its pairs.
"""

from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("nightrounds")
class DistinctMolecules(tf_keras.layers.Layer):
    """Bytes (n,) -> float32 (m, bits + levels) of the m distinct ones; int32 (n,), which is whose.

    A row of bytes has the packed bits of `segments` (so many each), then `levels` bytes. The bits
    of a segment become numbers of length LENGTH all together, a level one of 0 to RANGE: so a
    single bit moves the network about as much as a level.
    """

    LENGTH = 8.0
    RANGE = 4.0

    def __init__(self, segments: tuple[int, ...], levels: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.segments = tuple(segments)
        self.levels = levels

    def call(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Raises: InvalidArgumentError, when a row has not as many bytes as it must."""
        distinct, index = tf.unique(encoded)
        packed_bytes = sum(self.segments) // 8
        size = packed_bytes + self.levels
        whole = tf.debugging.assert_equal(tf.strings.length(distinct), size, "not a molecule")
        with tf.control_dependencies([whole]):
            rows = tf.reshape(tf.io.decode_raw(distinct, tf.uint8), (-1, size))
        packed, levels = rows[:, :packed_bytes], rows[:, packed_bytes:]
        masks = tf.constant([128, 64, 32, 16, 8, 4, 2, 1], tf.uint8)
        bits = tf.cast(tf.bitwise.bitwise_and(packed[:, :, None], masks) > 0, tf.float32)
        parts = tf.split(tf.reshape(bits, (-1, packed_bytes * 8)), self.segments, axis=1)
        scaled = [tf.math.l2_normalize(part, axis=1) * self.LENGTH for part in parts]
        scaled.append(tf.cast(levels, tf.float32) * (self.RANGE / 255.0))
        return tf.concat(scaled, axis=1), index

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "segments": self.segments, "levels": self.levels}


@tf_keras.utils.register_keras_serializable("nightrounds")
class OfEachPair(tf_keras.layers.Layer):
    """What was computed of distinct molecules (m, d), and which is whose (n,) -> (n, d)."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """A row for each pair."""
        found, index = inputs
        return tf.gather(found, index)
