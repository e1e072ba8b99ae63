"""A fan of quantiles that cannot cross. Imports TensorFlow: import it where it is used."""

import tensorflow as tf
import tf_keras


class Fan(tf_keras.layers.Layer):
    """(median (n, 1), steps (n, q - 1), last (n, 1), level (n, 1)) -> (n, q + 1) float32.

    On the scale log(cases / level + OFFSET) the middle one is the last figure plus `median`, and
    each step, made positive by a softplus, leads outwards to the next; no cases are below 0. The
    last column is the level, by which `pinball` weighs.
    """

    def __init__(self, offset: float, name: str) -> None:
        super().__init__(name=name)
        self.offset = offset

    def call(self, inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Quantiles in cases, rising."""
        median, steps, last, level = inputs
        steps = tf.nn.softplus(steps)
        half = steps.shape[-1] // 2
        up = tf.cumsum(steps[:, half:], axis=1)
        down = tf.cumsum(steps[:, :half], axis=1)[:, ::-1]
        change = tf.concat([median - down, median, median + up], axis=1)
        change = tf.clip_by_value(change, -MAX_CHANGE, MAX_CHANGE)
        relative = tf.exp(tf.math.log(last / level + self.offset) + change) - self.offset
        return tf.concat([tf.nn.relu(relative) * level, level], axis=1)


MAX_CHANGE = 6.0


class Pinball(tf_keras.losses.Loss):
    """Twice the mean pinball loss of the quantiles, in cases, over the level to the power given.

    That is the weighted interval score; with power 0 large regions decide alone, with 1 all
    count the same.

    Source: https://doi.org/10.1371/journal.pcbi.1008618 (Bracher et al. 2021)
    """

    def __init__(self, levels: tuple[float, ...], power: float) -> None:
        super().__init__(name="pinball")
        self.levels = levels
        self.power = power

    def call(self, truth: tf.Tensor, fan: tf.Tensor) -> tf.Tensor:
        """Label (n, 1) and the outputs of Fan (n, q + 1) -> (n,)."""
        levels = tf.constant(self.levels, tf.float32)
        over = tf.reshape(truth, [-1, 1]) - fan[:, :-1]
        score = 2 * tf.reduce_mean(tf.maximum(levels * over, (levels - 1) * over), axis=1)
        return score / tf.pow(fan[:, -1], self.power)
