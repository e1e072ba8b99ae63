import csv
import datetime

import numpy as np
import pytest

from pipelines.simulate.epidemic import REGIONS, simulate_epidemic
from pipelines.simulate.hospital import BEGIN

AS_OF = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """(region, Monday, cases, known)."""
    path = tmp_path_factory.mktemp("counts") / "ili.csv"
    simulate_epidemic(np.random.default_rng(1), BEGIN, AS_OF, path)
    with path.open() as file:
        return [
            (
                row["region"],
                datetime.date.fromisoformat(row["week"] + "-1"),
                int(row["cases"]),
                datetime.datetime.fromisoformat(row["known"]),
            )
            for row in csv.DictReader(file)
        ]


def test_whole_weeks_up_to_the_last_day_some_missing(rows):
    weeks = {region: {week for r, week, *_ in rows if r == region} for region in REGIONS}
    every = set.union(*weeks.values())
    assert (min(every), max(every)) == (datetime.date(2021, 6, 28), datetime.date(2024, 12, 23))
    assert len(every) == 183
    missing = sum(len(every - found) for found in weeks.values())
    assert 3 < missing < 40
    assert all(week + datetime.timedelta(days=7) <= known.date() for _, week, _, known in rows)
    assert max(known for *_, known in rows) < AS_OF


def test_the_newest_weeks_are_revised_upwards(rows):
    found = {}
    for region, week, cases, _ in rows:
        found.setdefault((region, week), []).append(cases)
    revised = {key: cases for key, cases in found.items() if len(cases) == 2}
    assert {week for _, week in revised} <= {
        week for _, week in found if week > datetime.date(2024, 5, 1)
    }
    assert len(revised) > 140
    assert all(first <= last for first, last in revised.values())
    assert np.mean([first / last for first, last in revised.values() if last > 20]) < 0.9


def test_winters_are_worse_in_every_state(rows):
    for region, worst in REGIONS.items():
        cases = {
            season: [n for r, week, n, _ in rows if r == region and week.month in months]
            for season, months in (("winter", (1, 2)), ("summer", (6, 7, 8)))
        }
        assert np.mean(cases["winter"]) > 5 * np.mean(cases["summer"])
        assert 0.5 * worst < max(cases["winter"]) < 2.5 * worst
