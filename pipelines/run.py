"""One run: its identity, its counts, what it wrote, and how all of it is published at once."""

import dataclasses
import datetime
import getpass
import importlib.metadata
import json
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import polars as pl
import pyarrow as pa

from transforms.counts import Count, StageCounts, collect
from transforms.errors import Refused
from transforms.file_systems import FileSystems
from transforms.local_files import make_folder, remove_folder, write_whole
from transforms.parquet import read_files, write_file
from transforms.progress_notes import ProgressNotes
from transforms.registry import ModelVersion
from transforms.schemas import TABLES
from transforms.warehouse import Change, LiveFile, Partition, Warehouse
from transforms.write_buckets import Written

_DISTRIBUTIONS = ("nightrounds", "apache-beam", "tensorflow", "pyarrow", "polars", "pydicom", "ydf")
MIN_REFUSAL = 10
BEGUN = "run.json"
"""What a run leaves in its staging folder when it begins."""


@dataclasses.dataclass(frozen=True)
class RunContext:
    """Who is running: made once for each call of the command line.

    `run_date` is the day that the run is for, `started` a UTC time without zone.
    """

    verb: str
    run_date: datetime.date
    parameters: Mapping[str, object]
    run_id: str
    started: datetime.datetime
    clock_s: float

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.monotonic() - self.clock_s


def new_run(
    verb: str, run_date: datetime.date | None = None, parameters: Mapping[str, object] | None = None
) -> RunContext:
    """A run that starts now; its id sorts by time: `20240131T020000Z-1a2b3c`."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    return RunContext(
        verb=verb,
        run_date=run_date or now.date(),
        parameters=parameters or {},
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        started=now,
        clock_s=time.monotonic(),
    )


@dataclasses.dataclass
class Outcome:
    """What a run did and has not published yet; `failed`: why, by stage of a model that failed."""

    changes: list[Change] = dataclasses.field(default_factory=list)
    stages: dict[str, StageCounts] = dataclasses.field(default_factory=dict)
    rows_added: dict[str, int] = dataclasses.field(default_factory=dict)
    predictions: dict[str, int] = dataclasses.field(default_factory=dict)
    models: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    promoted: list[ModelVersion] = dataclasses.field(default_factory=list)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    def __add__(self, other: "Outcome") -> "Outcome":
        """Both, as one publication."""
        return Outcome(
            self.changes + other.changes,
            {**self.stages, **other.stages},
            {**self.rows_added, **other.rows_added},
            {**self.predictions, **other.predictions},
            {**self.models, **other.models},
            self.promoted + other.promoted,
            {**self.failed, **other.failed},
        )


def _staging(warehouse: str, run_id: str) -> str:
    return f"{warehouse}/staging/{run_id}"


@dataclasses.dataclass(eq=False)
class WriteManifest(beam.PTransform):
    """{written, counts} -> one JSON file in the run's staging folder, for the committer."""

    path: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, inputs: dict[str, beam.PCollection]) -> beam.PCollection:
        """All of it is small: a row for each partition and each count."""
        path = self.path
        written = inputs["written"] | "Written" >> beam.Map(lambda w: ("written", list(w)))
        counts = (
            inputs["counts"]
            | "CountKey" >> beam.Map(lambda item: (tuple(item[0]), item[1]))
            | beam.CombinePerKey(sum)
            | "Counts" >> beam.MapTuple(lambda key, n: ("counts", [*key, n]))
        )
        return (
            (written, counts)
            | beam.Flatten()
            | beam.combiners.ToList()
            | "WriteJson" >> beam.Map(lambda entries: _write_json(path, entries))
        )


def _write_json(path: str, entries: list[tuple[str, list[object]]]) -> None:
    found: dict[str, list[list[object]]] = {"written": [], "counts": []}
    for kind, values in entries:
        found[kind].append(values)
    with FileSystems.create(path) as file:
        file.write(json.dumps(found).encode())


def staged(warehouse: Warehouse, run_id: str, name: str) -> str:
    """A file of the run's staging folder, which goes when the run is published."""
    return f"{_staging(warehouse.folder, run_id)}/{name}"


def manifest_path(warehouse: Warehouse, run_id: str) -> str:
    """Where the workers leave the manifest of what was read."""
    return staged(warehouse, run_id, "manifest.json")


def score_manifest_path(warehouse: Warehouse, run_id: str) -> str:
    """Where the workers leave the manifest of what was scored."""
    return staged(warehouse, run_id, "scores.json")


def begin(context: RunContext, warehouse: Warehouse, max_quarantined: float) -> None:
    """Writes down what the run is and the tables it begins from, for `commit`."""
    make_folder(_staging(warehouse.folder, context.run_id))
    begun = {
        "verb": context.verb,
        "run_date": context.run_date,
        "parameters": context.parameters,
        "started": context.started,
        "base": warehouse.base,
        "max_quarantined": max_quarantined,
    }
    write_whole(staged(warehouse, context.run_id, BEGUN), json.dumps(begun, default=str))


def progress_notes(warehouse: Warehouse, context: RunContext) -> ProgressNotes:
    """Where the workers tell how far they are."""
    return ProgressNotes(f"{_staging(warehouse.folder, context.run_id)}/progress")


