"""Words of a text as tensors, for the preprocessing graphs of the models that read text.

TensorFlow on whole batches: n texts of any length and language. Analyzers of TF Transform
(vocabularies, document frequencies) see the training split alone. Padding is "" among words and 0
among ids; all that leaves is dense and of a fixed width.

A word that the vocabulary lacks (rare, misspelt) still says something by its characters, in
`bag_of_characters`. It hashes, so that it needs no vocabulary: n-grams of a word within its
boundaries, as fastText has them.

Source: Bojanowski et al. 2017, https://doi.org/10.1162/tacl_a_00051.
"""

from typing import TYPE_CHECKING

from transforms.vocabulary import vocabulary_ids

if TYPE_CHECKING:
    import tensorflow as tf

PADDING = 0
UNSEEN = 1
FIRST_KNOWN = 2


def split_words(text: "tf.Tensor", length: int) -> "tf.Tensor":
    """Texts (n,) -> their first `length` words (n, length) string, lower case, "" after the last.

    A word is a run of letters, marks and digits; apostrophes are dropped: `can't` is `cant`.
    """
    import tensorflow as tf

    plain = tf.strings.regex_replace(tf.strings.lower(text, encoding="utf-8"), "['\u2019]", "")
    spaced = tf.strings.regex_replace(plain, r"[^\pL\pM\pN]+", " ")
    return tf.strings.split(spaced).to_tensor("", shape=[None, length])


def word_pairs(words: "tf.Tensor") -> "tf.Tensor":
    """Words (n, length) -> neighbours `one two` (n, length - 1), "" where a second is missing."""
    import tensorflow as tf

    first, second = words[:, :-1], words[:, 1:]
    pairs = tf.strings.join([first, second], separator=" ")
    return tf.where(tf.equal(second, ""), tf.constant(""), pairs)


def word_ids(words: "tf.Tensor", patients: "tf.Tensor", *, name: str, most: int) -> "tf.Tensor":
    """Words (n, length) -> int64 (n, length): PADDING, UNSEEN, or FIRST_KNOWN and up.

    Known are the `most` words that most patients of training use, at least MIN_PATIENTS of them,
    so ids stay below `most + FIRST_KNOWN`. `name` is the file of the vocabulary.
    """
    import tensorflow as tf

    known = vocabulary_ids(words, patients, name=name, most=most)
    ids = tf.where(known < 0, tf.constant(UNSEEN, tf.int64), known + FIRST_KNOWN)
    return tf.where(tf.equal(words, ""), tf.constant(PADDING, tf.int64), ids)


def bag_of_words(words: "tf.Tensor", patients: "tf.Tensor", *, name: str, most: int) -> "tf.Tensor":
    """Words (n, length) -> tf-idf of words and of pairs of neighbours, float32 (n, most).

    Columns are the `most` of both that most patients use, at least MIN_PATIENTS of them.
    """
    import tensorflow as tf

    tokens = tf.concat([words, word_pairs(words)], axis=1)
    return _tf_idf(_count(vocabulary_ids(tokens, patients, name=name, most=most) + 1, most))


def bag_of_characters(words: "tf.Tensor", *, buckets: int) -> "tf.Tensor":
    """Words (n, length) -> tf-idf of their hashed n-grams of 3 to 5 characters, float32
    (n, buckets).
    """
    import tensorflow as tf

    length = words.shape[1]
    grams = _word_grams(tf.reshape(words, [-1]), (3, 4, 5))
    by_word = tf.strings.to_hash_bucket_fast(grams, buckets) + 1
    starts = tf.gather(by_word.row_splits, tf.range(0, tf.size(by_word.row_splits), length))
    ids = tf.RaggedTensor.from_row_splits(by_word.values, starts, validate=False)
    return _tf_idf(_count(ids.to_tensor(PADDING), buckets))


def _word_grams(words: "tf.Tensor", sizes: tuple[int, ...]) -> "tf.RaggedTensor":
    """Words (n,) -> n-grams of `<word>`, ragged (n, None); none for ""."""
    import tensorflow as tf

    bounded = tf.where(tf.equal(words, ""), "", tf.strings.join(["<", words, ">"]))
    characters = tf.strings.unicode_split(bounded, "UTF-8")
    return tf.strings.ngrams(characters, sizes, separator="")


def _count(ids: "tf.Tensor", size: int) -> "tf.Tensor":
    """Ids (n, any), 1 to `size` -> how often each occurs, float32 (n, size); 0 is not counted."""
    import tensorflow as tf

    counts = tf.math.bincount(
        ids, minlength=size + 1, maxlength=size + 1, dtype=tf.float32, axis=-1
    )
    return tf.ensure_shape(counts[:, 1:], [None, size])


def _tf_idf(counts: "tf.Tensor") -> "tf.Tensor":
    """Counts (n, size) -> log(1 + count) x (1 + log(texts / texts that have it)), of length 1.

    Texts are counted in int64, so that the order in which workers add up makes no difference.
    """
    import tensorflow as tf
    import tensorflow_transform as tft

    seen = tf.cast(counts > 0, tf.int64)
    with_total = tf.concat([seen, tf.ones_like(seen[:, :1])], axis=1)
    texts = tf.cast(tft.sum(with_total, reduce_instance_dims=False), tf.float32)
    rarity = 1 + tf.math.log(texts[-1] / tf.maximum(texts[:-1], 1.0))
    return tf.math.l2_normalize(tf.math.log1p(counts) * rarity, axis=1)
