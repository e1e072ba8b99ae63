"""The network of `note_extraction`: two readers of a note, each taught by the note's class.

One reads sentence by sentence with a bidirectional LSTM, the other counts terms. Trained on their
mean alone, the quicker one would leave nothing for the other to learn; so each has its own loss.
The sentences' classes come off the LSTM and are taught by what headings say.
"""

from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tf_keras

if TYPE_CHECKING:
    from model_defs.note_extraction import Config

BY_SENTENCES, BY_TERMS, SENTENCE_CLASS = "by_sentences", "by_terms", "sentence_class"


def build(
    config: "Config",
    *,
    label: str,
    sentences: int,
    sentence_words: int,
    vocabulary: int,
    terms: int,
    sentence_classes: int,
) -> tf_keras.Model:
    """Inputs `words` (n, sentences x sentence_words), `terms` (n, terms), `sentence_kinds`.

    Outputs: `label` and the two readers', (n, classes); SENTENCE_CLASS (n, sentences,
    sentence_classes). All are probabilities.
    """
    layers = tf_keras.layers
    words = layers.Input((sentences * sentence_words,), name="words", dtype=tf.int64)
    counted = layers.Input((terms,), name="terms")
    kinds = layers.Input((sentences,), name="sentence_kinds", dtype=tf.int64)
    classes = len(config.classes)

    ids = tf.reshape(words, [-1, sentences, sentence_words])
    there = tf.reduce_any(ids > 0, axis=2)
    read = ReadSentences(vocabulary, config.embedding, name="sentences")(ids)
    read = layers.Dropout(config.dropout / 2)(read)
    lstm = layers.LSTM(config.units, return_sequences=True)
    told = layers.Bidirectional(lstm, name="lstm")(read, mask=there)
    told = layers.Dropout(config.dropout)(told)
    scaled = layers.Dropout(config.dropout)(counted * config.terms_scale)
    logits = {
        BY_SENTENCES: layers.Dense(classes, name="logits_by_sentences")(_pool(told, there)),
        BY_TERMS: layers.Dense(classes, name="logits_by_terms")(scaled),
    }
    logits[label] = layers.Average(name="logits", dtype="float32")(list(logits.values()))
    outputs = {
        **{
            name: layers.Softmax(name=name, dtype="float32")(found)
            for name, found in logits.items()
        },
        SENTENCE_CLASS: layers.Dense(
            sentence_classes, "softmax", name=SENTENCE_CLASS, dtype="float32"
        )(told),
    }
    inputs = {"words": words, "terms": counted, "sentence_kinds": kinds}
    model = _taught_by(label, inputs, outputs)
    of_note = tf_keras.losses.SparseCategoricalCrossentropy
    model.compile(
        tf_keras.optimizers.Adam(config.learning_rate),
        loss={
            **{name: of_note() for name in (label, BY_SENTENCES, BY_TERMS)},
            SENTENCE_CLASS: of_note(ignore_class=-1),
        },
        loss_weights={SENTENCE_CLASS: config.sentence_weight},
    )
    return model


@tf_keras.utils.register_keras_serializable("nightrounds")
class ReadSentences(tf_keras.layers.Layer):
    """Ids of words (n, sentences, words), 0 for none -> vectors (n, sentences, 2 x size).

    A word has two vectors. Of a sentence the first half is the sum of the first ones, divided by
    the root of their number, the second half the largest of the second ones; 0 without words. Only
    words that exist are looked up: most places of a note are empty.
    """

    def __init__(self, vocabulary: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary, self.size = vocabulary, size

    def build(self, input_shape: Any) -> None:
        """One table for both vectors of each word."""
        shape = (self.vocabulary, 2 * self.size)
        self.table = self.add_weight(name="words", shape=shape, initializer="uniform")
        super().build(input_shape)

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """Flat over all sentences of all notes."""
        notes, sentences, words = tf.unstack(tf.shape(ids, tf.int64))
        flat = tf.reshape(ids, [-1])
        place = tf.where(flat > 0)[:, 0]
        sentence, total = place // words, notes * sentences
        summed, strongest = tf.split(tf.gather(self.table, tf.gather(flat, place)), 2, axis=1)
        count = tf.math.unsorted_segment_sum(tf.ones_like(summed[:, :1]), sentence, total)
        some = tf.maximum(count, 1.0)
        mean = tf.math.unsorted_segment_sum(summed, sentence, total) / tf.sqrt(some)
        largest = tf.math.unsorted_segment_max(strongest, sentence, total)
        largest = tf.where(count > 0, largest, tf.zeros_like(largest))
        read = tf.concat([mean, largest], axis=1)
        return tf.reshape(read, [notes, ids.shape[1], 2 * self.size])

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "vocabulary": self.vocabulary, "size": self.size}


def _pool(told: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
    """(n, sentences, size) -> largest and mean over the sentences that exist, (n, 2 x size)."""
    exists = tf.cast(there, told.dtype)[..., None]
    largest = tf.reduce_max(told * exists - (1 - exists), axis=1)  # an LSTM gives -1 to 1
    mean = tf.reduce_sum(told * exists, axis=1) / tf.maximum(tf.reduce_sum(exists, axis=1), 1.0)
    return tf.concat([largest, mean], axis=1)


def _taught_by(label: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> tf_keras.Model:
    """A model whose every output has a target: the label, or the input `sentence_kinds`."""

    class Taught(tf_keras.Model):
        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
        ) -> Any:
            targets = dict.fromkeys(outputs, y[label]) | {SENTENCE_CLASS: x["sentence_kinds"]}
            return super().compute_loss(x, targets, y_pred, sample_weight)

    return Taught(inputs, outputs, name="note_extraction")
