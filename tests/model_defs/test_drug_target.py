import dataclasses
import datetime

import numpy as np
import polars as pl
import pytest

from model_defs import _compounds, _proteins, drug_target
from model_defs.drug_target import Config, build_model, examples, gather, to_predictions
from tests.model_defs.cases_drug_target import (
    AS_OF,
    ASPIRIN,
    CAFFEINE,
    KINASE,
    RECEPTOR,
    day,
    molecule,
    pair,
    tables,
    tables_of,
)
from transforms.bucket_tables import Tables, from_ipc, to_ipc
from transforms.prediction_rows import Outputs
from transforms.splits import SPLITS


def whole(number=1, compound="a", target="k", **columns):
    """A pair that brings both structures along."""
    return pair(number, compound, target, **{"smiles": ASPIRIN, "sequence": KINASE, **columns})


def only(frame):
    (row,) = frame.to_dicts()
    return row


def test_a_given_pair_is_an_example():
    frame = examples(tables_of([whole(7, affinity=6.5, time=day(0), split="tuning")]), AS_OF)
    assert only(frame) == {
        "subject_id": None,
        "entity_id": 7,
        "prediction_time": AS_OF,
        "compound": _compounds.encode_compound(ASPIRIN),
        "target": _proteins.encode_protein("k", KINASE),
        "affinity": 6.5,
        "split": "tuning",
    }
    assert frame.schema["subject_id"] == pl.Int64
    assert frame.schema["prediction_time"] == pl.Datetime("us")
    assert frame.schema["affinity"] == pl.Float32


def test_structures_that_a_pair_lacks_are_those_of_its_molecules():
    molecules = [molecule(1, "compound", "a", ASPIRIN), molecule(2, "target", "k", KINASE)]
    told = examples(tables_of([pair(7, "a", "k", affinity=5.0)], molecules), AS_OF)
    assert told.equals(examples(tables_of([whole(7, affinity=5.0)]), AS_OF))


def test_a_compound_and_a_target_of_one_name_are_two_molecules():
    molecules = [molecule(1, "compound", "x", ASPIRIN), molecule(2, "target", "x", KINASE)]
    found = only(examples(tables_of([pair(7, "x", "x")], molecules), AS_OF))
    assert found["compound"] == _compounds.encode_compound(ASPIRIN)
    assert found["target"] == _proteins.encode_protein("x", KINASE)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([whole(2, target="other", smiles=CAFFEINE)], CAFFEINE),
        (
            [whole(2, target="other", smiles=CAFFEINE), molecule(1, "compound", "a", ASPIRIN)],
            ASPIRIN,
        ),
        (
            [
                molecule(1, "compound", "a", ASPIRIN, time=day(2)),
                molecule(2, "compound", "a", CAFFEINE, time=day(3)),
                molecule(3, "compound", "a", "C"),
            ],
            CAFFEINE,
        ),
        ([molecule(1, "compound", "a", "CCO"), molecule(2, "compound", "a", "CCN")], "CCO"),
    ],
    ids=["of another pair", "of molecules first", "the latest", "the last by alphabet"],
)
def test_which_structure_a_name_has(others, expected):
    pairs = [row for row in others if "pair_id" in row]
    molecules = [row for row in others if "molecule_id" in row]
    frame = examples(tables_of([whole(1, smiles=None), *pairs], molecules), AS_OF)
    (found,) = frame.filter(pl.col("entity_id") == 1)["compound"]
    assert found == _compounds.encode_compound(expected)


def test_a_pair_keeps_the_structure_that_it_brings():
    frame = examples(tables_of([whole()], [molecule(1, "compound", "a", CAFFEINE)]), AS_OF)
    assert only(frame)["compound"] == _compounds.encode_compound(ASPIRIN)


@pytest.mark.parametrize("lacking", [{"smiles": None}, {"sequence": None}, {"smiles": "C1CC"}])
def test_a_pair_without_a_structure_is_no_example(lacking):
    frame = examples(tables_of([whole(1, **lacking), whole(2, "b", "l")]), AS_OF)
    assert frame["entity_id"].to_list() == [2]


def test_what_is_known_only_at_as_of_is_not_read():
    late = {"time": AS_OF}
    pairs = [whole(1), whole(2, "b", "l", **late), pair(3, "c", "k")]
    molecules = [molecule(1, "compound", "c", ASPIRIN, **late)]
    assert examples(tables_of(pairs, molecules), AS_OF)["entity_id"].to_list() == [1]
    later = AS_OF + datetime.timedelta(microseconds=1)
    assert examples(tables_of(pairs, molecules), later)["entity_id"].to_list() == [1, 2, 3]


