"""Weekly cases of an influenza-like illness by state: seasons, revisions, missing weeks."""

import csv
import datetime
from pathlib import Path

import numpy as np

REGIONS = {"MA": 900, "CT": 480, "ME": 180, "NH": 170, "RI": 140, "VT": 80}
"""State -> cases in the worst week of a usual season."""
_BASE, _WIDTH_WEEKS, _PEAK_WEEK = 0.04, 4.0, 5.0
_NOISE, _MISSING, _FIRST_SHARE, _FIRST_WEEKS = 0.08, 0.01, 0.85, 30


def simulate_epidemic(
    rng: np.random.Generator, begin: datetime.datetime, as_of: datetime.datetime, path: Path
) -> None:
    """A CSV of every whole week from `begin` to `as_of` (UTC).

    The peak of a season is common to all states but for a week or two. Over the last half year
    each week has a first figure, known when the week was over, and a higher one a week later.
    """
    monday = begin.date() - datetime.timedelta(days=begin.weekday())
    weeks = (as_of.date() - monday).days // 7
    days = [monday + datetime.timedelta(weeks=n) for n in range(weeks)]
    seasons = {
        year: (rng.normal(_PEAK_WEEK, 2.5), rng.uniform(0.6, 1.3))
        for year in range(days[0].year, days[-1].year + 2)
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["region", "week", "cases", "known"])
        for region, worst in REGIONS.items():
            shift = rng.normal(0, 0.8)
            level = 1.0
            for number, day in enumerate(days):
                level = 0.7 * level + 0.3 + rng.normal(0, _NOISE)
                cases = int(rng.poisson(worst * max(level, 0.2) * _share(day, seasons, shift)))
                if rng.random() < _MISSING:
                    continue
                known = day + datetime.timedelta(days=7)
                week = f"{day:%G-W%V}"
                if number >= weeks - _FIRST_WEEKS:
                    writer.writerow([region, week, int(cases * _FIRST_SHARE), f"{known}T06:00:00Z"])
                    known += datetime.timedelta(days=7)
                if known <= as_of.date():
                    writer.writerow([region, week, cases, f"{known}T06:00:00Z"])


def _share(
    day: datetime.date, seasons: dict[int, tuple[float, float]], shift_weeks: float
) -> float:
    """Part of the worst week: the nearest peaks of this winter and the next."""
    total = _BASE
    for year, (peak_week, height) in seasons.items():
        peak = datetime.date(year, 1, 1) + datetime.timedelta(weeks=peak_week + shift_weeks)
        weeks = (day - peak).days / 7
        total += height * float(np.exp(-0.5 * (weeks / _WIDTH_WEEKS) ** 2))
    return total
