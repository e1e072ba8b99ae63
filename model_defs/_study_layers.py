"""Layers between bytes of studies and the evidence in them: only real frames are computed on."""

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
class EvidenceHead(tf_keras.layers.Layer):
    """Feature maps of frames (m, h, w, c), their study (m,), studies (n,) -> logit (n,), evidence.

    Each map counts by its mean and by its maximum, over the frames of a study again by mean and
    maximum: four weights. `evidence`, float32 (n, frames, h, w), is what each place adds to the
    logit: all of a study sum to the logit less the bias. Where a study has fewer frames it is 0.

    After class activation maps, Zhou et al. 2016, https://arxiv.org/abs/1512.04150
    """

    def __init__(self, frames: int, dropout: float, seed: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames, self.dropout, self.seed = frames, dropout, seed
        self.drop = tf_keras.layers.Dropout(dropout, seed=seed, dtype="float32")

    def build(self, input_shape: tuple[tf.TensorShape, ...]) -> None:
        """A weight for each map, for each of the four ways in which it counts."""
        maps, *_ = input_shape
        initializer = tf_keras.initializers.GlorotUniform(self.seed)
        self.kernel = self.add_weight("kernel", (4 * maps[-1], 1), initializer=initializer)
        self.bias = self.add_weight("bias", (), initializer="zeros")

    def call(
        self, inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor], training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Every study has a frame at least, and not more than `frames`."""
        maps, study, studies = inputs
        count = tf.size(studies)
        # The maximum finds what is small, the mean what is spread out.
        means, peaks = tf.reduce_mean(maps, (1, 2)), tf.reduce_max(maps, (1, 2))
        each = tf.concat([means, peaks], axis=1)
        mean = tf.math.unsorted_segment_mean(each, study, count)
        peak = tf.math.unsorted_segment_max(each, study, count)
        pooled = self.drop(tf.concat([mean, peak], axis=1), training=training)
        logit = tf.matmul(pooled, self.kernel)[:, 0] + self.bias

        by_mean, by_peak = tf.split(self.kernel[:, 0], 2)
        in_study = tf.math.unsorted_segment_sum(tf.ones_like(study), study, count)
        share = 1.0 / tf.cast(tf.gather(in_study, study), tf.float32)
        # Frames, and places, that share the maximum share its weight.
        decides = tf.cast(each == tf.gather(peak, study), tf.float32)
        decides /= tf.gather(tf.math.unsorted_segment_sum(decides, study, count), study)
        weight = by_mean * share[:, None] + by_peak * decides
        of_mean, of_peak = (w[:, None, None] for w in tf.split(weight, 2, axis=1))
        area = tf.cast(tf.shape(maps)[1] * tf.shape(maps)[2], tf.float32)
        is_peak = tf.cast(maps == peaks[:, None, None], tf.float32)
        is_peak /= tf.reduce_sum(is_peak, (1, 2), keepdims=True)
        evidence = tf.reduce_sum(maps * (of_mean / area + of_peak * is_peak), axis=3)
        first = tf.cumsum(in_study, exclusive=True)
        place = tf.range(tf.size(study, tf.int64)) - tf.gather(first, study)
        shape = tf.concat([[count, self.frames], tf.shape(maps)[1:3]], axis=0)
        return logit, tf.scatter_nd(
            tf.stack([study, place], axis=1), evidence, tf.cast(shape, tf.int64)
        )

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        own = {"frames": self.frames, "dropout": self.dropout, "seed": self.seed}
        return {**super().get_config(), **own}