def test_a_grid_has_every_compound_with_every_target():
    pairs = [
        whole(1, "a", "k", affinity=7.0, split="held_out"),
        whole(2, "b", "l", smiles=CAFFEINE, sequence=RECEPTOR),
    ]
    molecules = [molecule(1, "compound", "c", "CCO"), molecule(2, "target", "m", KINASE + KINASE)]
    given = tables_of(pairs, molecules)
    assert examples(given, AS_OF).height == 2
    frame = examples(given, AS_OF, Config(grid=True))
    assert frame.height == 9
    assert frame["entity_id"].n_unique() == 9
    assert frame["entity_id"].min() >= 0
    assert frame.select("compound", "target").n_unique() == 9
    known = frame.drop_nulls("affinity")
    assert known.select("entity_id", "affinity", "split").rows() == [(1, 7.0, "held_out")]


def test_a_cell_of_the_grid_keeps_its_id():
    pairs = [whole(1, "a", "k"), whole(2, "b", "l", smiles=CAFFEINE, sequence=RECEPTOR)]
    first = examples(tables_of(pairs), AS_OF, Config(grid=True))
    more = [*pairs, whole(3, "c", "m", smiles="CCO", sequence=KINASE + RECEPTOR)]
    second = examples(tables_of(more), AS_OF, Config(grid=True))
    cell = ["entity_id", "compound", "target"]
    assert first.join(second, on=cell).height == 4
    assert second.height == 9
    # Stands in predictions of earlier days: must not change with a release.
    assert sorted(set(first["entity_id"]) - {1, 2}) == [1838211611636327647, 8363930588808737901]


def test_which_is_whose_matters_for_the_id_of_a_cell():
    smiles, sequence = {"smiles": CAFFEINE}, {"sequence": RECEPTOR}
    one = examples(tables_of([whole(1, "x", "y"), whole(2, "y", "x", **smiles, **sequence)]), AS_OF)
    assert one["entity_id"].to_list() == [1, 2]
    grid = drug_target._rest_of_grid(
        pl.DataFrame(schema={"compound": pl.String, "target": pl.String}),
        pl.DataFrame({"compound": ["x", "y"]}),
        pl.DataFrame({"target": ["x", "y"]}),
    )
    assert grid["entity_id"].n_unique() == 4


def test_molecules_are_encoded_once_however_many_pairs_they_have(monkeypatch):
    calls = {"compound": 0, "protein": 0}

    def counting(kind, encode):
        def counted(*texts):
            calls[kind] += 1
            return encode(*texts)

        return counted

    monkeypatch.setattr(
        _compounds, "encode_compound", counting("compound", _compounds.encode_compound)
    )
    monkeypatch.setattr(_proteins, "encode_protein", counting("protein", _proteins.encode_protein))
    molecules = [molecule(n, "compound", f"c{n}", "C" * (n + 1)) for n in range(20)]
    molecules += [molecule(100 + n, "target", f"t{n}", KINASE[n:] + RECEPTOR) for n in range(30)]
    molecules += [molecule(200, "compound", "another name", "CC")]
    frame = examples(tables_of([], molecules), AS_OF, Config(grid=True))
    assert frame.height == 21 * 30
    assert calls == {"compound": 20, "protein": 30}


def split_of(pairs, split_by):
    frame = examples(tables_of(pairs), AS_OF, Config(split_by=split_by))
    return dict(frame.select("entity_id", "split").iter_rows())


