"""What a model's predictions show on the report beside their scores.

Read from the columns that the model fills: advice, forecasts, pictures, extracted items, pairs.
Of a single study there are its keyed id, its score and the model's picture; of notes and
messages only counts.
"""

import base64
import dataclasses
import datetime
from collections.abc import Mapping

import duckdb

WIDTH, HEIGHT = 220, 90  # of a chart, in pixels
MOST_PAIRS = 10
MOST_PICTURES = 6
MOST_REGIONS = 12
HISTORY_WEEKS = 20
SMALL_COUNT = 11
"""Counts from 1 to below are not drawn: so few cases may be known people (CMS cell suppression)."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """One of the highest scores with what moved it; `png` is base64."""

    entity_type: str
    entity_id: int
    score: float
    label: str
    png: str


@dataclasses.dataclass(frozen=True)
class Pair:
    """A compound and a target; `measured` is the affinity that was known before."""

    compound: str
    target: str
    score: float
    low: float | None
    high: float | None
    measured: float | None


@dataclasses.dataclass(frozen=True)
class Week:
    """One week of a chart by its last day; a week of the past has a value alone."""

    end: datetime.date
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The newest forecast of one region, after the weeks before it."""

    name: str
    origin: datetime.datetime
    past: tuple[Week, ...]
    ahead: tuple[Week, ...]

    @property
    def top(self) -> float:
        """The largest number in the chart, at least 1."""
        found = [n for w in (*self.past, *self.ahead) for n in (w.value, w.high) if n is not None]
        return max([1.0, *found])

    @property
    def dots(self) -> tuple[str, ...]:
        """The weeks of the past as `x,y` in pixels."""
        return tuple(self._at(week, week.value) for week in self.past if week.value is not None)

    @property
    def line(self) -> str:
        """The forecast as an SVG polyline."""
        return " ".join(self._at(w, w.value) for w in self.ahead if w.value is not None)

    @property
    def band(self) -> str:
        """Its interval as an SVG polygon, empty where the model gives none."""
        there = [w for w in self.ahead if w.low is not None and w.high is not None]
        edge = [(w, w.high) for w in there] + [(w, w.low) for w in reversed(there)]
        return " ".join(self._at(week, value) for week, value in edge)

    def _at(self, week: Week, value: float | None) -> str:
        weeks = (*self.past, *self.ahead)
        first, last = min(w.end for w in weeks), max(w.end for w in weeks)
        across = (week.end - first).days / max((last - first).days, 1)
        up = max(value or 0.0, 0.0) / self.top
        return f"{4 + (WIDTH - 8) * across:.1f},{HEIGHT - 4 - (HEIGHT - 8) * up:.1f}"


@dataclasses.dataclass(frozen=True)
class Details:
    """What one model shows; what it does not fill is empty.

    `advice` counts predictions by advice, `items` extracted items by kind as (kind, items, notes).
    """

    advice: Mapping[str, int] = dataclasses.field(default_factory=dict)
    items: tuple[tuple[str, int, int], ...] = ()
    pictures: tuple[Picture, ...] = ()
    pairs: tuple[Pair, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    more_forecasts: int = 0


def details_of(connection: duckdb.DuckDBPyConnection, model: str, run_id: str) -> Details:
    """The details of one model's predictions in one run.

    Reads `predictions, extractions, pairs, counts`.
    """
    key = [model, run_id]
    advice = connection.execute(
        """
        SELECT advice, count(*) FROM predictions
        WHERE model = ? AND run_id = ? AND advice IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        key,
    ).fetchall()
    items = connection.execute(
        """
        SELECT kind, count(*), count(DISTINCT entity_id) FROM extractions
        WHERE model = ? AND run_id = ? GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        key,
    ).fetchall()
    pictures = connection.execute(
        """
        SELECT entity_type, entity_id, score, coalesce(label, ''), picture FROM predictions
        WHERE model = ? AND run_id = ? AND picture IS NOT NULL
        ORDER BY score DESC, entity_id LIMIT ?
        """,
        [*key, MOST_PICTURES],
    ).fetchall()
    pairs = connection.execute(
        """
        SELECT compound, target, score, interval_low, interval_high,
            CASE WHEN time IS NULL OR time < prediction_time THEN affinity END
        FROM predictions JOIN pairs ON entity_id = pair_id AND entity_type = 'pair'
        WHERE model = ? AND run_id = ?
        ORDER BY score DESC, compound, target LIMIT ?
        """,
        [*key, MOST_PAIRS],
    ).fetchall()
    forecasts = _forecasts(connection, model, run_id)
    return Details(
        advice=dict(advice),
        items=tuple(items),
        pictures=tuple(
            Picture(kind, entity_id, score, label, base64.b64encode(png).decode("ascii"))
            for kind, entity_id, score, label, png in pictures
        ),
        pairs=tuple(Pair(*row) for row in pairs),
        forecasts=forecasts[:MOST_REGIONS],
        more_forecasts=max(len(forecasts) - MOST_REGIONS, 0),
    )


def _forecasts(
    connection: duckdb.DuckDBPyConnection, model: str, run_id: str
) -> tuple[Forecast, ...]:
    """The newest forecast of each entity, the largest first."""
    rows = connection.execute(
        """
        SELECT entity_id, prediction_time, target_time::DATE, score, interval_low, interval_high
        FROM predictions WHERE model = ? AND run_id = ? AND target_time IS NOT NULL
        QUALIFY prediction_time = max(prediction_time) OVER (PARTITION BY entity_id)
        ORDER BY entity_id, target_time
        """,
        [model, run_id],
    ).fetchall()
    ahead: dict[int, list[Week]] = {}
    origins = {}
    for entity_id, origin, *week in rows:
        origins[entity_id] = origin
        ahead.setdefault(entity_id, []).append(Week(*week))
    largest = sorted(ahead, key=lambda i: max(week.value or 0 for week in ahead[i]), reverse=True)
    return tuple(Forecast(*_past(connection, i, origins[i]), tuple(ahead[i])) for i in largest)


def _past(
    connection: duckdb.DuckDBPyConnection, region_id: int, origin: datetime.datetime
) -> tuple[str, datetime.datetime, tuple[Week, ...]]:
    """Name, origin and the weeks before it as they were known then."""
    rows = connection.execute(
        """
        SELECT any_value(series || ' ' || region), week + 6, arg_max(cases, known)
        FROM counts WHERE region_id = ? AND known < ? AND week > ?::DATE - ?
        GROUP BY week ORDER BY week
        """,
        [region_id, origin, origin, 7 * HISTORY_WEEKS + 7],
    ).fetchall()
    name = rows[0][0] if rows else f"region {region_id}"
    weeks = [Week(end, None if 0 < cases < SMALL_COUNT else cases) for _, end, cases in rows]
    return name, origin, tuple(weeks[-HISTORY_WEEKS:])
