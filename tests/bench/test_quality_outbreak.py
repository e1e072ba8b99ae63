"""The bench of `outbreak`: the split, what it is measured with, and that no test week leaks."""

import datetime

import numpy as np
import polars as pl
import pytest

from bench.quality.outbreak import (
    MONDAY,
    borders,
    counts_of,
    interval_score,
    measure,
    persistence_fans,
    read_ilinet,
    settings_of,
    simple_guesses,
)
from model_defs.outbreak import LEVELS, Config, examples
from tests.builders import table_frame
from transforms.bucket_tables import Tables
from transforms.definition import configured
from transforms.read_counts import read_count_rows

AS_OF = datetime.datetime(2030, 1, 1)
WEEKS, REGIONS = 120, 3


def cases_of(seed=0):
    return np.random.default_rng(seed).poisson(50, (WEEKS, REGIONS)).astype(float)


def examples_of(cases):
    rows = counts_of(cases, MONDAY).drop_nulls("cases").to_dicts()
    end = datetime.timedelta(days=7) - datetime.timedelta(microseconds=1)
    counts = [
        {
            **row,
            "bucket": 0,
            "region_id": int(row["region"][1:]),
            "known": datetime.datetime.combine(row["week"], datetime.time()) + end,
        }
        for row in rows
    ]
    smallest, tuning, held_out = (s.partition("=")[2] for s in settings_of(len(cases), MONDAY))
    config = Config(smallest=float(smallest), tuning_from=tuning, held_out_from=held_out)
    return examples(Tables(counts=table_frame("counts", counts)), AS_OF, config)


def test_no_test_week_reaches_training_or_tuning():
    cases = cases_of()
    changed = cases.copy()
    changed[borders(WEEKS)[1] :] = 1e6
    before, after = (
        examples_of(c).filter(pl.col("split").is_in(["train", "tuning"])) for c in (cases, changed)
    )
    assert before.height > 0
    assert before.equals(after)


def test_every_test_week_is_held_out_at_every_horizon():
    tested = examples_of(cases_of()).filter(pl.col("split") == "held_out").drop_nulls("cases")
    _, first = borders(WEEKS)
    assert tested.height == (WEEKS - first) * REGIONS * 4
    start = datetime.datetime.combine(MONDAY, datetime.time()) + datetime.timedelta(weeks=first)
    assert tested["target_time"].min() == start + datetime.timedelta(weeks=1, microseconds=-1)


def test_the_product_takes_the_settings():
    import model_defs

    config = configured(model_defs.find("outbreak"), settings_of(100, MONDAY))
    assert (config.smallest, config.tuning_from, config.held_out_from) == (
        0.0,
        "2000-12-18",
        "2001-05-07",
    )


def test_missing_weeks_are_empty_in_the_file():
    cases = np.array([[1.0, 2.0], [np.nan, 3.0]])
    found = counts_of(cases, MONDAY)
    assert found["region"].to_list() == ["R0", "R0", "R1", "R1"]
    assert found["cases"].to_list() == [1.0, None, 2.0, 3.0]
    assert found["week"].to_list() == [MONDAY, MONDAY + datetime.timedelta(weeks=1)] * 2


def test_the_file_is_read_by_the_product(tmp_path):
    from transforms.keys import Keys
    from transforms.table_files import TableFile

    path = tmp_path / "counts.csv"
    counts_of(np.array([[7.0]]), MONDAY).write_csv(path)
    file = TableFile("--counts", str(path), ["region", "week", "cases"])
    row = read_count_rows(file, Keys(b"0123456789abcdef")).to_dicts()[0]
    assert (row["series"], row["region"], row["week"], row["cases"]) == ("cases", "R0", MONDAY, 7.0)


def test_weeks_without_patients_are_missing(tmp_path):
    path = tmp_path / "ili.csv"
    path.write_text(
        "REGION,YEAR,WEEK,ILITOTAL,TOTAL PATIENTS\nA,1998,2,5,90\nA,1998,1,0,0\nB,1998,1,4,9\n"
        "B,1998,2,6,9\n"
    )
    np.testing.assert_array_equal(read_ilinet(path), [[np.nan, 4], [5, 6]])


def forecasts(cases, score, fan):
    rows = [(w, r, h) for w in range(100, WEEKS) for r in range(REGIONS) for h in (1, 2, 3, 4)]
    frame = pl.DataFrame(rows, schema=["week", "region", "horizon"], orient="row")
    week, region = frame["week"].to_numpy(), frame["region"].to_numpy()
    return frame.with_columns(
        truth=cases[week, region],
        score=pl.Series(score(week, region)),
        fan=pl.Series(fan, dtype=pl.Array(pl.Float64, 23)) if fan is not None else pl.lit(None),
    )


def test_rmse_is_of_its_horizon_beside_the_better_simple_guess():
    cases = np.tile(np.arange(float(WEEKS))[:, None], (1, REGIONS))
    found = forecasts(cases, lambda week, region: cases[week, region] + 3, None)
    measured = measure(cases, found, ["rmse_h2", "rmse_h3"], seed=0)
    assert measured["rmse_h2"] == pytest.approx((3, 3, 3, 2))
    assert measured["rmse_h3"] == pytest.approx((3, 3, 3, 3))


def test_simple_guesses_are_the_last_week_and_last_year():
    cases = np.arange(float(WEEKS))[:, None]
    rows = pl.DataFrame({"week": [110], "region": [0], "horizon": [3]})
    last, year = simple_guesses(cases, rows)
    assert (last.tolist(), year.tolist()) == ([107.0], [58.0])


def bracher(truth, fan):
    """The weighted interval score of one forecast, as Bracher et al. write it."""
    levels = np.array(LEVELS)
    score = 0.5 * abs(truth - fan[11])
    for k in range(11):
        low, high, alpha = fan[k], fan[22 - k], 2 * levels[k]
        outside = max(low - truth, 0) + max(truth - high, 0)
        score += alpha / 2 * (high - low + 2 / alpha * outside)
    return score / 11.5


def test_the_relative_score_is_over_that_of_persistence():
    cases = cases_of()
    found = forecasts(cases, lambda week, region: cases[week, region], None)
    fans = persistence_fans(cases, found, seed=0)
    wider = fans + np.linspace(-20, 20, 23)
    found = found.with_columns(fan=pl.Series(wider, dtype=pl.Array(pl.Float64, 23)))
    truth = found["truth"].to_list()
    mine, theirs = (
        np.mean([bracher(t, fan) for t, fan in zip(truth, given, strict=True)])
        for given in (wider, fans)
    )
    value, low, high, baseline = measure(cases, found, ["rwis"], seed=0)["rwis"]
    assert value == pytest.approx(mine / theirs)
    assert low < value < high
    assert baseline == 1


def test_persistence_reads_nothing_after_the_origin_and_widens():
    cases = cases_of()
    rows = pl.DataFrame({"week": [101, 104], "region": [0, 0], "horizon": [1, 4]})
    fans = persistence_fans(cases, rows, seed=0)
    later = cases.copy()
    later[101:] = 9e6
    assert np.array_equal(fans, persistence_fans(later, rows, seed=0))
    assert fans[:, 11].tolist() == [cases[100, 0]] * 2
    assert fans[1, -1] - fans[1, 0] > fans[0, -1] - fans[0, 0]


def test_the_interval_score_is_bracher_s():
    fan = np.linspace(10, 32, 23)
    for truth in (5.0, 21.0, 40.0):
        assert interval_score(np.array([truth]), fan[None])[0] == pytest.approx(bracher(truth, fan))
