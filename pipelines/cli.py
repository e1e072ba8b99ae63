"""`nightrounds <verb>`: the command line.

Exit status: 0 done; 2 wrong usage; 3 refused, nothing published; 1 failed: nothing published,
unless the message says what is (the other models, where one failed; what the next command finishes,
where a publication was cut short).
Modules that are slow to import are imported by the verbs that need them.
"""

import argparse
import dataclasses
import datetime
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from pipelines.faults import machine_fault
from transforms.errors import NightroundsError, Refused, RunFailed, UsageError
from transforms.limits import Limits, option_of, parse_size

EXIT_FAILED, EXIT_USAGE, EXIT_REFUSED = 1, 2, 3


def _date(text: str) -> datetime.datetime:
    """`2024-01-31` or `2024-01-31T06:00:00`, UTC; a day is meant to its end."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2024-01-31") from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    if len(text) <= len("2024-01-31"):
        moment += datetime.timedelta(days=1) - datetime.timedelta(microseconds=1)
    return moment


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no fraction from 0 to 1")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 1000, 64M or 2G") from None


def _accelerator(text: str) -> str:
    if not re.fullmatch(r"type:[^;]+;count:[1-9]\d*(;[^;]+)*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no accelerator such as type:nvidia-l4;count:1"
        )
    return text


def _new_file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: there is no folder {path.parent}")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is a folder")
    return path


def _prom_file(text: str) -> Path:
    if not text.endswith(".prom"):
        raise argparse.ArgumentTypeError(f"{text}: the node exporter reads only files *.prom")
    return _new_file(text)


def _limits() -> argparse.ArgumentParser:
    """One option for each limit of what is read."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("limits", "what is over one of them is quarantined")
    for field in dataclasses.fields(Limits):
        group.add_argument(
            option_of(field.name), type=_size, metavar="N", help=f"default {field.default:,}"
        )
    return parser


