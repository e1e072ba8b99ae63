"""`report`: what a run did, as one HTML page that an operator reads in the morning.

The page holds counts, classes of errors, names of models and of their inputs: also those of
compounds, targets, regions and series, as their files name them. No patient's data stand on it,
and of single studies only what `report_details` says.
"""

import dataclasses
import datetime
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import duckdb
import jinja2

from pipelines.query import layout
from pipelines.report_details import Details, details_of
from pipelines.report_holdings import Holding, holdings_of
from transforms.errors import UsageError

BINS = 20
TOP_DRIVERS = 8
NEWEST_RUNS = 10
MOST_REASONS = 40
_TEMPLATE = Path(__file__).with_name("report.html.j2")
MOST_LABELS = 3


@dataclasses.dataclass(frozen=True)
class Stage:
    """Counts of one stage of a run, all in inputs."""

    name: str
    read: int
    written: int
    quarantined: int
    duplicate: int
    skipped: Mapping[str, int]
    failed: bool = False

    @property
    def missing(self) -> int:
        """Inputs read that are in none of the counts; negative: counted twice."""
        counted = self.written + self.quarantined + self.duplicate + sum(self.skipped.values())
        return self.read - counted


@dataclasses.dataclass(frozen=True)
class Run:
    """One run; `run_date` is the day that it was for, `started` is UTC."""

    run_id: str
    verb: str
    status: str
    run_date: datetime.date
    started: datetime.datetime
    seconds: float
    stages: tuple[Stage, ...]

    @property
    def adds_up(self) -> bool:
        """Whether every input of every stage is accounted for."""
        return all(stage.missing == 0 for stage in self.stages)

    @property
    def quarantined(self) -> int:
        """Inputs refused, over all stages."""
        return sum(stage.quarantined for stage in self.stages)

    @property
    def failed(self) -> tuple[str, ...]:
        """Stages that failed in a run that was published without them: models."""
        return tuple(stage.name for stage in self.stages if stage.failed)


@dataclasses.dataclass(frozen=True)
class Refusal:
    """One reason for which inputs were refused, with their number."""

    stage: str
    resource_type: str
    error_class: str
    message: str
    inputs: int


@dataclasses.dataclass(frozen=True)
class ModelScores:
    """Predictions of one version of a model in one run.

    `bins` counts scores in equal parts of `low`..`high`; `drivers` are (input, mean absolute
    contribution, mean contribution), the largest first.
    """

    model: str
    version: str
    run_id: str
    run_date: datetime.date
    rows: int
    mean_score: float | None
    labels: Mapping[str, int]
    low: float
    high: float
    bins: tuple[int, ...]
    drivers: tuple[tuple[str, float, float], ...]


@dataclasses.dataclass(frozen=True)
class Quality:
    """Measures of a model on held-out subjects: name -> (value, low, high) of a 95 % interval."""

    model: str
    version: str
    measures: Mapping[str, tuple[float, float | None, float | None]]


@dataclasses.dataclass(frozen=True)
class ReportData:
    """Everything on the page. `reading` is the run whose inputs the reconciliation shows.

    `details` are by model, one for each of `scores`.
    """

    run: Run
    reading: Run | None
    holdings: tuple[Holding, ...]
    refusals: tuple[Refusal, ...]
    scores: tuple[ModelScores, ...]
    details: Mapping[str, Details]
    quality: tuple[Quality, ...]
    newest: tuple[Run, ...]


def quality_of(model: str, version: str, metrics: Mapping[str, Any]) -> Quality:
    """A champion's metrics.json -> its measures: each object in it with a `value`.

    >>> quality_of("m", "1", {"test": {"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}}}).measures
    {'test auroc': (0.8, 0.7, 0.9)}
    """
    measures: dict[str, tuple[float, float | None, float | None]] = {}

    def collect(name: str, value: object) -> None:
        if not isinstance(value, Mapping):
            return
        number = value.get("value")
        if isinstance(number, int | float):
            measures[name] = (float(number), value.get("low"), value.get("high"))
            return
        for key, inner in value.items():
            collect(f"{name} {key}".strip(), inner)

    collect("", metrics)
    return Quality(model, version, measures)


