"""The verbs: arguments of the command line -> objects -> the pipeline of each verb."""

import dataclasses
import datetime
import shutil
import sys
from collections.abc import Callable, Sequence

from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import PipelineOptions

import model_defs
from pipelines.arguments import (
    Arguments,
    acceleration_of,
    context_of,
    inputs_of,
    limits_of,
    splits_of,
)
from pipelines.execute import DEFAULT_MAX_QUARANTINED, execute, raise_failed
from pipelines.ingest import ingest
from pipelines.notices import Listener, listeners, noticed
from pipelines.outcome_lines import print_outcome
from pipelines.progress import Progress
from pipelines.run import Outcome, RunContext, check_outcome, progress_notes
from pipelines.runner import pipeline_options
from pipelines.work_folder import temporary_folder, work_root
from transforms.errors import Refused, RunFailed, UsageError
from transforms.file_systems import FileSystems
from transforms.key_check import check_key
from transforms.keys import load_keys
from transforms.native_logs import load_tensorflow
from transforms.progress_notes import ProgressNotes
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse, open_warehouse


def run(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    """Runs the verb. Raises: NightroundsError, whose class decides the exit status."""
    # A warehouse is opened before there is a pipeline, with the same options.
    FileSystems.set_options(PipelineOptions(list(beam_arguments)))
    verb: Callable[[Arguments, Sequence[str]], None] = _VERBS[arguments.verb]
    verb(arguments, beam_arguments)


def _execute(
    arguments: Arguments,
    context: RunContext,
    warehouse: Warehouse,
    options: PipelineOptions,
    work: Callable[[], Outcome],
) -> Outcome:
    limit = getattr(arguments, "max_quarantined", DEFAULT_MAX_QUARANTINED)
    notes = progress_notes(warehouse, context)
    told = _listeners(arguments, context, warehouse)
    show = print_outcome(context, as_json=arguments.json)
    with Progress(enabled=not arguments.quiet) as progress, noticed(told, show) as report:

        def followed() -> Outcome:
            with progress.follow(notes, options):
                return work()

        return execute(context, warehouse, followed, report, limit)


def _listeners(arguments: Arguments, context: RunContext, warehouse: Warehouse) -> list[Listener]:
    return listeners(context, warehouse, arguments.metrics_file, arguments.lineage_file)


def _ingest(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    keys, inputs = load_keys(arguments.id_key_file), inputs_of(arguments)
    inputs.check(keys)
    warehouse = open_warehouse(arguments.warehouse, create=True, buckets=arguments.buckets)
    check_key(warehouse, keys)
    context = context_of(arguments)
    options = pipeline_options(arguments.workers, beam_arguments)

    def work() -> Outcome:
        return ingest(context, warehouse, keys, inputs, options)

    _execute(arguments, context, warehouse, options, work)


def _nightly(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    load_tensorflow()
    from pipelines.nightly import (
        buckets_of,
        champions,
        chosen_models,
        models_folder,
        score_champions,
    )
    from pipelines.train_models import train_models
    from pipelines.write_report import write_report
    from transforms.registry import promote

    keys, inputs = load_keys(arguments.id_key_file), inputs_of(arguments)
    inputs.check(keys)
    warehouse = open_warehouse(arguments.warehouse, create=True, buckets=arguments.buckets)
    check_key(warehouse, keys)
    as_of = arguments.as_of or _now()
    context = context_of(arguments, as_of)
    options = pipeline_options(arguments.workers, beam_arguments)
    refit = chosen_models(arguments.refit)
    work_folder = work_root(warehouse, options) if refit else ""
    acceleration = acceleration_of(arguments)

    def work() -> Outcome:
        read = ingest(context, warehouse, keys, inputs, options)
        # Counts that do not add up, or too many refusals, end the run before it scores.
        check_outcome(read, arguments.max_quarantined)
        buckets = buckets_of(warehouse, read.changes)
        configs = {name: model_defs.find(name).Config() for name in refit}
        trained = train_models(
            models_folder(warehouse),
            work_folder,
            configs,
            buckets,
            as_of,
            options,
            None,
            skip=True,
            promote=False,
            acceleration=acceleration,
        )
        found = read + trained
        versions = champions(warehouse, model_defs.names(), found.promoted)
        if not versions:
            sys.stderr.write("no model is trained yet: nothing is scored\n")
            return found
        return found + score_champions(
            context,
            warehouse,
            versions,
            buckets,
            as_of,
            arguments.since,
            options,
            arguments.max_quarantined,
            accelerator=arguments.accelerator,
        )

    outcome = _execute(arguments, context, warehouse, options, work)
    output = arguments.output or f"{warehouse.folder}/reports/{as_of:%Y-%m-%d}.html"
    try:
        for version in outcome.promoted:  # a night that failed leaves the champions as they were
            promote(version)
        write_report(open_warehouse(arguments.warehouse), context.run_id, output)
    except (OSError, BeamIOError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise RunFailed(
            f"run {context.run_id} is published, but what follows it failed ({why}): "
            f"nightrounds report --run {context.run_id} makes the report"
        ) from error
    raise_failed(outcome)


def _score(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    load_tensorflow()
    from pipelines.nightly import buckets_of, named_champions, score_champions

    warehouse = open_warehouse(arguments.warehouse)
    versions = named_champions(warehouse, arguments.models)
    if arguments.examples and arguments.since:
        raise UsageError("--since is for the tables, not for --examples: leave the rows out there")
    if arguments.examples and len(versions) != 1:
        raise UsageError(f"--examples are of one model, not of {' '.join(arguments.models)}")
    as_of = arguments.as_of or _now()
    context = context_of(arguments, as_of)
    options = pipeline_options(arguments.workers, beam_arguments)
    source = arguments.examples or buckets_of(warehouse)
    outcome = _execute(
        arguments,
        context,
        warehouse,
        options,
        lambda: score_champions(
            context,
            warehouse,
            versions,
            source,
            as_of,
            arguments.since,
            options,
            accelerator=arguments.accelerator,
        ),
    )
    raise_failed(outcome)


def _commit(arguments: Arguments, _beam: Sequence[str]) -> None:
    from pipelines.commit import find_finished
    from pipelines.run import publish

    found = find_finished(open_warehouse(arguments.warehouse), arguments.run)
    show = print_outcome(found.context, as_json=arguments.json)
    told = _listeners(arguments, found.context, found.warehouse)
    with noticed(told, show) as report:  # the launcher that died told nobody how it ended
        check_outcome(found.outcome, found.max_quarantined)
        publish(found.context, found.warehouse, found.outcome, "published")
        report(found.outcome, "published")
    raise_failed(found.outcome)


def _reproduce(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    load_tensorflow()
    from pipelines.reproduce import reproduce

    warehouse = open_warehouse(arguments.warehouse)
    options = pipeline_options(arguments.workers, beam_arguments)
    with (
        temporary_folder(warehouse, options, "reproduce") as folder,
        Progress(enabled=not arguments.quiet) as progress,
        progress.follow(ProgressNotes(f"{folder}/progress"), options),
    ):
        found = reproduce(warehouse, arguments.run, folder, options)
    for again in found:
        print(again.describe())  # noqa: T201 - the verb's result
    if not all(again.is_same for again in found):
        raise RunFailed(f"run {arguments.run} could not be reproduced")


def _query(arguments: Arguments, _beam: Sequence[str]) -> None:
    _show(open_warehouse(arguments.warehouse), arguments.sql, arguments.format)


def _show(warehouse: Warehouse, sql: str, output: str) -> None:
    from pipelines.query import OutputFormat, run_query

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    files = {table: warehouse.readable(table) for table in TABLES}
    run_query(sql, files, sys.stdout, output=OutputFormat(output), width=width)


def _quarantine(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    from pipelines import quarantine

    warehouse = open_warehouse(arguments.warehouse)
    if arguments.action == "list":
        _show(warehouse, quarantine.OPEN_SQL, arguments.format)
        return
    keys = load_keys(arguments.id_key_file)
    check_key(warehouse, keys)
    inputs, gone = quarantine.replay_inputs(warehouse)
    for uri in gone:
        sys.stderr.write(f"{uri} is gone: its refusals stay\n")
    if not inputs:
        sys.stderr.write("nothing to replay\n")
        return
    inputs = dataclasses.replace(inputs, limits=limits_of(arguments))
    context = context_of(arguments)
    options = pipeline_options(arguments.workers, beam_arguments)

    def work() -> Outcome:
        return ingest(context, warehouse, keys, inputs, options)

    _execute(arguments, context, warehouse, options, work)


def _report(arguments: Arguments, _beam: Sequence[str]) -> None:
    from pipelines.write_report import write_report

    write_report(open_warehouse(arguments.warehouse), arguments.run, arguments.output)


def _train(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    load_tensorflow()
    from pipelines.nightly import buckets_of, chosen_models, models_folder
    from pipelines.prepare import is_chief
    from pipelines.train_models import train_models
    from transforms.definition import configured

    warehouse = open_warehouse(arguments.warehouse)
    names = chosen_models(arguments.models)
    as_of = arguments.as_of or _now()
    context = context_of(arguments)
    options = pipeline_options(arguments.workers, beam_arguments)
    work_folder = work_root(warehouse, options)
    buckets = buckets_of(warehouse)
    splits = splits_of(arguments)
    configs = {name: configured(model_defs.find(name), arguments.set) for name in names}
    skip = "all" in arguments.models
    acceleration = acceleration_of(arguments)

    def training() -> Outcome:
        return train_models(
            models_folder(warehouse),
            work_folder,
            configs,
            buckets,
            as_of,
            options,
            splits,
            skip=skip,
            acceleration=acceleration,
        )

    def work() -> Outcome:
        found = training()
        if found.models and all("refused" in model for model in found.models.values()):
            raise Refused("there is too little data to train any model; see above")
        return found

    if not is_chief():
        training()
        return  # worker 0 has the record
    raise_failed(_execute(arguments, context, warehouse, options, work))


def _evaluate(arguments: Arguments, beam_arguments: Sequence[str]) -> None:
    load_tensorflow()
    from pipelines.evaluate import evaluate
    from pipelines.nightly import buckets_of, named_champions

    warehouse = open_warehouse(arguments.warehouse)
    versions = named_champions(warehouse, arguments.models)
    if arguments.output is not None and len(versions) != 1:
        raise UsageError(f"--output is of one model, not of {' '.join(arguments.models)}")
    as_of = arguments.as_of or _now()
    context = context_of(arguments)
    options = pipeline_options(arguments.workers, beam_arguments)
    splits = splits_of(arguments)

    def work() -> Outcome:
        with temporary_folder(warehouse, options, "evaluate") as folder:
            buckets = buckets_of(warehouse)
            found = evaluate(versions, buckets, as_of, folder, options, splits=splits)
        if arguments.output is not None:
            found[versions[0].model].predictions.write_parquet(arguments.output)
        return Outcome(
            models={
                version.model: {
                    "version": version.version,
                    **found[version.model].evaluation.as_json(),
                }
                for version in versions
            }
        )

    _execute(arguments, context, warehouse, options, work)


def _demo(arguments: Arguments, _beam: Sequence[str]) -> None:
    from pipelines.cli import build_parser
    from pipelines.demo import demo
    from pipelines.query import open_tables
    from pipelines.report import model_scores, print_table

    report = demo(arguments.folder, lambda own: run(build_parser().parse_args(own), []))
    warehouse = open_warehouse(str(arguments.folder / "warehouse"))
    with open_tables({"predictions": warehouse.paths("predictions")}) as connection:
        print_table(model_scores(connection), sys.stdout)
    print(f"report: {report}")  # noqa: T201 - the verb's result


def _export_meds(arguments: Arguments, _beam: Sequence[str]) -> None:
    from pipelines.export_meds import export_meds

    with Progress(enabled=not arguments.quiet) as progress:
        events = export_meds(open_warehouse(arguments.warehouse), arguments.folder, progress)
    print(f"{events:,} events written to {arguments.folder}")  # noqa: T201 - the verb's result


def _gc(arguments: Arguments, _beam: Sequence[str]) -> None:
    from pipelines.gc import collect_garbage

    now = datetime.datetime.now(datetime.UTC)
    with Progress(enabled=not arguments.quiet) as progress:
        files, size = collect_garbage(open_warehouse(arguments.warehouse), now, progress)
    print(f"{files:,} files removed, {size:,} bytes")  # noqa: T201 - the verb's result


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


_VERBS = {
    "demo": _demo,
    "train": _train,
    "evaluate": _evaluate,
    "ingest": _ingest,
    "commit": _commit,
    "nightly": _nightly,
    "score": _score,
    "query": _query,
    "reproduce": _reproduce,
    "quarantine": _quarantine,
    "report": _report,
    "export-meds": _export_meds,
    "gc": _gc,
}
