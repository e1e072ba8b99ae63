"""What stands on the command line -> what the verbs work with."""

import argparse
import dataclasses

from pipelines.ingest import Inputs
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


def parameters_of(arguments: Arguments) -> dict[str, object]:
    """What the record of the run holds: no secrets and no paths, which may hold identities."""
    return {
        name: value
        for name, value in vars(arguments).items()
        if name not in _PATHS and value not in (None, False, [], "")
    }


def inputs_of(arguments: Arguments) -> Inputs:
    """What there is to read. Raises: UsageError, when nothing is named."""
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
    """The limits of what is read: the defaults, where nothing else is said."""
    given = {
        field.name: getattr(arguments, f"max_{field.name}") for field in dataclasses.fields(Limits)
    }
    return Limits(**{name: value for name, value in given.items() if value is not None})


def given_splits(arguments: Arguments) -> GivenSplits | None:
    """Those of the file that was named, if one was."""
    if arguments.splits is None:
        return None
    return read_split_file(arguments.splits, lambda: load_keys(arguments.id_key_file))


def acceleration_of(arguments: Arguments) -> Acceleration:
    """How a training computes; to be asked before TensorFlow has used a GPU."""
    return accelerate(mixed_precision=arguments.mixed_precision, xla=arguments.xla)
