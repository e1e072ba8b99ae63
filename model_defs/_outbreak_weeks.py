"""What was known of a region's weekly figures at the end of each week, and what came of them.

Weeks are numbered from the region's first. A figure is seen from the first week whose end lies
after `known`; a later figure of the same week takes its place from then on (a revision). Nothing
is filled in: what was not known, or never reported, is NaN.
"""

import dataclasses
import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HORIZONS = (1, 2, 3, 4)
RECENT = 12
YEAR = 52
AROUND = 2
LAGS = YEAR + AROUND
OLDEST = 3
LEAST_KNOWN = 8
_WEEK_US = 7 * 86_400_000_000
REGION = {"region_id": pl.Int64, "series": pl.String, "region": pl.String}
NO_EXAMPLES = pl.DataFrame(
    schema={
        **REGION,
        "origin": pl.Datetime("us"),
        "target_time": pl.Datetime("us"),
        "horizon": pl.Int64,
        "day_of_year": pl.Float32,
        "last_known": pl.Float32,
        "weeks_old": pl.Int64,
        "level": pl.Float32,
        "recent": pl.Array(pl.Float32, RECENT),
        "year_before": pl.Float32,
        "year_before_target": pl.Array(pl.Float32, 2 * AROUND + 1),
        "cases": pl.Float32,
    }
)


@dataclasses.dataclass(frozen=True)
class Figures:
    """The figures of one region, in order of `known`.

    `monday` is that of the region's first week; `week` the number of a figure's week; `seen` that
    of the week from whose end on it is seen.
    """

    monday: datetime.date
    week: Ints
    seen: Ints
    cases: Floats

    @classmethod
    def of(cls, rows: pl.DataFrame) -> "Figures":
        """Rows of schemas.COUNTS of one region, in any order."""
        rows = rows.sort("known", "week")
        monday = rows["week"].min()
        assert isinstance(monday, datetime.date)  # noqa: S101 - a region has a row
        start = np.datetime64(monday, "us").astype(np.int64)
        days = rows["week"].cast(pl.Int64).to_numpy() - np.datetime64(monday, "D").astype(np.int64)
        week = days // 7
        seen = (rows["known"].dt.timestamp("us").to_numpy() - start) // _WEEK_US
        return cls(monday, week, np.maximum(seen, week), rows["cases"].cast(pl.Float64).to_numpy())

    def known(self, weeks: int, lags: int = LAGS) -> Floats:
        """(weeks, lags): at the end of week t, what was known of week t - lag; NaN if nothing.

        >>> Figures(datetime.date(2024, 1, 1), np.array([0, 1, 0]), np.array([0, 1, 2]),
        ...     np.array([5.0, 6.0, 7.0])).known(3, 3)
        array([[ 5., nan, nan],
               [ 6.,  5., nan],
               [nan,  6.,  7.]])
        """
        by_age = np.full((weeks, lags), np.nan)  # [w, age]: of week w, at the end of week w + age
        age = self.seen - self.week
        kept = (age < lags) & (self.week < weeks)
        by_age[self.week[kept], age[kept]] = self.cases[kept]
        last = np.where(np.isnan(by_age), 0, np.arange(lags))
        by_age = np.take_along_axis(by_age, np.maximum.accumulate(last, axis=1), axis=1)
        ages = np.arange(lags)
        of_week = np.arange(weeks)[:, None] - ages
        return np.where(of_week >= 0, by_age[np.maximum(of_week, 0), ages], np.nan)

    def latest(self, weeks: int) -> Floats:
        """(weeks,): the latest figure of each week; NaN where there is none."""
        found = np.full(weeks, np.nan)
        kept = self.week < weeks
        found[self.week[kept]] = self.cases[kept]
        return found


def suppress(cases: pl.Expr, smallest: float) -> pl.Expr:
    """Figures above 0 and below `smallest` become half of it, so that none of them is told.

    >>> pl.select(suppress(pl.lit(3.0), 11.0)).item()
    5.5
    """
    return pl.when((cases > 0) & (cases < smallest)).then(smallest / 2).otherwise(cases)


def describe_region(rows: pl.DataFrame, as_of: datetime.datetime, smallest: float) -> pl.DataFrame:
    """Rows of schemas.COUNTS of one region -> an example for each week and horizon.

    Left out: weeks whose end is after `as_of`; weeks at which nothing of the last OLDEST + 1 weeks
    was known, fewer than LEAST_KNOWN weeks of the last year, or a mean below `smallest`.
    """
    figures = Figures.of(rows)
    first = datetime.datetime.combine(figures.monday, datetime.time())
    over = (as_of - first) // datetime.timedelta(days=7)
    weeks = max(min(over, int(figures.week.max()) + 1 + OLDEST), 0)
    known = figures.known(weeks)
    year, recent = known[:, :YEAR], known[:, :RECENT]
    counted = (~np.isnan(year)).sum(axis=1)
    mean = np.nansum(year, axis=1) / np.maximum(counted, 1)
    there = ~np.isnan(recent[:, : OLDEST + 1])
    usable = there.any(axis=1) & (counted >= LEAST_KNOWN) & (mean >= smallest)
    origin = np.flatnonzero(usable)
    age = there[origin].argmax(axis=1)
    latest = figures.latest(weeks + max(HORIZONS))
    parts = []
    for horizon in HORIZONS:
        target = origin + horizon
        around = YEAR - horizon + np.arange(AROUND, -AROUND - 1, -1)
        parts.append(
            pl.DataFrame(
                {
                    "origin": _times(first, origin + 1),
                    "target_time": _times(first, target + 1) - datetime.timedelta(microseconds=1),
                    "horizon": np.full(len(origin), horizon),
                    "day_of_year": _times(first, target).dt.ordinal_day().cast(pl.Float32),
                    "last_known": recent[origin, age],
                    "weeks_old": age,
                    "level": np.maximum(mean, 1.0)[origin],
                    "recent": recent[origin].astype(np.float32),
                    "year_before": known[origin, YEAR],
                    "year_before_target": known[origin][:, around].astype(np.float32),
                    "cases": latest[target],
                }
            )
        )
    return pl.concat(parts).cast(NO_EXAMPLES.drop(REGION).schema)


def _times(first: datetime.datetime, week: Ints) -> pl.Series:
    """Numbers of weeks -> their beginnings."""
    start = np.datetime64(first, "us")
    return pl.Series(start + week * np.timedelta64(_WEEK_US, "us"))
