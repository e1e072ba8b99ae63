"""The model `outbreak`: splits by time, the series' other regions, small counts, predictions."""

import dataclasses
import datetime

import numpy as np
import polars as pl
import pytest

from model_defs.outbreak import LEVELS, Config, examples, gather, to_predictions
from tests.model_defs.cases_outbreak import AS_OF, count, end_of, monday, tables, tables_of
from transforms.prediction_rows import Outputs

PUBLIC = Config(smallest=0.0)


def examples_of(rows, config=PUBLIC, as_of=AS_OF):
    return examples(gather(tables_of(rows), as_of, config), as_of, config)


def waves(regions=(1, 2), weeks=60):
    return [
        count(week, 50.0 * region + week, region) for region in regions for week in range(weeks)
    ]


def test_an_example_is_about_no_patient():
    frame = examples_of(waves())
    assert frame["subject_id"].null_count() == frame.height
    assert sorted(frame["entity_id"].unique()) == [1, 2]
    assert (frame["target_time"] > frame["prediction_time"]).all()


def test_the_split_is_that_of_the_target_week():
    config = dataclasses.replace(PUBLIC, tuning_from=str(monday(30)), held_out_from=str(monday(45)))
    spans = {
        split: (group["target_time"].min(), group["target_time"].max())
        for (split,), group in examples_of(waves(), config).drop_nulls("cases").group_by("split")
    }
    assert spans["train"][1] == end_of(29)
    assert spans["tuning"] == (end_of(30), end_of(44))
    assert spans["held_out"] == (end_of(45), end_of(59))


def test_by_default_the_last_weeks_are_held_out():
    labelled = examples_of(waves()).drop_nulls("cases")
    targets = labelled.select("target_time", "split").unique()
    shares = dict(targets.group_by("split").len().iter_rows())
    # Target weeks 8 to 59.
    assert shares == {"train": 36, "tuning": 8, "held_out": 8}
    assert labelled.filter(pl.col("split") == "held_out")["target_time"].min() == end_of(52)


def test_a_week_not_yet_reported_has_no_label():
    frame = examples_of(waves())
    coming = frame.filter(pl.col("target_time") > end_of(59))
    assert coming.height > 0
    assert coming["cases"].null_count() == coming.height


def test_the_regions_of_a_series_tell_each_other():
    rows = [count(week, 100.0 * region, region) for region in (1, 2) for week in range(59)]
    rows += [count(59, 200.0, 1), count(59, 800.0, 2), count(59, 9e9, 3, series="other")]
    frame = examples_of(rows).filter(
        pl.col("prediction_time") == pl.lit(end_of(59)) + pl.duration(microseconds=1)
    )
    levels = frame["level"].unique().sort().to_list()
    assert levels == pytest.approx([(51 * 100 + 200) / 52, (51 * 200 + 800) / 52])
    assert frame["series_recent"][0][0] == pytest.approx(
        np.mean([200 / levels[0], 800 / levels[1]])
    )


def test_no_small_figure_is_told_in_features_or_labels():
    rng = np.random.default_rng(0)
    rows = [count(week, float(rng.integers(1, 40))) for week in range(80)]
    frame = examples_of(rows, Config())
    assert frame.height > 0
    told = np.concatenate(
        [
            frame["recent"].to_numpy().reshape(-1),
            frame["year_before_target"].to_numpy().reshape(-1),
            *(
                frame[name].fill_null(float("nan")).to_numpy()
                for name in ("last_known", "year_before", "cases")
            ),
        ]
    )
    small = told[(told > 0) & (told < 11)]
    assert len(small) > 0
    assert set(small.tolist()) == {5.5}


def test_later_figures_change_nothing_of_earlier_examples():
    before = examples_of(waves())
    later = [*waves(), *(count(week, 9e5, 1, known=end_of(50)) for week in range(20, 50))]
    cut = end_of(50)
    known = [f for f in before.columns if f not in ("cases", "split")]
    old, new = (
        frame.filter(pl.col("prediction_time") <= cut).select(known).sort(known[1:4])
        for frame in (before, examples_of(later))
    )
    assert old.height > 0
    assert old.equals(new)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smallest": -1.0}, "smallest must not be negative, not -1.0"),
        ({"tuning_from": "2024-01-01"}, "give both or none"),
        ({"tuning_from": "2024-01-01", "held_out_from": "2023-01-01"}, "must be before"),
        ({"tuning_from": "soon", "held_out_from": "2023-01-01"}, "soon"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Config(**settings)


def test_the_score_is_the_median_and_the_interval_holds_90_per_cent():
    fan = np.arange(48, dtype=np.float32).reshape(2, 24)
    found = to_predictions(Outputs({"cases": fan}))
    assert found.score.tolist() == [11.0, 35.0]
    assert found.interval_low.tolist() == [2.0, 26.0]
    assert found.interval_high.tolist() == [20.0, 44.0]
    names, values = found.quantiles
    assert names[:3] == ("0.01", "0.025", "0.05")
    assert (len(names), names[11], names[-1]) == (23, "0.5", "0.99")
    assert values.shape == (2, 23)
    assert [float(name) for name in names] == list(LEVELS)


def test_events_of_patients_are_forecast_like_counts():
    found = gather(tables(seed=0, subjects=60), AS_OF)
    frame = examples(found, AS_OF, Config(smallest=0.0))
    assert set(frame["series"]) == {"ILI", "influenza", "covid-19", "rsv"}
    assert set(frame.filter(pl.col("series") == "influenza")["region"]) == {
        "STATE//MA",
        "ZIP3//021",
    }
    assert frame.filter(pl.col("series") == "influenza")["cases"].max() > 3


def test_as_of_is_where_forecasts_begin():
    as_of = datetime.datetime.combine(monday(60), datetime.time())
    frame = examples_of(waves(), as_of=as_of)
    assert frame["prediction_time"].max() == as_of
