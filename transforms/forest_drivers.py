"""What each feature adds to a random forest's prediction: the path's changes of value, by feature.

On its way down a tree a row passes from node to node; each step changes what the tree would say,
and the change counts for the feature that the node asks about. The changes of all trees, averaged,
sum to the prediction less the forest's mean. All rows go down all trees together, a level at a
time, in arrays taken from the trees once.

Sources: Saabas 2014, https://blog.datadive.net/interpreting-random-forests/; Palczewska et al.
2014, https://doi.org/10.1007/978-3-319-04717-1_9
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.prediction_rows import DRIVER_CONTRIBUTION, DRIVER_INDEX, MAX_DRIVERS

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

_ROWS = 128  # whose way through all trees fits into a processor's cache
_NEVER = float("inf")


@dataclasses.dataclass(frozen=True)
class Words:
    """A column of words: those it knows, and for each question asked of it who answers yes.

    `answers` float32 (known words + 2, questions), by the word's number (`word_numbers`).
    """

    known: pa.Array
    answers: Floats


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of a forest as arrays over nodes and edges. A leaf is its own child.

    A row at a node asks whether its `question` reaches `threshold`; questions are the columns of
    numbers (`means` stand in for missing ones), then those of each column of words. It goes on by
    edge 2 * node, or 2 * node + 1 for yes, to `child`; `change` float64 (edges, outputs) is what
    the edge changes, `source` the column (its place in `names`) that was asked. `value` float32
    (nodes, outputs) is what a tree would say at the node.
    """

    means: Mapping[str, float]
    words: Mapping[str, Words]
    roots: Array
    depth: int
    question: Array
    threshold: Floats
    child: Array
    change: Array
    source: Array
    value: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, those of numbers first."""
        return (*self.means, *self.words)

    @property
    def mean(self) -> Floats:
        """What the forest says of the average row of its training, (outputs,)."""
        found: Floats = self.value[self.roots].mean(axis=0)
        return found

    def explain(
        self, columns: Mapping[str, Array], feature: Array, features: int, output: int | None = None
    ) -> tuple[Floats, Floats]:
        """Columns of n rows -> predictions (n, outputs) and contributions (n, features).

        `feature` says for each of `names` which feature it comes from. Contributions are those to
        the `output`, else to the largest of the row. Words are bytes.
        """
        x = self._answers(columns)
        rows, outputs = len(x), self.value.shape[1]
        predictions = np.empty((rows, outputs), np.float32)
        contributions = np.empty((rows, features), np.float32)
        of_edge = feature[self.source]
        for begin in range(0, rows, _ROWS):
            part = slice(begin, begin + _ROWS)
            leaves, edges = self._descend(x[part])
            predictions[part] = self.value[leaves].mean(axis=1, dtype=np.float32)
            chosen = predictions[part].argmax(axis=1) if output is None else output
            contributions[part] = self._sum(edges, of_edge, features, chosen)
        return predictions, contributions

    def _descend(self, x: Floats) -> tuple[Array, list[Array]]:
        """Answers (n, questions) -> the leaves reached, (n, trees), and each level's edges."""
        flat, first = x.reshape(-1), np.arange(len(x))[:, None] * x.shape[1]
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        edges = []
        for _ in range(self.depth):
            asked = self.question.take(node)
            asked += first
            edge = 2 * node
            edge += flat.take(asked) >= self.threshold.take(node)
            node = self.child.take(edge)
            edges.append(edge)
        return node, edges

    def _sum(
        self, edges: Sequence[Array], of_edge: Array, features: int, output: Array | int
    ) -> Array:
        """Edges passed -> the mean over trees of their changes, by row and feature."""
        rows, outputs = len(edges[0]) if edges else 0, self.value.shape[1]
        change, first = self.change.reshape(-1), np.arange(rows)[:, None] * features
        wanted = np.broadcast_to(output, rows)[:, None]
        sums = np.zeros(rows * features)
        for edge in edges:
            where = of_edge.take(edge)
            where += first
            moved = change.take(edge * outputs + wanted if outputs > 1 else edge)
            sums += np.bincount(where.reshape(-1), moved.reshape(-1), minlength=len(sums))
        return (sums / len(self.roots)).reshape(rows, features)

    def _answers(self, columns: Mapping[str, Array]) -> Floats:
        """Columns -> float32 (n, questions): numbers, and 1.0 where a word's answer is yes."""
        rows = len(columns[self.names[0]])
        x = np.empty((rows, len(self.means)), np.float32)
        for place, (name, mean) in enumerate(self.means.items()):
            found = columns[name].astype(np.float32, copy=False)
            x[:, place] = np.where(np.isnan(found), np.float32(mean), found)
        said = [w.answers[word_numbers(columns[name], w.known)] for name, w in self.words.items()]
        return np.concatenate([x, *said], axis=1)


