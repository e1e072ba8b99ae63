"""Vocabularies of TF Transform that no patient's own word gets into.

A vocabulary is a file of the trained model, so a word in it must be common to several patients,
however often one of them repeats it: what is counted is patients, not rows or occurrences.

Whose a row is reaches the graph in an input of its own, PATIENT, which `preprocess` adds while the
training split is analysed. It feeds analyzers alone, so the graph that scores does not have it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from transforms.examples import batches_of, owners

if TYPE_CHECKING:
    import tensorflow as tf

PATIENT = "patient_of_row"
FIELD = pa.field(PATIENT, pa.int64(), nullable=False)
NOT_COUNTED = -1
MIN_PATIENTS = 5


def batches_by_patient(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Examples of one file -> record batches with PATIENT: the subject, else the entity.

    A batch is looked at by itself, so a patient's rows in a later batch are NOT_COUNTED there.
    The examples that the engine makes have all rows of a patient in one file.
    """
    whose, begin = owners(table), 0
    seen = np.empty(0, np.int64)
    for batch in batches_of(table):
        here = whose[begin : begin + batch.num_rows]
        begin += batch.num_rows
        counted = np.where(np.isin(here, seen), NOT_COUNTED, here)
        seen = np.union1d(seen, here)
        yield pa.RecordBatch.from_arrays(
            [*batch.columns, pa.array(counted)], schema=batch.schema.append(FIELD)
        )


def vocabulary_ids(
    tokens: "tf.Tensor",
    patients: "tf.Tensor",
    *,
    name: str,
    most: int,
    min_patients: int = MIN_PATIENTS,
) -> "tf.Tensor":
    """Tokens (n, width) string -> int64, 0 to most - 1, the commonest first; -1 unknown and "".

    Known are the `most` tokens that most patients have, of those that at least `min_patients` have.
    `patients` (n,) int64 is the input PATIENT; `name` is the file of the vocabulary.
    """
    import tensorflow_transform as tft

    vocabulary = tft.vocabulary(
        once_per_patient(tokens, patients),
        top_k=most,
        frequency_threshold=min_patients,
        vocab_filename=name,
    )
    return tft.apply_vocabulary(tokens, vocabulary, default_value=-1)


def once_per_patient(tokens: "tf.Tensor", patients: "tf.Tensor") -> "tf.Tensor":
    """Tokens (n, width) of rows of `patients` (n,) -> the same, "" for what is there again.

    All of a row that is NOT_COUNTED becomes "", which no vocabulary counts.
    """
    import tensorflow as tf

    whose = tf.strings.as_string(patients)[:, tf.newaxis]
    pairs = tf.reshape(
        tf.strings.join([tf.broadcast_to(whose, tf.shape(tokens)), tokens], "/"), [-1]
    )
    different, number = tf.unique(pairs, tf.int64)
    place = tf.range(tf.size(pairs, tf.int64))
    first = tf.math.unsorted_segment_min(place, number, tf.size(different, tf.int64))
    again = tf.reshape(tf.not_equal(place, tf.gather(first, number)), tf.shape(tokens))
    return tf.where(again | (patients < 0)[:, tf.newaxis], tf.constant(""), tokens)
