"""The fan of quantiles and its loss."""

import numpy as np
import pytest

from model_defs.outbreak import LEVELS, MEDIAN


def fan_of(median, steps, last, level):
    from model_defs._outbreak_layers import Fan

    columns = [
        np.array(c, np.float32).reshape(len(median), -1) for c in (median, steps, last, level)
    ]
    return Fan(0.05, name="fan")(tuple(columns)).numpy()


def test_quantiles_never_cross_and_are_never_negative():
    rng = np.random.default_rng(0)
    rows = 200
    fan = fan_of(
        rng.normal(0, 5, rows),
        rng.normal(0, 5, (rows, 22)),
        rng.uniform(0, 1e5, rows),
        rng.uniform(1, 1e4, rows),
    )[:, :-1]
    assert np.isfinite(fan).all()
    assert (np.diff(fan, axis=1) >= 0).all()
    assert (fan >= 0).all()


def test_no_change_is_the_last_figure_and_steps_lead_outwards():
    steps = np.full((1, 22), np.log(np.expm1(0.1)))
    (fan,) = fan_of([0.0], steps, [30.0], [100.0])
    assert fan[MEDIAN] == pytest.approx(30.0, rel=1e-5)
    assert fan[MEDIAN + 1] == pytest.approx(100 * (0.35 * np.exp(0.1) - 0.05), rel=1e-5)
    assert fan[MEDIAN - 2] == pytest.approx(100 * (0.35 * np.exp(-0.2) - 0.05), rel=1e-5)
    assert fan[-1] == 100.0


def test_the_loss_is_the_interval_score_over_the_level():
    from bench.quality.outbreak import interval_score
    from model_defs._outbreak_layers import Pinball

    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 50, (5, 1)).astype(np.float32)
    fan = np.sort(rng.uniform(0, 50, (5, 23)), axis=1).astype(np.float32)
    level = np.array([[1], [16], [81], [16], [1]], np.float32)
    loss = Pinball(LEVELS, 0.25).call(truth, np.concatenate([fan, level], axis=1)).numpy()
    expected = interval_score(truth[:, 0], fan) / np.array([1, 2, 3, 2, 1])
    assert loss == pytest.approx(expected, rel=1e-5)
