import numpy as np

from transforms.splits import SHARES, SPLITS, GivenSplits, split_index

SUBJECTS = np.random.default_rng(0).integers(0, 2**63, 50_000)


def test_shares_are_as_stated():
    shares = np.bincount(split_index(SUBJECTS), minlength=3) / len(SUBJECTS)
    assert np.allclose(shares, SHARES, atol=0.01)
    assert SPLITS == ("train", "tuning", "held_out")


def test_consecutive_ids_are_spread_too():
    shares = np.bincount(split_index(np.arange(50_000)), minlength=3) / 50_000
    assert np.allclose(shares, SHARES, atol=0.01)


def test_a_subject_stays_where_it_is():
    assert split_index(np.array([1, 2, 3, 4, 5, 6, 7, 8])).tolist() == KNOWN
    order = np.random.default_rng(1).permutation(len(SUBJECTS))
    assert (split_index(SUBJECTS)[order] == split_index(SUBJECTS[order])).all()


# Models that were trained would be measured on subjects they have seen, if this ever changed.
KNOWN = [1, 0, 1, 0, 1, 1, 0, 0]


def test_given_splits_decide_and_know_nobody_else():
    given = GivenSplits(np.array([10, 20, 30]), np.array([2, 0, 1]))
    assert given.of(np.array([30, 10, 11, 99, 20, 1])).tolist() == [1, 2, -1, -1, 0, -1]
    assert GivenSplits(np.array([], int), np.array([], int)).of(np.array([1])).tolist() == [-1]
    other = GivenSplits(np.array([10, 20, 30]), np.array([2, 1, 0]))
    assert repr(given) != repr(other)
