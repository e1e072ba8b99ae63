"""`nightly`: ingest, then score with every champion, published as one; and what both share.

Scoring reads the tables as they will be, so that one publication shows the new facts together
with the predictions made from them, or neither.
"""

import datetime
import sys
from collections import defaultdict
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from pipelines.execute import DEFAULT_MAX_QUARANTINED
from pipelines.run import Outcome, RunContext, files_after, over_limit, score_manifest_path
from pipelines.score import ScoreResult, ScoreRun, score
from transforms.bucket_tables import READ_BY_MODELS
from transforms.errors import UsageError
from transforms.make_examples import Buckets
from transforms.registry import ModelVersion, champion
from transforms.warehouse import Change, Warehouse

_TABLES = ("predictions", "extractions")


def models_folder(warehouse: Warehouse) -> str:
    """Where the trained models of a warehouse are."""
    return f"{warehouse.folder}/models"


def champions(
    warehouse: Warehouse, names: Sequence[str], promoted: Sequence[ModelVersion] = ()
) -> list[ModelVersion]:
    """The champions of those models that have one, in the order of the names.

    `promoted` are those of this run, which are not written down as champions before it ends.
    """
    newest = {version.model: version for version in promoted}
    found = (newest.get(name) or champion(models_folder(warehouse), name) for name in names)
    return [version for version in found if version is not None]


def named_champions(warehouse: Warehouse, names: Sequence[str]) -> list[ModelVersion]:
    """The champion of each name of the command line; of `all` those that there are.

    Raises: UsageError, when a model that is named was never trained, or none was.
    """
    chosen = chosen_models(names)
    found = champions(warehouse, chosen)
    missing = sorted(set(chosen) - {version.model for version in found})
    if missing and not (found and "all" in names):
        raise UsageError(
            f"no champion of {', '.join(missing)}: "
            f"run `nightrounds train {' '.join(missing)}` first"
        )
    return found


def chosen_models(names: Sequence[str]) -> list[str]:
    """Names from the command line, `all` for all; each exists.

    Raises: UsageError, naming the one that does not.
    """
    if "all" in names:
        return model_defs.names()
    for name in names:
        model_defs.find(name)
    return list(dict.fromkeys(names))


def buckets_of(warehouse: Warehouse, changes: Sequence[Change] = ()) -> Buckets:
    """The files that models read, by bucket, as they will be after the changes."""
    files: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for table in READ_BY_MODELS:
        for file in files_after(warehouse, table, changes):
            files[int(str(file.partition[0]))][table].append(file.path)
    sources = [file.path for file in files_after(warehouse, "sources", changes)]
    return Buckets({bucket: dict(tables) for bucket, tables in sorted(files.items())}, sources)


def score_champions(
    context: RunContext,
    warehouse: Warehouse,
    versions: Sequence[ModelVersion],
    source: Buckets | Sequence[str],
    as_of: datetime.datetime,
    since: datetime.datetime | None,
    options: PipelineOptions,
    max_quarantined: float = DEFAULT_MAX_QUARANTINED,
    *,
    accelerator: str | None = None,
) -> Outcome:
    """Predictions of those models, replacing what they said for the same day.

    Of a model that fails, or refuses more of its examples than `max_quarantined`, nothing is
    published and nothing replaced.

    Raises: as `pipelines.score.score`.
    """
    folders = {t: f"{warehouse.folder}/clinical/{t}/data/{context.run_id}" for t in _TABLES}
    manifest = score_manifest_path(warehouse, context.run_id)
    run = ScoreRun(context.run_id, as_of, folders, since, manifest)
    result = score(versions, source, run, options, accelerator=accelerator)
    return scored(warehouse, result, as_of.date(), max_quarantined)


def scored(
    warehouse: Warehouse, result: ScoreResult, day: datetime.date, max_quarantined: float
) -> Outcome:
    """What was scored for a day, as changes of the tables."""
    for model, stage in result.stages.items():
        if over := over_limit(stage, max_quarantined):
            result.set_aside(model, over)
    for model, reason in result.failed.items():
        sys.stderr.write(f"{model} failed, the others go on: {reason}\n")
    whole = [model for model in result.stages if model not in result.failed]
    replaced = tuple((model, day) for model in whole)
    for model, number in result.unreadable.items():
        if number:
            sys.stderr.write(f"{model}: {number} image files could not be decoded\n")
    outcome = Outcome(
        stages={stage.stage: stage for stage in result.stages.values()},
        predictions=dict.fromkeys(whole, 0),
        failed={f"score_{model}": why for model, why in result.failed.items()},
    )
    for table in _TABLES:
        before = sum(f.rows for f in warehouse.files(table) if f.partition in replaced)
        files = [file for file in result.files if file.table == table]
        if files or before or (table == "predictions" and whole):
            outcome.changes.append(Change(table, replaced, tuple(file.path for file in files)))
            outcome.rows_added[table] = sum(file.rows for file in files) - before
    for file in result.files:
        if file.table == "predictions":
            outcome.predictions[file.model] += file.rows
    return outcome
