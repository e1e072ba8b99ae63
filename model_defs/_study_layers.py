"""Layers between bytes of studies and the frames in them: only real frames are computed on."""

from typing import Any

import tensorflow as tf
import tf_keras


@tf_keras.utils.register_keras_serializable("nightrounds")
class DecodeFrames(tf_keras.layers.Layer):
    """Bytes (n,) -> pixels float32 (frames of all, size, size, 1) in [-1, 1]; study int64 (frames).

    `study` is the row that a frame belongs to.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Raises: InvalidArgumentError, when a row is not a whole number of frames, or empty."""
        area = self.size * self.size
        lengths = tf.strings.length(frames)
        whole = tf.debugging.assert_equal(lengths % area, 0, "a part of a frame")
        filled = tf.debugging.assert_positive(lengths, "no frames")
        with tf.control_dependencies([whole, filled]):
            counts = tf.cast(lengths // area, tf.int64)
        study = tf.repeat(tf.range(tf.size(counts, tf.int64)), counts)
        decoded = tf.io.decode_raw(tf.strings.reduce_join(frames), tf.uint8)
        pixels = tf.reshape(tf.cast(decoded, tf.float32), (-1, self.size, self.size, 1))
        return pixels / 127.5 - 1.0, study

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "size": self.size}


@tf_keras.utils.register_keras_serializable("nightrounds")
class PoolFrames(tf_keras.layers.Layer):
    """Features of frames (m, d), their study (m,), studies (n,) -> mean and maximum (n, 2 d)."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Every study has a frame at least."""
        features, study, studies = inputs
        count = tf.size(studies)
        return tf.concat(
            [
                tf.math.unsorted_segment_mean(features, study, count),
                tf.math.unsorted_segment_max(features, study, count),
            ],
            axis=1,
        )