def word_numbers(found: Array, words: pa.Array) -> Array:
    """Bytes (n,) -> 1 and up by place in `words`, 0 for others; one past the last for none.

    >>> word_numbers(np.array([b"b", b"", b"z"], object), pa.array([b"a", b"b"])).tolist()
    [2, 3, 0]
    """
    text = pa.array(found, pa.binary())
    number = pc.index_in(text, value_set=words).fill_null(-1).to_numpy() + 1
    empty = pc.equal(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
    return np.where(empty, len(words) + 1, number)


def take_trees(forest: Any) -> Trees | None:
    """A ydf forest -> its trees as arrays; None where it asks what is not known here.

    Known are random forests that compare numbers and look for words: neither oblique splits nor
    boosted trees.
    """
    import ydf

    if not isinstance(forest, ydf.RandomForestModel):
        return None
    nodes = _Nodes(forest)
    try:
        roots = [nodes.add(tree.root) for tree in forest.iter_trees()]
    except NotImplementedError:
        return None
    value = np.asarray(nodes.value, np.float32).reshape(len(nodes.value), -1)
    if forest.task() == ydf.Task.CLASSIFICATION and forest.winner_takes_all():
        value = np.eye(value.shape[1], dtype=np.float32)[value.argmax(axis=1)]
    child = np.asarray(nodes.child).reshape(-1)
    precise = value.astype(np.float64)
    first = nodes.first_questions()
    return Trees(
        means=nodes.means,
        words=nodes.taken_words(),
        roots=np.asarray(roots),
        depth=nodes.depth,
        question=np.asarray([first[column] + place for column, place in nodes.question]),
        threshold=np.asarray(nodes.threshold, np.float32),
        child=child,
        change=precise[child] - np.repeat(precise, 2, axis=0),
        source=np.repeat([nodes.columns.index(column) for column, _ in nodes.question], 2),
        value=value,
    )


class _Nodes:
    """Nodes of a ydf forest as they are met, depth first; questions as (column, place in it)."""

    def __init__(self, forest: Any) -> None:
        spec = forest.data_spec().columns
        self._name = {f.column_idx: f.name for f in forest.input_features()}
        self.means: dict[str, float] = {}
        self._known: dict[str, list[str]] = {}
        self._masks: dict[str, dict[tuple[bool, ...], int]] = {}
        for number, name in self._name.items():
            if spec[number].HasField("categorical"):
                items = spec[number].categorical.items.items()
                by_index = sorted((item.index, word) for word, item in items if item.index)
                self._known[name] = [word for _, word in by_index]
                self._masks[name] = {}
            else:
                self.means[name] = spec[number].numerical.mean
        self.columns = [*self.means, *self._known]
        self.depth = 0
        self.question: list[tuple[str, int]] = []
        self.threshold: list[float] = []
        self.child: list[list[int]] = []
        self.value: list[Any] = []

    def add(self, node: Any, depth: int = 0) -> int:
        """A node of ydf and all below it -> its number.

        Raises: NotImplementedError, for a condition that is not known.
        """
        number = len(self.value)
        self.depth = max(self.depth, depth)
        self.value.append(getattr(node.value, "probability", None) or node.value.value)
        self.child.append([number, number])
        question, threshold = (
            ((self.columns[0], 0), _NEVER) if node.is_leaf else self._asked(node.condition)
        )
        self.question.append(question)
        self.threshold.append(threshold)
        if not node.is_leaf:
            below = (node.neg_child, node.pos_child)
            self.child[number] = [self.add(child, depth + 1) for child in below]
        return number

    def _asked(self, condition: Any) -> tuple[tuple[str, int], float]:
        from ydf import tree

        if isinstance(condition, tree.NumericalHigherThanCondition):
            return (self._name[condition.attribute], 0), condition.threshold
        if not isinstance(condition, tree.CategoricalIsInCondition):
            raise NotImplementedError(type(condition).__name__)
        name = self._name[condition.attribute]
        yes = set(condition.mask)
        mask = (*(i in yes for i in range(len(self._known[name]) + 1)), condition.missing)
        return (name, self._masks[name].setdefault(mask, len(self._masks[name]))), 0.5

    def taken_words(self) -> dict[str, Words]:
        """The columns of words with all questions asked of them."""
        return {
            name: Words(
                pa.array([word.encode() for word in known], pa.binary()),
                np.asarray(list(self._masks[name]), np.float32).reshape(-1, len(known) + 2).T,
            )
            for name, known in self._known.items()
        }

    def first_questions(self) -> dict[str, int]:
        """Column -> number of its first question."""
        counts = [1] * len(self.means) + [len(masks) for masks in self._masks.values()]
        return dict(zip(self.columns, np.cumsum([0, *counts[:-1]]).tolist(), strict=True))


def features_of(columns: Sequence[str], features: Sequence[str]) -> Array | None:
    """Columns of a `preprocessing_fn` -> number of the feature each comes from.

    A column comes from the feature of its name, or of what stands before its first `/`. None
    where that is no feature for one of them.

    >>> features_of(["age", "age/missing"], ["sex", "age"]).tolist()
    [1, 1]
    """
    number = {name: place for place, name in enumerate(features)}
    found = [number.get(name, number.get(name.partition("/")[0], -1)) for name in columns]
    return None if -1 in found else np.asarray(found, np.int64)


def largest(contributions: Floats) -> Iterator[tuple[str, Array]]:
    """(n, features) -> the outputs that say which MAX_DRIVERS are largest, in order, and how much.

    >>> dict(largest(np.float32([[1, -3]])))["driver_index"].tolist()
    [[1, 0]]
    """
    count = min(MAX_DRIVERS, contributions.shape[1])
    size = -np.abs(contributions)
    if count < contributions.shape[1]:
        index = np.argpartition(size, count, axis=1)[:, :count]
    else:
        index = np.broadcast_to(np.arange(count), size.shape)
    order = np.argsort(np.take_along_axis(size, index, axis=1), axis=1, kind="stable")
    index = np.take_along_axis(index, order, axis=1)
    yield DRIVER_INDEX, index
    yield DRIVER_CONTRIBUTION, np.take_along_axis(contributions, index, axis=1)
