"""`commit`: publishes a run whose work is done, but whose launcher died before it published.

A job on a cluster goes on without its launcher, and leaves a manifest in the run's staging folder;
what the run is, and which tables it began from, was written there when it started.
"""

import dataclasses
import datetime
import json
import time

from pipelines.nightly import scored
from pipelines.run import (
    BEGUN,
    Outcome,
    RunContext,
    manifest_path,
    read_manifest,
    score_manifest_path,
    staged,
)
from pipelines.score import read_scores
from transforms.errors import RunFailed, UsageError
from transforms.file_systems import FileSystems
from transforms.warehouse import Warehouse

_READS, _SCORES = {"ingest", "quarantine", "nightly"}, {"score", "nightly"}


@dataclasses.dataclass(frozen=True)
class Finished:
    """A run that can be published: what it is, the tables it began from, and what it did."""

    context: RunContext
    warehouse: Warehouse
    outcome: Outcome
    max_quarantined: float


def find_finished(warehouse: Warehouse, run_id: str) -> Finished:
    """The run of that id.

    Raises: UsageError, when no such run waits, naming those that do; RunFailed, when a part of
    its work is missing.
    """
    path = staged(warehouse, run_id, BEGUN)
    if not FileSystems.exists(path):
        raise UsageError(f"no run {run_id} waits to be published; {_waiting(warehouse)}")
    with FileSystems.open(path) as file:
        begun = json.loads(file.read())
    verb, parameters = begun["verb"], begun["parameters"]
    if verb not in _READS | _SCORES or parameters.get("refit"):
        raise RunFailed(f"{verb} run {run_id} works in its launcher: run it again")
    context = RunContext(
        verb=verb,
        run_date=datetime.date.fromisoformat(begun["run_date"]),
        parameters=parameters,
        run_id=run_id,
        started=datetime.datetime.fromisoformat(begun["started"]),
        clock_s=time.monotonic(),
    )
    limit = float(begun["max_quarantined"])
    seen = warehouse.based_on(begun["base"])
    outcome = Outcome()
    if verb in _READS:
        manifest = _existing(manifest_path(warehouse, run_id), run_id)
        outcome += read_manifest(manifest, context.run_date)
    if verb in _SCORES:
        result = read_scores(_existing(score_manifest_path(warehouse, run_id), run_id))
        outcome += scored(seen, result, context.run_date, limit)
    return Finished(context, seen, outcome, limit)


def _existing(path: str, run_id: str) -> str:
    if not FileSystems.exists(path):
        raise RunFailed(
            f"run {run_id} is not finished: wait until its job has ended; where it failed, run "
            "the verb again"
        )
    return path


def _waiting(warehouse: Warehouse) -> str:
    (found,) = FileSystems.match([staged(warehouse, "*", BEGUN)])
    runs = sorted(file.path.split("/")[-2] for file in found.metadata_list)
    return f"these do: {', '.join(runs)}" if runs else "none does"