def build_report(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str | None = None,
    quality: Sequence[Quality] = (),
) -> ReportData:
    """Read the page's content from the tables of the warehouse.

    The run is the newest unless `run_id` names another. If it read no files, the newest run
    before it that did is shown beside it; if it scored nothing, each model's newest scores are.

    Raises: UsageError, when there is no such run.
    """
    runs = _runs(connection)
    chosen = [run for run in runs if run_id in (None, run.run_id)]
    if not chosen:
        raise UsageError(f"--run {run_id}: no such run" if run_id else "no run is recorded yet")
    run = chosen[0]
    earlier = [other for other in runs if other.started <= run.started]
    reading = next((other for other in earlier if _reads(other)), None)
    scores = model_scores(connection, run.run_id) or model_scores(connection)
    return ReportData(
        run=run,
        reading=reading,
        holdings=holdings_of(connection),
        refusals=_refusals(connection, [run, *([reading] if reading else [])]),
        scores=scores,
        details={item.model: details_of(connection, item.model, item.run_id) for item in scores},
        quality=tuple(quality),
        newest=tuple(runs[:NEWEST_RUNS]),
    )


def _reads(run: Run) -> bool:
    return any(stage.name.startswith("read_") for stage in run.stages)


def _runs(connection: duckdb.DuckDBPyConnection) -> list[Run]:
    """Every run, the newest first, its stages in the order of their names."""
    stages: dict[str, list[Stage]] = {}
    for run_id, name, read, written, refused, duplicate, skipped, status in connection.execute(
        """
        SELECT run_id, stage, read, written, quarantined, duplicate, skipped, status
        FROM runs ORDER BY run_id, stage
        """
    ).fetchall():
        reasons = dict(sorted((skipped or {}).items()))
        failed = status == "failed"
        stage = Stage(name, read, written, refused, duplicate, reasons, failed)
        stages.setdefault(run_id, []).append(stage)
    rows = connection.execute(
        """
        SELECT run_id, any_value(verb),
               -- a model that failed is a failed stage of a run that was published
               CASE WHEN bool_or(status = 'published') THEN 'published'
                    ELSE any_value(status) END,
               any_value(run_date),
               any_value(started) AS started, coalesce(max(seconds), 0)
        FROM runs GROUP BY run_id ORDER BY started DESC, run_id DESC
        """
    ).fetchall()
    return [
        Run(run_id, verb, status, day, started, seconds, tuple(stages[run_id]))
        for run_id, verb, status, day, started, seconds in rows
    ]


def _refusals(connection: duckdb.DuckDBPyConnection, runs: Sequence[Run]) -> tuple[Refusal, ...]:
    """Reasons of these runs' refusals; raw bytes, ids and sources are not even read."""
    rows = connection.execute(
        """
        SELECT stage, coalesce(resource_type, ''), error_class, message, count(*)
        FROM quarantine WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
        GROUP BY ALL ORDER BY 5 DESC, 1, 2, 3, 4
        """,
        [sorted({run.run_id for run in runs})],
    ).fetchall()
    return tuple(Refusal(*row) for row in rows)


def model_scores(
    connection: duckdb.DuckDBPyConnection, run_id: str | None = None
) -> tuple[ModelScores, ...]:
    """Predictions by model: of one run, or of each model's newest run, from `predictions`."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE scored AS
        SELECT model, model_version, run_id, run_date, score, label, drivers
        FROM predictions WHERE ?::VARCHAR IS NULL OR run_id = ?
        QUALIFY run_id = last_value(run_id) OVER (
            PARTITION BY model ORDER BY run_date, run_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        )
        """,
        [run_id, run_id],
    )
    groups = connection.execute(
        """
        SELECT model, model_version, run_id, run_date, count(*),
               avg(score) FILTER (isfinite(score)),
               min(score) FILTER (isfinite(score)), max(score) FILTER (isfinite(score))
        FROM scored GROUP BY ALL ORDER BY model, model_version
        """
    ).fetchall()
    return tuple(_scores(connection, *group) for group in groups)


