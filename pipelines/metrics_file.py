"""A run as gauges in a Prometheus text file, for the textfile collector of the node exporter.

A file holds the last run of each verb: what it had of other verbs, and when this verb last
succeeded, is read from it before it is replaced. So an alert on the age of the last success also
works while every run fails.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/,
https://prometheus.io/docs/practices/naming/
"""

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from pipelines.notices import RunEnd
from pipelines.run import RunContext

_LAST_SUCCESS = "nightrounds_last_success_timestamp_seconds"
GAUGES = {
    _LAST_SUCCESS: "When the newest run that published ended, kept while later ones fail.",
    "nightrounds_last_run_timestamp_seconds": "When the last run ended.",
    "nightrounds_last_run_duration_seconds": "How long the last run took.",
    "nightrounds_last_run_info": "1, with the id of the last run.",
    "nightrounds_last_run_status": "1 for the status of the last run, 0 for the others.",
    "nightrounds_last_run_stage_inputs": "Inputs of a stage: read, written and so on.",
    "nightrounds_last_run_stage_skipped_inputs": "Inputs of a stage left out, by reason.",
    "nightrounds_last_run_added_rows": "Rows a table gained, less those it lost.",
    "nightrounds_last_run_prediction_rows": "Predictions written for a model.",
    "nightrounds_last_run_model_failed": "1 for a model that failed, 0 for one that did not.",
}
"""Name of each gauge -> its help text; all bear the labels `warehouse` and `verb`."""
STATUSES = ("published", "refused", "failed", "cut short")


@dataclasses.dataclass(frozen=True)
class MetricsFile:
    """Writes the gauges of one run into `path` when it ends."""

    context: RunContext
    warehouse: str
    path: Path
    name: str = "metrics"

    def start(self) -> None:
        """Nothing: the file tells of runs that ended."""

    def end(self, end: RunEnd) -> None:
        """Replaces the file in one step. Raises: OSError, when it cannot be written."""
        labels = {"warehouse": self.warehouse, "verb": self.context.verb}
        registry = CollectorRegistry()
        registry.register(_Gauges(gauges(self.context, end, labels, _read(self.path))))
        # The process makes files for its owner alone; the exporter runs under another account.
        # Renamed once more, so that it never sees the file without the right to read it.
        unfinished = self.path.with_suffix(".unfinished")
        write_to_textfile(str(unfinished), registry)
        unfinished.chmod(0o644)
        unfinished.replace(self.path)


class _Gauges(Collector):
    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        return iter(self._found)


def _read(path: Path) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return []  # the first run, or a file that somebody damaged: it is made anew


def gauges(
    context: RunContext, end: RunEnd, labels: dict[str, str], before: Iterable[Metric]
) -> list[Metric]:
    """The run's gauges, with what the file held `before` of other runs.

    No label holds a patient's value: stages, fields, tables and models are names of the code,
    and reasons are of a closed list. A model's failure is told without its reason.
    """
    found = {name: Metric(name, text, "gauge") for name, text in GAUGES.items()}

    def add(name: str, value: float, **more: str) -> None:
        found[name].add_sample(name, {**labels, **more}, value)

    ended_s = end.ended.timestamp()
    succeeded = end.status == "published"
    for metric in before:
        for sample in metric.samples:
            own = labels.items() <= sample.labels.items()
            if metric.name in found and (
                not own or (metric.name == _LAST_SUCCESS and not succeeded)
            ):
                found[metric.name].add_sample(sample.name, sample.labels, sample.value)
    if succeeded:
        add(_LAST_SUCCESS, ended_s)
    add("nightrounds_last_run_timestamp_seconds", ended_s)
    add("nightrounds_last_run_duration_seconds", context.seconds)
    add("nightrounds_last_run_info", 1, run_id=context.run_id)
    for status in STATUSES:
        add("nightrounds_last_run_status", status == end.status, status=status)
    outcome = end.outcome
    for stage in outcome.stages.values():
        for field in ("read", "written", "quarantined", "duplicate"):
            number = getattr(stage, field)
            add("nightrounds_last_run_stage_inputs", number, stage=stage.stage, field=field)
        for reason, number in sorted(stage.skipped.items()):
            if not reason.startswith("failed: "):  # names a place in the code: not a fixed text
                add(
                    "nightrounds_last_run_stage_skipped_inputs",
                    number,
                    stage=stage.stage,
                    reason=reason,
                )
    # What a run that published nothing would have added was not added.
    if succeeded:
        for table, rows in sorted(outcome.rows_added.items()):
            add("nightrounds_last_run_added_rows", rows, table=table)
        for model, rows in sorted(outcome.predictions.items()):
            add("nightrounds_last_run_prediction_rows", rows, model=model)
    failed = {stage.partition("_")[2] for stage in outcome.failed}  # score_<model>, train_<model>
    for model in sorted(failed.union(outcome.predictions, outcome.models)):
        add("nightrounds_last_run_model_failed", model in failed, model=model)
    return list(found.values())
