"""Random forests (ydf): trained on transformed features, exported beside their TFT graph.

Source: https://ydf.readthedocs.io
"""

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from transforms import tensors
from transforms.forest_drivers import Trees, features_of, largest, take_trees
from transforms.linear_forest import Linear
from transforms.prediction_rows import Outputs
from transforms.preprocess import load_graph
from transforms.training_records import read_records

_READ_ROWS = 1 << 14
_FALSE, _TRUE = "false", "true"
MEAN = "/mean"
"""Suffix of the output from which a quantity's contributions count."""


def _columns(
    files: Sequence[str], spec: Mapping[str, Any], label: pa.Field, classes: tuple[str, ...]
) -> dict[str, Any]:
    """TFRecord files -> whole columns in memory, the label under its own name."""
    parts = [
        ({k: v.numpy() for k, v in x.items()}, y[label.name].numpy())
        for x, y in read_records(files, spec, label, batch_size=_READ_ROWS)
    ]
    columns = {name: np.concatenate([x[name] for x, _ in parts]) for name in spec}
    target = np.concatenate([y for _, y in parts])
    if pa.types.is_string(label.type):
        target = np.asarray(classes)[target]
    elif pa.types.is_boolean(label.type):
        target = np.where(target > 0.5, _TRUE, _FALSE)
    return {**_for_ydf(columns), label.name: target}


def _for_ydf(columns: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes -> str; other columns as they are."""
    return {
        name: np.char.decode(values.astype(np.bytes_), "utf-8")
        if values.dtype == object
        else values
        for name, values in columns.items()
    }


def fit(
    learner: Any,
    label: pa.Field,
    records: Mapping[str, Sequence[str]],
    graph_folder: str,
    classes: tuple[str, ...],
) -> Any:
    """Trains a ydf learner on the train split and returns the forest."""
    import tensorflow_transform as tft

    spec = tft.TFTransformOutput(graph_folder).transformed_feature_spec()
    data = _columns(records["train"], spec, label, classes)
    return learner.train(data, verbose=0)


def export(model: Any, graph_folder: str, folder: str) -> None:
    """Writes `folder/forest` (ydf) and `folder/preprocessing` (TFT)."""
    model.save(f"{folder}/forest")
    shutil.copytree(graph_folder, f"{folder}/preprocessing")


class ForestEstimator:
    """A forest and its TFT graph, ready to score record batches."""

    def __init__(
        self, folder: str, features: pa.Schema, label: pa.Field, classes: tuple[str, ...]
    ) -> None:
        import tensorflow as tf
        import ydf

        self._layer = load_graph(f"{folder}/preprocessing")
        self._graph = tf.function(
            lambda packed: self._layer(tensors.unpack(packed, features)),
            input_signature=[tensors.packed_specs(features)],
        )
        ydf.verbose(0)  # it would write to stdout, which belongs to results
        self._forest = ydf.load_model(f"{folder}/forest")
        self._linear = Linear.load(f"{folder}/forest")
        self._features = features
        self._label = label
        self._classes = classes
        self._trees = take_trees(self._forest)
        terms = self._linear.columns if self._linear else ()
        self._of_terms = features_of(terms, features.names)
        self._of_trees = features_of(self._trees.names if self._trees else (), features.names)

    def predict(self, batch: pa.RecordBatch) -> Outputs:
        """A batch with the columns of FEATURES, its text encoded -> probabilities, or the quantity.

        With drivers, where the forest is of a kind that can be taken apart and its columns come
        from single features: what each feature adds, of classes to the likeliest one's
        probability. A quantity then also has `<label>/mean`, what the contributions count from.
        """
        packed = tensors.pack(batch, self._features)
        columns = {name: value.numpy() for name, value in self._graph(packed).items()}
        values: dict[str, np.ndarray] = {}
        if self._trees is None or self._of_trees is None or self._of_terms is None:
            found = self._forest.predict(_for_ydf(columns)).astype(np.float32, copy=False)
        else:
            found, values = self._take_apart(columns, self._trees, self._of_trees)
        if self._linear is not None:
            found = found + self._linear.predict(columns)
        values[self._label.name] = self._in_order(found)
        return Outputs(values, self._classes)

    def _take_apart(
        self, columns: Mapping[str, Any], trees: Trees, of_trees: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Columns of the graph -> what ydf would predict, and the drivers."""
        of_true = None  # of two classes the probability of true, whichever is likelier
        if pa.types.is_boolean(self._label.type):
            of_true = [str(c) for c in self._forest.label_classes()].index(_TRUE)
        count = len(self._features)
        found, contributions = trees.explain(columns, of_trees, count, of_true)
        if found.shape[1] > 1:
            return found, dict(largest(contributions))
        mean = trees.mean[0]
        if self._linear is not None:
            mean = mean + self._linear.intercept
            belongs = np.eye(count, dtype=np.float32)[self._of_terms]
            contributions += self._linear.terms(columns) @ belongs
        means = np.full(len(found), mean, np.float32)
        return found[:, 0], {self._label.name + MEAN: means, **dict(largest(contributions))}

    def _in_order(self, found: np.ndarray) -> np.ndarray:
        """What ydf predicts -> (n,) of P(true) or the quantity, (n, classes) for a string label."""
        if pa.types.is_float32(self._label.type):
            return found
        names = [str(name) for name in self._forest.label_classes()]
        if found.ndim == 1:  # of two classes ydf gives the second alone
            found = np.stack([1 - found, found], axis=1)
        wanted = self._classes or (_FALSE, _TRUE)
        ordered = np.zeros((len(found), len(wanted)), np.float32)
        for position, name in enumerate(wanted):
            if name in names:
                ordered[:, position] = found[:, names.index(name)]
        return ordered if self._classes else ordered[:, 1]
