"""What was known when: vintages, missing weeks, small figures."""

import datetime

import numpy as np
import polars as pl
import pytest

from model_defs._outbreak_weeks import Figures, describe_region, suppress
from tests.model_defs.cases_outbreak import count, end_of, monday, tables_of

FAR = datetime.datetime.fromisoformat("2100-01-01")
NAN = float("nan")


def described(rows, as_of=FAR, smallest=0.0):
    return describe_region(tables_of(rows).counts, as_of, smallest).sort("origin", "horizon")


def at(frame, week, horizon=1):
    """The example of the week that has just ended."""
    origin = datetime.datetime.combine(monday(week + 1), datetime.time())
    (row,) = frame.filter(pl.col("origin") == origin, pl.col("horizon") == horizon).to_dicts()
    return row


def weeks(number):
    return [count(week, 100.0 + week) for week in range(number)]


def test_features_are_the_figures_of_their_weeks():
    row = at(described(weeks(120)), 110, horizon=3)
    assert row["recent"] == [210.0 - lag for lag in range(12)]
    assert (row["last_known"], row["weeks_old"]) == (210.0, 0)
    assert row["year_before"] == 158.0
    # The target is week 113; 52 weeks before it is week 61.
    assert row["year_before_target"] == [159.0, 160.0, 161.0, 162.0, 163.0]
    assert row["level"] == pytest.approx(np.mean([210.0 - lag for lag in range(52)]))
    assert row["cases"] == 213.0
    assert row["target_time"] == end_of(113)


def test_a_revision_counts_from_when_it_is_known():
    rows = [*weeks(30), count(20, 500.0, known=end_of(22) + datetime.timedelta(microseconds=1))]
    found = described(rows)
    assert at(found, 20)["recent"][0] == 120.0
    assert at(found, 22)["recent"][2] == 120.0
    assert at(found, 23)["recent"][3] == 500.0
    assert at(found, 19)["cases"] == 500.0  # as label the latest figure


def test_a_figure_of_the_week_itself_may_be_revised_within_it():
    middle = datetime.datetime.combine(monday(20), datetime.time(12))
    found = described([*weeks(30), count(20, 1.0, known=middle)])
    assert at(found, 20)["recent"][0] == 120.0


def test_a_late_figure_leaves_the_last_one_older():
    rows = [{**row, "known": row["known"] + datetime.timedelta(days=5)} for row in weeks(30)]
    row = at(described(rows), 20)
    assert np.isnan(row["recent"][0])
    assert (row["last_known"], row["weeks_old"]) == (119.0, 1)


def test_a_missing_week_is_missing_not_zero():
    rows = [row for row in weeks(30) if row["week"] != monday(20)]
    found = described(rows)
    assert np.isnan(at(found, 21)["recent"][1])
    assert at(found, 21)["level"] == pytest.approx(np.mean([*range(100, 120), 121]))
    assert np.isnan(at(found, 19)["cases"])
    row = at(found, 20)
    assert (row["last_known"], row["weeks_old"]) == (119.0, 1)


def test_weeks_that_are_not_over_make_no_example():
    as_of = datetime.datetime.combine(monday(30), datetime.time())
    assert described(weeks(30), as_of)["origin"].max() == as_of
    before = as_of - datetime.timedelta(microseconds=1)
    assert described(weeks(29), before)["origin"].max() < before


def test_a_region_that_fell_silent_is_forecast_for_three_weeks_more():
    last = described(weeks(30))["origin"].max()
    assert last == datetime.datetime.combine(monday(33), datetime.time())


def test_fewer_than_eight_weeks_make_no_example():
    assert described(weeks(7)).height == 0
    assert described(weeks(8)).height == 4 * 4


@pytest.mark.parametrize(("cases", "told"), [(0, 0), (1, 5.5), (10, 5.5), (11, 11), (12, 12)])
def test_small_figures_are_not_told(cases, told):
    assert pl.select(suppress(pl.lit(float(cases)), 11.0)).item() == told


def test_a_region_of_small_figures_is_not_forecast():
    few = [{**row, "cases": 10.9} for row in weeks(30)]
    assert described(few, smallest=11.0).height == 0
    assert described(few, smallest=10.0).height > 0


def test_later_figures_of_a_moment_take_the_place_of_earlier_ones():
    figures = Figures(monday(0), np.array([0, 0]), np.array([0, 0]), np.array([1.0, 2.0]))
    assert figures.known(1, 2).tolist()[0][0] == 2.0
    assert figures.latest(2)[0] == 2.0