def build_parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    parser = argparse.ArgumentParser(
        prog="nightrounds",
        description="Batch machine learning on a hospital's FHIR and DICOM data. "
        "Not a medical device.",
        epilog="What stands after -- goes to Beam: nightrounds ingest … -- --runner FlinkRunner",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    warehouse = argparse.ArgumentParser(add_help=False)
    warehouse.add_argument("--warehouse", required=True, metavar="W", help="folder or URL")
    showing = argparse.ArgumentParser(add_help=False)
    showing.add_argument("--quiet", action="store_true", help="no progress on stderr")
    running = argparse.ArgumentParser(add_help=False, parents=[showing])
    running.add_argument("--json", action="store_true", help="print one summary object at the end")
    running.add_argument("--workers", type=_positive, default=1, metavar="N")
    telling = argparse.ArgumentParser(add_help=False)
    telling.add_argument(
        "--metrics-file",
        type=_prom_file,
        metavar="F.prom",
        help="of the node exporter's textfile collector: written when the run ends",
    )
    telling.add_argument(
        "--lineage-file",
        type=_new_file,
        metavar="F",
        help="OpenLineage events are added to it (else: as the library is configured)",
    )
    recorded = [warehouse, running, telling]
    reading = argparse.ArgumentParser(add_help=False)
    reading.add_argument("--fhir", nargs="+", action="extend", default=[], metavar="P")
    reading.add_argument("--dicom", nargs="+", action="extend", default=[], metavar="P")
    reading.add_argument(
        "--labels",
        nargs="+",
        action="extend",
        default=[],
        metavar="F",
        help="MEDS labels with entity_id, Parquet or CSV, named after the model",
    )
    reading.add_argument(
        "--pairs",
        nargs="+",
        action="extend",
        default=[],
        metavar="P",
        help="compounds and targets, Parquet or CSV",
    )
    reading.add_argument(
        "--counts",
        nargs="+",
        action="extend",
        default=[],
        metavar="P",
        help="cases by region and week, Parquet or CSV",
    )
    reading.add_argument("--validation", choices=["projection", "full"], default="projection")
    reading.add_argument("--buckets", type=_positive, metavar="N", help="of a new warehouse (64)")
    reading.add_argument("--id-key-file", type=Path, metavar="F", help="or NIGHTROUNDS_ID_KEY")
    reading.add_argument(
        "--max-quarantined",
        type=_fraction,
        default=0.01,
        metavar="FRACTION",
        help="of refused inputs, past which nothing is published (0.01, never fewer than 10)",
    )
    models = argparse.ArgumentParser(add_help=False)
    models.add_argument("models", nargs="+", metavar="MODEL", help="names, or all")
    as_of = argparse.ArgumentParser(add_help=False)
    as_of.add_argument(
        "--as-of", type=_date, metavar="DATE", help="nothing later is read (default: now)"
    )
    since = argparse.ArgumentParser(add_help=False)
    since.add_argument("--since", type=_date, metavar="DATE", help="score only what came later")

    splits = argparse.ArgumentParser(add_help=False)
    splits.add_argument(
        "--splits",
        metavar="F",
        help="subject_id and split (train, tuning, held_out; MEDS), Parquet or CSV",
    )
    splits.add_argument("--id-key-file", type=Path, metavar="F", help="for splits by Patient id")

    computing = argparse.ArgumentParser(add_help=False)
    for option, what in (
        ("mixed-precision", "layers in float16"),
        ("xla", "steps compiled by XLA"),
    ):
        computing.add_argument(
            f"--{option}",
            action=argparse.BooleanOptionalAction,
            help=f"train Keras models with {what} (default: where there is a GPU)",
        )
    scoring = argparse.ArgumentParser(add_help=False)
    scoring.add_argument(
        "--accelerator",
        type=_accelerator,
        metavar="HINT",
        help="for workers that score, where Beam's runner reads it: type:nvidia-l4;count:1",
    )

    demo = verbs.add_parser("demo", parents=[running], help="a small simulated hospital")
    demo.add_argument("--folder", type=Path, default=Path("demo"), metavar="DIR")
    limits = _limits()
    verbs.add_parser(
        "ingest", parents=[*recorded, reading, limits], help="FHIR and DICOM -> warehouse"
    )
    train = verbs.add_parser(
        "train", parents=[models, *recorded, as_of, splits, computing], help="train models"
    )
    train.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=VALUE",
        help="fields of the models' Config, such as epochs=10",
    )
    evaluate = verbs.add_parser(
        "evaluate",
        parents=[models, *recorded, as_of, splits],
        help="measure champions on held-out rows",
    )
    evaluate.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="one model's held-out predictions beside the truth, Parquet",
    )
    score = verbs.add_parser(
        "score", parents=[models, *recorded, as_of, since, scoring], help="write predictions"
    )
    score.add_argument(
        "--examples", nargs="+", default=[], metavar="P", help="ready examples in Parquet"
    )
    nightly = verbs.add_parser(
        "nightly",
        parents=[*recorded, reading, as_of, since, computing, scoring, limits],
        help="ingest, score every champion, report",
    )
    nightly.add_argument("-o", "--output", metavar="FILE", help="of the report")
    nightly.add_argument(
        "--refit",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="train these again on the new tables first, such as outbreak",
    )
    commit = verbs.add_parser(
        "commit",
        parents=[warehouse, telling],
        help="publish a run that is finished and whose launcher died",
    )
    commit.add_argument("run", metavar="RUN_ID")
    commit.add_argument("--json", action="store_true", help="print one summary object at the end")
    query = verbs.add_parser("query", parents=[warehouse], help="SQL over the tables (DuckDB)")
    query.add_argument("sql", metavar="SQL")
    query.add_argument("--format", choices=["table", "csv", "json"], default="table")
    reproduce = verbs.add_parser(
        "reproduce",
        parents=[warehouse, showing],
        help="score as a run did, from the tables as it saw them, and compare bit for bit",
    )
    reproduce.add_argument("run", metavar="RUN_ID")
    reproduce.add_argument("--workers", type=_positive, default=1, metavar="N")
    quarantine = verbs.add_parser("quarantine", help="list or replay refused inputs")
    actions = quarantine.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[warehouse], help="what is refused now")
    listing.add_argument("--format", choices=["table", "csv", "json"], default="table")
    replay = actions.add_parser(
        "replay",
        parents=[*recorded, limits],
        help="read the sources of refused inputs again",
    )
    replay.add_argument("--id-key-file", type=Path, metavar="F", help="or NIGHTROUNDS_ID_KEY")
    replay.add_argument("--max-quarantined", type=_fraction, default=1.0, metavar="FRACTION")
    report = verbs.add_parser("report", parents=[warehouse], help="the morning's page, HTML")
    report.add_argument("--run", metavar="ID", help="of which run (default: the newest)")
    report.add_argument("-o", "--output", required=True, metavar="FILE")
    export = verbs.add_parser(
        "export-meds", parents=[warehouse, showing], help="the events as MEDS"
    )
    export.add_argument("folder", type=Path, metavar="DIR")
    verbs.add_parser(
        "gc",
        parents=[warehouse, showing],
        help="remove files that no table refers to, and what killed trainings left",
    )
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our arguments and, after `--`, Beam's.

    >>> _split(["ingest", "--", "--runner", "X"])
    (['ingest'], ['--runner', 'X'])
    """
    own = list(arguments)
    if "--" not in own:
        return own, []
    cut = own.index("--")
    return own[:cut], own[cut + 1 :]


def _print_without_values(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An unexpected error: where it happened and of which class, but not its message.

    Messages of libraries quote the data they failed on. `NIGHTROUNDS_DEBUG=1` shows them.
    """
    if os.environ.get("NIGHTROUNDS_DEBUG"):
        traceback.print_exception(kind, error, trace)
        return
    frames = traceback.extract_tb(trace)
    where = "".join(f"  {f.filename}:{f.lineno} in {f.name}\n" for f in frames[-12:])
    sys.stderr.write(
        f"nightrounds: unexpected {kind.__name__}; its message is held back, as it may quote "
        f"patient data (NIGHTROUNDS_DEBUG=1 shows it)\n{where}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and returns the exit status."""
    own, beam_arguments = _split(sys.argv[1:] if arguments is None else arguments)
    options = build_parser().parse_args(own)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    sys.excepthook = _print_without_values
    from pipelines import verbs

    try:
        verbs.run(options, beam_arguments)
    except UsageError as error:
        return _fail(error, EXIT_USAGE)
    except Refused as error:
        return _fail(error, EXIT_REFUSED)
    except NightroundsError as error:
        return _fail(error, EXIT_FAILED)
    except BrokenPipeError:
        # The reader of stdout went away (`| head`); nothing is wrong here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        fault = machine_fault(error, getattr(options, "warehouse", None))
        if fault is None or os.environ.get("NIGHTROUNDS_DEBUG"):
            raise
        return _fail(RunFailed(fault), EXIT_FAILED)
    return 0


def _fail(error: NightroundsError, status: int) -> int:
    sys.stderr.write(f"nightrounds: {error}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