def read_manifest(path: str, run_date: datetime.date) -> Outcome:
    """The manifest -> what the run did."""
    with FileSystems.open(path) as file:
        found = json.loads(file.read())
    stages = collect((Count(stage, field, why), n) for stage, field, why, n in found["counts"])
    replaced: dict[str, list[Partition]] = defaultdict(list)
    files: dict[str, list[str]] = defaultdict(list)
    added: dict[str, int] = defaultdict(int)
    for entry in sorted(Written(*values) for values in found["written"]):
        partition = tuple(
            {"bucket": entry.bucket, "run_date": run_date}[column]
            for column in TABLES[entry.table].partition
        )
        replaced[entry.table].append(partition)
        added[entry.table] += entry.rows - entry.rows_before
        if entry.path:
            files[entry.table].append(entry.path)
    changes = [Change(t, tuple(replaced[t]), tuple(files[t])) for t in sorted(replaced)]
    return Outcome(changes, stages, dict(added))


def files_after(warehouse: Warehouse, table: str, changes: Sequence[Change]) -> list[LiveFile]:
    """The table's live files as they will be when the changes are published."""
    live = warehouse.files(table)
    for change in changes:
        if change.table != table:
            continue
        live = [file for file in live if file.partition not in change.replaced]
        place = TABLES[table].partition.index("bucket")
        for path in change.files:
            bucket = int(path.rsplit("/", 1)[-1].split("-", 1)[0])
            partition = tuple(bucket if i == place else None for i in range(place + 1))
            live.append(LiveFile(path, partition, 0))
    return live


def check_outcome(outcome: Outcome, max_quarantined: float) -> None:
    """The reconciliation and the limit of refused inputs.

    Raises: RunFailed, when a stage's counts do not add up; Refused, when more than the fraction
    `max_quarantined` of a stage's inputs, and more than ten, were quarantined.
    """
    for stage in outcome.stages.values():
        stage.check()
        if over := over_limit(stage, max_quarantined):
            raise Refused(f"{stage.stage}: {over}; nothing was published" + _reasons(outcome))


def over_limit(stage: StageCounts, max_quarantined: float) -> str | None:
    """How far a stage is past the limit of refused inputs; None where it is not."""
    limit = max(MIN_REFUSAL, max_quarantined * stage.read)
    if stage.quarantined <= limit:
        return None
    return (
        f"{stage.quarantined} of {stage.read} inputs were refused, "
        f"more than the limit of {limit:.0f} (--max-quarantined {max_quarantined})"
    )


def _reasons(outcome: Outcome) -> str:
    """The most frequent reasons, for the operator; they hold no patient values."""
    paths = [path for c in outcome.changes if c.table == "quarantine" for path in c.files]
    if not paths:
        return ""
    columns = ["error_class", "message"]
    frame = pl.DataFrame(read_files(paths, TABLES["quarantine"].schema, columns))
    top = frame.group_by(columns).len("n").sort("n", *columns, descending=[True, False, False])
    lines = [f"  {n} x {name}: {message}" for name, message, n in top.head(5).iter_rows()]
    where = paths[0].rsplit("/", 1)[0]
    return "\n".join(["; most frequent:", *lines, f"  all of them: {where}"])


def runs_table(
    context: RunContext,
    status: str,
    stages: Iterable[StageCounts],
    seconds: float,
    failed: Container[str] = (),
    snapshots: Mapping[str, int | None] | None = None,
) -> pa.Table:
    """Rows of `runs`: one for each stage, or one without counts for a run that has none.

    Stages that `failed` are so whatever became of the run.
    """
    found = list(stages) or [StageCounts(context.verb)]
    versions = [(name, importlib.metadata.version(name)) for name in _DISTRIBUTIONS]
    rows = [
        {
            "run_date": context.run_date,
            "run_id": context.run_id,
            "verb": context.verb,
            "stage": stage.stage,
            "status": "failed" if stage.stage in failed else status,
            "started": context.started,
            "seconds": seconds,
            "read": stage.read,
            "written": stage.written,
            "quarantined": stage.quarantined,
            "duplicate": stage.duplicate,
            "skipped": sorted(stage.skipped.items()),
            "parameters": json.dumps(context.parameters, sort_keys=True, default=str),
            "versions": versions,
            "ran_by": _account(),
            "snapshots": [(name, n) for name, n in (snapshots or {}).items() if n is not None],
        }
        for stage in found
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["runs"].schema)


def _account() -> str:
    """The name of the account that runs this; its number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def publish(context: RunContext, warehouse: Warehouse, outcome: Outcome, status: str) -> None:
    """Publishes the outcome together with the run's own rows; a failed run only the latter."""
    stages = outcome.stages.values()
    table = runs_table(context, status, stages, context.seconds, outcome.failed, warehouse.base)
    folder = f"{warehouse.folder}/clinical/runs/data/{context.run_id}"
    path = write_file(table, folder, "run")
    record = Change("runs", (), (path,))
    changes = outcome.changes if status == "published" else []
    warehouse.publish(context.run_id, [*changes, record])
    remove_folder(_staging(warehouse.folder, context.run_id))


def summary(context: RunContext, outcome: Outcome, status: str) -> dict[str, object]:
    """The object that `--json` prints."""
    found: dict[str, object] = {
        "run_id": context.run_id,
        "verb": context.verb,
        "status": status,
        "seconds": round(context.seconds, 3),
        "stages": [stage.summary() for stage in outcome.stages.values()],
        "tables": outcome.rows_added,
        "predictions": outcome.predictions,
    }
    more = {"models": outcome.models, "failed": outcome.failed}
    return {**found, **{name: value for name, value in more.items() if value}}