def _scores(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    version: str,
    run_id: str,
    run_date: datetime.date,
    rows: int,
    mean: float | None,
    lowest: float | None,
    highest: float | None,
) -> ModelScores:
    """Histogram, labels and drivers of one model in the temporary table `scored`."""
    low, high = 0.0, 1.0
    if lowest is not None and highest is not None and not 0 <= lowest <= highest <= 1:
        low, high = math.floor(lowest), math.floor(highest) + 1
    key = [model, version]
    counted = dict(
        connection.execute(
            """
            SELECT least(floor((score - ?) / (? - ?) * ?), ? - 1)::INTEGER, count(*)
            FROM scored WHERE model = ? AND model_version = ? AND isfinite(score) GROUP BY 1
            """,
            [low, high, low, BINS, BINS, *key],
        ).fetchall()
    )
    labels = connection.execute(
        """
        SELECT coalesce(label, 'no label'), count(*)
        FROM scored WHERE model = ? AND model_version = ? GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        key,
    ).fetchall()
    drivers = connection.execute(
        """
        SELECT d.feature, avg(abs(d.contribution)), avg(d.contribution)
        FROM (SELECT unnest(drivers) AS d FROM scored WHERE model = ? AND model_version = ?)
        GROUP BY 1 ORDER BY count(*) * avg(abs(d.contribution)) DESC, 1 LIMIT ?
        """,
        [*key, TOP_DRIVERS],
    ).fetchall()
    return ModelScores(
        model=model,
        version=version,
        run_id=run_id,
        run_date=run_date,
        rows=rows,
        mean_score=mean,
        labels=dict(labels),
        low=low,
        high=high,
        bins=tuple(counted.get(number, 0) for number in range(BINS)),
        drivers=tuple(drivers),
    )


def _first_labels(labels: Mapping[str, int]) -> str:
    """The commonest labels with their counts, as fit on a line.

    >>> _first_labels({"a": 3000, "b": 2, "c": 1, "d": 1, "e": 1})
    'a 3,000, b 2, c 1, 2 more'
    """
    shown = [f"{label} {count:,}" for label, count in labels.items()]
    more = [f"{len(shown) - MOST_LABELS} more"] if len(shown) > MOST_LABELS else []
    return ", ".join([*shown[:MOST_LABELS], *more])


def print_table(scores: Sequence[ModelScores], stream: TextIO) -> None:
    """Predictions by model as aligned text: rows, mean score, how many of each label, version."""
    rows = [
        [
            item.model,
            f"{item.rows:,}",
            "" if item.mean_score is None else f"{item.mean_score:.3f}",
            _first_labels(item.labels),
            item.version,
        ]
        for item in scores
    ]
    names = ["model", "rows", "mean score", "labels", "version"]
    for line in layout(names, rows, [False, True, True, False, False]):
        stream.write(line + "\n")


def render_report(data: ReportData) -> str:
    """The page: one HTML file that needs nothing from outside it."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, duration=_duration, decimal=_decimal)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    shown = [data.run, *([data.reading] if data.reading not in (None, data.run) else [])]
    return template.render(
        data=data,
        shown=[run for run in shown if run.stages],
        adds_up=all(run.adds_up for run in shown),
        quarantined=sum(run.quarantined for run in shown),
        refusals=data.refusals[:MOST_REASONS],
        more_refusals=len(data.refusals) - MOST_REASONS,
    )


def _number(value: int) -> str:
    """Thousands apart by a thin space, which no line breaks at."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _decimal(value: float | None, digits: int = 3) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _duration(seconds: float) -> str:
    """Seconds as an operator says them.

    >>> _duration(4.25), _duration(187), _duration(7300)
    ('4.2 s', '3 min 07 s', '2 h 01 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
