"""A logistic regression that shows its terms. Imports TensorFlow: import it where it is used."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf_keras


class AdditiveLogit(tf_keras.layers.Layer):
    """(values float32 (n, v), words int64 (n, w)) -> (logit (n,), contributions (n, f)), log-odds.

    A value adds its weight times itself, a word the weight of its index; index -1 adds nothing.
    `shares` (v + w, f) says which feature a column's term belongs to, each row sums to 1; the
    contributions sum to the logit less the intercept.
    """

    def __init__(
        self, shares: npt.NDArray[np.float32], *, vocabulary: int, l2: float, name: str
    ) -> None:
        super().__init__(name=name)
        self.shares = shares
        self.vocabulary = vocabulary
        self.penalty = tf_keras.regularizers.L2(l2)

    def build(self, input_shape: tuple[tf.TensorShape, tf.TensorShape]) -> None:
        """Weights start at zero: the fit is convex, so nothing is gained by chance."""
        values, _ = input_shape
        self.weight = self.add_weight(
            name="weight", shape=(values[-1],), initializer="zeros", regularizer=self.penalty
        )
        self.word_weight = self.add_weight(
            name="word_weight",
            shape=(self.vocabulary,),
            initializer="zeros",
            regularizer=self.penalty,
        )
        self.intercept = self.add_weight(name="intercept", shape=(), initializer="zeros")

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The logit and what each feature adds to it."""
        values, words = inputs
        known = words >= 0
        found = tf.gather(self.word_weight, tf.maximum(words, 0))
        terms = tf.concat(
            [values * self.weight, tf.where(known, found, tf.zeros_like(found))], axis=1
        )
        return tf.reduce_sum(terms, axis=1) + self.intercept, tf.matmul(
            terms, tf.constant(self.shares)
        )
