"""Arguments of the command line -> the objects that the verbs take."""

import argparse
import dataclasses
import datetime

from pipelines.ingest import Inputs
from pipelines.run import RunContext, new_run
from transforms.acceleration import Acceleration, accelerate
from transforms.errors import UsageError
from transforms.fhir.validation import Validation
from transforms.keys import load_keys
from transforms.limits import Limits
from transforms.read_splits import read_split_file
from transforms.splits import GivenSplits

Arguments = argparse.Namespace
_PATHS = {
    *("fhir", "dicom", "labels", "pairs", "counts", "examples"),
    *("id_key_file", "splits", "warehouse", "output", "folder", "metrics_file", "lineage_file"),
}


def _parameters(arguments: Arguments) -> dict[str, object]:
    """What the record of the run holds: no secrets and no paths, which may hold identities."""
    return {
        name: value
        for name, value in vars(arguments).items()
        if name not in _PATHS and value not in (None, False, [], "")
    }


def inputs_of(arguments: Arguments) -> Inputs:
    """What is to be read. Raises: UsageError, when it is nothing."""
    inputs = Inputs(
        fhir=tuple(arguments.fhir),
        dicom=tuple(arguments.dicom),
        labels=tuple(arguments.labels),
        pairs=tuple(arguments.pairs),
        counts=tuple(arguments.counts),
        validation=Validation(arguments.validation),
        limits=limits_of(arguments),
    )
    if not inputs:
        raise UsageError("nothing to read: give --fhir, --dicom, --labels, --pairs or --counts")
    return inputs


def limits_of(arguments: Arguments) -> Limits:
    """The default limits, but for those that are given."""
    given = {
        field.name: getattr(arguments, f"max_{field.name}") for field in dataclasses.fields(Limits)
    }
    return Limits(**{name: value for name, value in given.items() if value is not None})


def context_of(arguments: Arguments, day: datetime.datetime | None = None) -> RunContext:
    """A run of the verb that begins now, for that day where it has one."""
    parameters = _parameters(arguments)
    if day is not None:
        parameters["as_of"] = day  # also where it was not given: the run can be done again
    if getattr(arguments, "examples", None):
        parameters["examples"] = len(arguments.examples)
    return new_run(arguments.verb, day.date() if day else None, parameters)


def splits_of(arguments: Arguments) -> GivenSplits | None:
    """What `--splits` says, if anything."""
    if arguments.splits is None:
        return None
    return read_split_file(arguments.splits, lambda: load_keys(arguments.id_key_file))


def acceleration_of(arguments: Arguments) -> Acceleration:
    """How a training computes; to be asked before TensorFlow has used a GPU."""
    return accelerate(mixed_precision=arguments.mixed_precision, xla=arguments.xla)