def test_splits_by_compound_and_by_target_keep_all_of_one_together():
    pairs = [
        whole(40 * c + t, f"c{c}", f"t{t}", smiles="C" * (c + 1), sequence=KINASE[t:] + RECEPTOR)
        for c in range(40)
        for t in range(40)
    ]
    by_compound = split_of(pairs, "compound")
    by_target = split_of(pairs, "target")
    for n in range(1600):
        assert by_compound[n] == by_compound[n // 40 * 40]
        assert by_target[n] == by_target[n % 40]
    assert set(by_compound.values()) == set(by_target.values()) == set(SPLITS)
    shares = pl.Series(list(split_of(pairs, "pair").values())).value_counts(normalize=True)
    train = shares.filter(pl.col(shares.columns[0]) == "train")["proportion"].item()
    assert 0.6 < train < 0.8


def test_a_compound_under_two_names_and_spellings_is_in_one_split():
    pairs = [whole(n, f"name{n}", smiles=smiles) for n, smiles in enumerate(["CCO", "OCC"] * 20)]
    assert len(set(split_of(pairs, "compound").values())) == 1
    assert len(set(split_of(pairs, "pair").values())) > 1


def test_a_target_under_two_names_is_in_one_split():
    pairs = [whole(n, target=f"name{n}") for n in range(40)]
    pairs += [whole(40 + n, target=f"n{n}", sequence=KINASE.lower()) for n in range(40)]
    assert len(set(split_of(pairs, "target").values())) == 1


def test_names_of_targets_are_read_unless_told_otherwise():
    given = tables_of([whole(1, target="ABL1"), whole(2, target="ABL1(T315I)p")])
    assert examples(given, AS_OF)["target"].n_unique() == 2
    assert examples(given, AS_OF, Config(names=False))["target"].n_unique() == 1


def test_a_given_split_decides():
    pairs = [whole(n, split="held_out") for n in range(20)]
    for split_by in drug_target.SPLIT_BY:
        assert set(split_of(pairs, split_by).values()) == {"held_out"}


def test_an_unknown_way_to_split_is_refused():
    with pytest.raises(ValueError, match="pair, compound, target, not family"):
        Config(split_by="family")


def test_gathered_buckets_give_the_examples_of_the_whole():
    drawn = tables(seed=3, subjects=20)
    config = Config(grid=True)
    parts = []
    for bucket in range(4):
        part = dataclasses.replace(
            drawn,
            pairs=drawn.pairs.filter(pl.col("pair_id") % 4 == bucket),
            molecules=drawn.molecules.filter(pl.col("molecule_id") % 4 == bucket),
        )
        gathered = gather(part, AS_OF, config)
        assert gathered.events.height == 0
        parts.append(to_ipc(gathered))
    together = examples(from_ipc(parts), AS_OF, config)
    assert together.equals(examples(drawn, AS_OF, config))
    assert together.height == 20 * 6


def test_no_rows_give_no_examples():
    frame = examples(Tables(), AS_OF, Config(grid=True))
    expected = ["compound", "target", "affinity", "split"]
    assert frame.columns == ["subject_id", "entity_id", "prediction_time", *expected]
    assert frame.height == 0


def small(**fields):
    return build_model(Config(width=8, **fields))


def features(frame):
    import tensorflow as tf

    return {name: tf.constant(frame[name].to_list()) for name in ("compound", "target")}


def test_a_score_does_not_depend_on_the_pairs_beside_it():
    frame = examples(tables(seed=1, subjects=10), AS_OF)
    model = small()
    together = model(features(frame))["affinity"].numpy()
    alone = [
        model(features(frame[n : n + 1]))["affinity"].numpy().item() for n in range(frame.height)
    ]
    assert together.shape == (frame.height,)
    assert together == pytest.approx(alone, abs=1e-4)
    assert np.std(together) > 1e-3


def test_the_network_learns_what_binds():
    frame = examples(tables(seed=1, subjects=60), AS_OF)
    model = small(dropout=0.0, learning_rate=0.01)
    truth = frame["affinity"].to_numpy()
    model.fit(features(frame), {"affinity": truth}, epochs=30, batch_size=32, verbose=0)
    found = model.predict(features(frame), verbose=0)["affinity"]
    assert np.mean((found - truth) ** 2) < 0.2 * np.var(truth)


def test_the_same_seed_gives_the_same_network():
    frame = examples(tables(seed=1, subjects=4), AS_OF)
    first, again, other = (
        model(features(frame))["affinity"].numpy() for model in (small(), small(), small(seed=1))
    )
    assert (first == again).all()
    assert (first != other).any()


def test_bytes_become_numbers_of_each_distinct_molecule():
    import tensorflow as tf

    from model_defs._pair_layers import DistinctMolecules

    rows = [bytes([0b10000000, 0b00001111, 255, 0]), bytes([0, 0, 51, 102])]
    layer = DistinctMolecules((8, 8), 2)
    found, index = layer(tf.constant([rows[1], rows[0], rows[1]]))
    assert index.numpy().tolist() == [0, 1, 0]
    expected = [[0.0] * 16 + [0.8, 1.6], [8] + [0] * 11 + [4] * 4 + [4, 0]]
    assert found.numpy() == pytest.approx(np.array(expected))
    assert DistinctMolecules.from_config(layer.get_config()).segments == (8, 8)


def test_bytes_of_another_length_are_refused():
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="not a molecule"):
        small()({"compound": tf.constant([b"x"]), "target": tf.constant([b"y"])})


def test_the_score_is_the_affinity():
    found = to_predictions(Outputs({"affinity": np.array([5.5, 7.25])}), Config())
    assert found.score.tolist() == [5.5, 7.25]
    assert found.score.dtype == np.float32
    assert found.label is None
    assert found.interval_low is None  # the engine's
