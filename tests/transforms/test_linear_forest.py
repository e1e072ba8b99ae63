import numpy as np
import pytest

from transforms.linear_forest import FILE, Linear, LinearForestLearner, fit_linear

MISSING = -10.0


def drawn(rows=400):
    random = np.random.default_rng(0)
    return {
        "x": random.normal(size=rows).astype(np.float32),
        "word": np.array(["a", "b", ""])[random.integers(0, 3, rows)],
    }


def as_bytes(columns):
    return {**columns, "word": np.char.encode(columns["word"], "utf-8").astype(object)}


def test_an_equation_is_found_again():
    columns = drawn()
    target = 5 + 2 * columns["x"] + 3 * (columns["word"] == "a")
    found = fit_linear(columns, target, penalty=1e-6, missing=MISSING)

    assert found.intercept == pytest.approx(target.mean())
    assert found.numbers["x"][0] == pytest.approx(2, abs=1e-4)
    assert found.words["word"]["a"] - found.words["word"]["b"] == pytest.approx(3, abs=1e-4)
    assert found.predict(as_bytes(columns)) == pytest.approx(target, abs=1e-3)


def test_terms_are_0_on_average():
    columns = drawn()
    columns["x"][::5] = MISSING
    target = np.random.default_rng(1).normal(size=400) + columns["x"] + (columns["word"] == "b")
    found = fit_linear(columns, target, penalty=30, missing=MISSING)
    terms = found.terms(as_bytes(columns))

    assert found.columns == ("x", "word")
    assert terms.mean(axis=0) == pytest.approx([0, 0], abs=1e-5)
    assert found.predict(as_bytes(columns)).mean() == pytest.approx(target.mean(), abs=1e-5)


def test_what_is_missing_has_a_term_of_its_own():
    columns = drawn()
    columns["x"][::4] = MISSING
    columns["x"][1] = np.nan
    gone = ~(columns["x"] > MISSING)
    target = np.where(gone, 7, columns["x"])
    found = fit_linear(columns, target, penalty=1e-6, missing=MISSING)

    assert found.predict(as_bytes(columns)) == pytest.approx(target, abs=1e-3)


def test_a_word_that_was_not_known_counts_as_none():
    columns = drawn()
    target = 1.0 * (columns["word"] == "a")
    found = fit_linear(columns, target, penalty=1e-6, missing=MISSING)
    other = {"x": np.float32([0, 0]), "word": np.array([b"new", b""], object)}

    assert found.predict(other) == pytest.approx([0, 0], abs=1e-3)


def test_a_rare_flag_is_held_back_and_a_common_one_is_not():
    rows = 1000
    rare = (np.arange(rows) < 2).astype(np.float32)
    common = (np.arange(rows) % 2).astype(np.float32)
    found = fit_linear(
        {"rare": rare, "common": common}, 10 * rare + 10 * common, penalty=30, missing=MISSING
    )

    assert found.numbers["rare"][0] < 1
    assert found.numbers["common"][0] > 8


def test_columns_that_never_change_add_nothing():
    found = fit_linear({"x": np.zeros(4)}, np.arange(4.0), penalty=1, missing=MISSING)

    assert found.predict({"x": np.float32([0, 5])}).tolist() == [1.5, 1.5]


def test_the_forest_learns_what_the_equation_leaves_of_the_target(tmp_path):
    import ydf

    ydf.verbose(0)
    columns = drawn()
    root = 6 + columns["x"] + 0.8 * (columns["x"] > 1) * (columns["word"] == "a")
    forest = ydf.RandomForestLearner(label="y", task=ydf.Task.REGRESSION, num_trees=30)
    learner = LinearForestLearner(forest, "y", np.sqrt, 1.0, MISSING)
    trained = learner.train({**columns, "y": np.square(root)}, verbose=0)
    trained.save(str(tmp_path / "forest"))
    linear = Linear.load(str(tmp_path / "forest"))
    loaded = ydf.load_model(str(tmp_path / "forest"))
    alone = linear.predict(as_bytes(columns))
    both = alone + loaded.predict(columns)

    assert linear == trained.linear
    assert np.square(both - root).mean() < 0.3 * np.square(alone - root).mean()


def test_a_forest_alone_has_no_equation(tmp_path):
    assert Linear.load(str(tmp_path)) is None
    assert not (tmp_path / FILE).exists()
