import numpy as np
import pyarrow as pa
import pytest

from transforms.forest_drivers import features_of, largest, take_trees, word_numbers

ROWS = 300


@pytest.fixture(scope="module")
def columns():
    """Numbers with missing ones, and words with empty ones, drawn."""
    random = np.random.default_rng(0)
    number = random.normal(size=ROWS).astype(np.float32)
    number[::7] = np.nan
    return {
        "word": np.array(["red", "blue", "", "green"])[random.integers(0, 4, ROWS)],
        "number": number,
        "flag": random.integers(0, 2, ROWS).astype(np.float32),
    }


def truth(columns):
    return np.nan_to_num(columns["number"]) + 2 * (columns["word"] == "red") + columns["flag"]


def labels(kind, columns):
    value = truth(columns)
    if kind == "binary":
        return np.where(value > 1, "true", "false")
    if kind == "classes":
        return np.array(["a", "b", "c"])[np.digitize(value, [0, 2])]
    return value.astype(np.float32)


def train(kind, columns, **settings):
    import ydf

    ydf.verbose(0)
    task = ydf.Task.REGRESSION if kind == "quantity" else ydf.Task.CLASSIFICATION
    learner = ydf.RandomForestLearner(
        label="y", task=task, **{"num_trees": 7, "min_vocab_frequency": 2, **settings}
    )
    return learner.train({**columns, "y": labels(kind, columns)}, verbose=0)


def as_bytes(columns):
    """Words as the graph gives them."""
    encoded = np.char.encode(columns["word"], "utf-8").astype(object)
    return {**columns, "word": encoded}


@pytest.mark.parametrize("winner_take_all", [True, False])
@pytest.mark.parametrize("kind", ["binary", "classes", "quantity"])
def test_contributions_sum_to_the_prediction_less_the_mean(kind, winner_take_all, columns):
    forest = train(kind, columns, winner_take_all=winner_take_all)
    trees = take_trees(forest)
    unseen = {**columns, "word": np.where(columns["word"] == "blue", "mauve", columns["word"])}
    for rows in (columns, unseen):
        feature = np.arange(len(trees.names))
        found, contributions = trees.explain(as_bytes(rows), feature, len(feature))
        said = forest.predict(rows)
        if kind == "binary":
            said = np.stack([1 - said, said], axis=1)
        assert found == pytest.approx(said.reshape(ROWS, -1), abs=1e-5)
        chosen = found.argmax(axis=1)
        moved = found[np.arange(ROWS), chosen] - trees.mean[chosen]
        assert contributions.sum(axis=1) == pytest.approx(moved, abs=1e-5)
        assert np.abs(contributions).max() > 0.1


def test_a_given_output_is_explained_whichever_is_largest(columns):
    trees = take_trees(train("binary", columns, winner_take_all=False))
    found, contributions = trees.explain(as_bytes(columns), np.arange(3), 3, output=1)

    assert contributions.sum(axis=1) == pytest.approx(found[:, 1] - trees.mean[1], abs=1e-5)


def test_one_tree_is_taken_apart_as_by_hand():
    columns = {"a": np.float32([0, 0, 1, 1]), "b": np.float32([0, 1, 0, 1])}
    many = {name: np.repeat(values, 10) for name, values in columns.items()}
    import ydf

    ydf.verbose(0)
    tree = ydf.RandomForestLearner(
        label="y",
        task=ydf.Task.REGRESSION,
        num_trees=1,
        bootstrap_training_dataset=False,
        num_candidate_attributes_ratio=1.0,
        min_examples=1,
    ).train({**many, "y": 10 * many["a"] + 2 * many["a"] * many["b"]}, verbose=0)
    trees = take_trees(tree)
    found, contributions = trees.explain(columns, np.array([1, 0]), 2)

    # The mean is 5.5, that of a = 1 is 11; only there b matters. `feature` puts b first.
    assert trees.mean.tolist() == [5.5]
    assert found[:, 0].tolist() == [0, 0, 10, 12]
    assert contributions.tolist() == [[0, -5.5], [0, -5.5], [-1, 5.5], [1, 5.5]]


def test_columns_of_one_feature_add_up(columns):
    trees = take_trees(train("quantity", columns))
    _, apart = trees.explain(as_bytes(columns), np.arange(3), 3)
    _, together = trees.explain(as_bytes(columns), np.array([0, 0, 1]), 2)

    assert together[:, 0] == pytest.approx(apart[:, 0] + apart[:, 1], abs=1e-5)
    assert together[:, 1] == pytest.approx(apart[:, 2], abs=1e-5)


def test_many_rows_are_explained_as_few_are(columns):
    trees = take_trees(train("classes", columns))
    whole = trees.explain(as_bytes(columns), np.arange(3), 3)
    last = trees.explain({k: v[-5:] for k, v in as_bytes(columns).items()}, np.arange(3), 3)

    assert whole[0][-5:] == pytest.approx(last[0])
    assert whole[1][-5:] == pytest.approx(last[1])


def test_other_kinds_of_forests_are_left_alone(columns):
    import ydf

    numbers = {"a": np.nan_to_num(columns["number"]), "b": columns["flag"]}
    data = {**numbers, "y": numbers["a"] + numbers["b"]}
    oblique = ydf.RandomForestLearner(
        label="y", task=ydf.Task.REGRESSION, num_trees=3, split_axis="SPARSE_OBLIQUE"
    ).train(data, verbose=0)
    boosted = ydf.GradientBoostedTreesLearner(
        label="y", task=ydf.Task.REGRESSION, num_trees=3
    ).train(data, verbose=0)

    assert take_trees(oblique) is None
    assert take_trees(boosted) is None


def test_words_have_numbers():
    found = np.array([b"a", b"c", b"", b"x"], object)

    assert word_numbers(found, pa.array([b"a", b"c"])).tolist() == [1, 2, 3, 0]


def test_a_column_comes_from_the_feature_it_is_named_after():
    assert features_of(["b", "a/log", "a"], ["a", "b"]).tolist() == [1, 0, 0]
    assert features_of(["a", "c"], ["a", "b"]) is None


def test_the_largest_contributions_come_first():
    found = dict(largest(np.float32([[0, 5, -7, 1, 2, -3, 4]])))

    assert found["driver_index"].tolist() == [[2, 1, 6, 5, 4]]
    assert found["driver_contribution"].tolist() == [[-7, 5, 4, -3, 2]]
