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
Ints = npt.NDArray[np.int32]

_NEVER = np.float32(np.inf)  # the threshold of what asks about words


@dataclasses.dataclass(frozen=True)
class Trees:
    """The trees of a forest, one array entry per node; a leaf is its own child.

    `roots` are the nodes at which trees begin, `depth` the most steps down. A node goes to
    `positive` where the value of `column` reaches `threshold`, or where `members` is true at
    `offset` plus the word's number (`scale` is 1 for words, else 0). `value` float32 (nodes,
    outputs). `means` stand in for missing numbers; `words` are the known words of the columns of
    words, their number less one; a word that is not known is 0, an empty one the number after all.
    """

    names: tuple[str, ...]
    means: Mapping[int, float]
    words: Mapping[int, pa.Array]
    roots: Ints
    depth: int
    column: Ints
    threshold: Floats
    scale: Floats
    offset: Ints
    members: npt.NDArray[np.bool_]
    negative: Ints
    positive: Ints
    value: Floats

    @property
    def mean(self) -> Floats:
        """What the forest says of the average row of its training, (outputs,)."""
        found: Floats = self.value[self.roots].mean(axis=0)
        return found

    def predict(self, columns: Mapping[str, Array]) -> tuple[Floats, list[Ints]]:
        """Columns of n rows -> predictions (n, outputs), and the nodes passed, (n, trees) a level.

        Words are bytes.
        """
        x = self._matrix(columns)
        rows, width = x.shape
        flat, first = x.reshape(-1), np.arange(rows, dtype=np.int32)[:, None] * width
        node = np.broadcast_to(self.roots, (rows, len(self.roots)))
        levels = [node]
        for _ in range(self.depth):
            found = flat[first + self.column[node]]
            up = found >= self.threshold[node]
            up |= self.members[self.offset[node] + (found * self.scale[node]).astype(np.int32)]
            node = np.where(up, self.positive[node], self.negative[node])
            levels.append(node)
        return self.value[node].mean(axis=1, dtype=np.float32), levels

    def contributions(
        self, levels: Sequence[Ints], output: Array, feature: Ints, features: int
    ) -> Floats:
        """Nodes passed -> what each feature added to the `output` (n,) of each row: (n, features).

        `feature` says for each column which feature it comes from.
        """
        rows, trees = levels[0].shape
        width = self.value.shape[1]
        flat, of_node = self.value.reshape(-1), feature[self.column]
        first = np.arange(rows, dtype=np.int32)[:, None] * features
        before = flat[levels[0] * width + output[:, None]]
        sums = np.zeros(rows * features)
        for node, child in zip(levels, levels[1:], strict=False):
            after = flat[child * width + output[:, None]]
            where = (first + of_node[node]).reshape(-1)
            sums += np.bincount(where, (after - before).reshape(-1), minlength=len(sums))
            before = after
        return (sums / trees).reshape(rows, features).astype(np.float32)

    def _matrix(self, columns: Mapping[str, Array]) -> Floats:
        """Columns -> float32 (n, columns): numbers, and the numbers of words."""
        rows = len(columns[self.names[0]])
        x = np.empty((rows, len(self.names)), np.float32)
        for place, name in enumerate(self.names):
            if place in self.words:
                x[:, place] = word_numbers(columns[name], self.words[place])
            else:
                found = columns[name].astype(np.float32, copy=False)
                x[:, place] = np.where(np.isnan(found), np.float32(self.means[place]), found)
        return x


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
    spec = forest.data_spec().columns
    inputs = [f.column_idx for f in forest.input_features()]
    place = {column: number for number, column in enumerate(inputs)}
    means, words = {}, {}
    for column, number in place.items():
        if spec[column].HasField("categorical"):
            items = sorted((v.index, k) for k, v in spec[column].categorical.items.items())
            words[number] = pa.array([k.encode() for index, k in items if index], pa.binary())
        else:
            means[number] = spec[column].numerical.mean
    nodes = _Nodes(place, {number: len(known) for number, known in words.items()})
    try:
        roots = [nodes.add(tree.root) for tree in forest.iter_trees()]
    except NotImplementedError:
        return None
    value = np.asarray(nodes.value, np.float32).reshape(len(nodes.value), -1)
    if forest.task() == ydf.Task.CLASSIFICATION and forest.winner_takes_all():
        value = np.eye(value.shape[1], dtype=np.float32)[value.argmax(axis=1)]
    return Trees(
        names=tuple(spec[column].name for column in inputs),
        means=means,
        words=words,
        roots=np.asarray(roots, np.int32),
        depth=nodes.depth,
        column=np.asarray(nodes.column, np.int32),
        threshold=np.asarray(nodes.threshold, np.float32),
        scale=np.asarray(nodes.scale, np.float32),
        offset=np.asarray(nodes.offset, np.int32),
        members=np.asarray(nodes.members, bool),
        negative=np.asarray(nodes.negative, np.int32),
        positive=np.asarray(nodes.positive, np.int32),
        value=value,
    )


class _Nodes:
    """Nodes as they are met. `members` begins with one that no word has."""

    def __init__(self, place: Mapping[int, int], known: Mapping[int, int]) -> None:
        self._place, self._known = place, known
        self.depth = 0
        self.column: list[int] = []
        self.threshold: list[float] = []
        self.scale: list[float] = []
        self.offset: list[int] = []
        self.members: list[bool] = [False]
        self.negative: list[int] = []
        self.positive: list[int] = []
        self.value: list[Any] = []

    def add(self, node: Any, depth: int = 0) -> int:
        """A node of ydf and all below it -> its number.

        Raises: NotImplementedError, for a condition that is not known.
        """
        number = len(self.value)
        self.depth = max(self.depth, depth)
        value = node.value
        self.value.append(getattr(value, "probability", None) or value.value)
        for column in (self.negative, self.positive):
            column.append(number)
        if node.is_leaf:
            self._ask(0, float(_NEVER))
            return number
        self._ask_condition(node.condition)
        self.negative[number] = self.add(node.neg_child, depth + 1)
        self.positive[number] = self.add(node.pos_child, depth + 1)
        return number

    def _ask_condition(self, condition: Any) -> None:
        from ydf import tree

        if isinstance(condition, tree.NumericalHigherThanCondition):
            self._ask(self._place[condition.attribute], condition.threshold)
        elif isinstance(condition, tree.CategoricalIsInCondition):
            place = self._place[condition.attribute]
            member = [False] * (self._known[place] + 1) + [condition.missing]
            for index in condition.mask:
                member[index] = True
            self._ask(place, float(_NEVER), 1.0, len(self.members))
            self.members += member
        else:
            raise NotImplementedError(type(condition).__name__)

    def _ask(self, place: int, threshold: float, scale: float = 0.0, offset: int = 0) -> None:
        self.column.append(place)
        self.threshold.append(threshold)
        self.scale.append(scale)
        self.offset.append(offset)


def features_of(columns: Sequence[str], features: Sequence[str]) -> Ints | None:
    """Columns of a `preprocessing_fn` -> number of the feature each comes from.

    A column comes from the feature of its name, or of what stands before its first `/`. None
    where that is no feature for one of them.

    >>> features_of(["age", "age/missing"], ["sex", "age"]).tolist()
    [1, 1]
    """
    number = {name: place for place, name in enumerate(features)}
    found = [number.get(name, number.get(name.partition("/")[0], -1)) for name in columns]
    return None if -1 in found else np.asarray(found, np.int32)


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
