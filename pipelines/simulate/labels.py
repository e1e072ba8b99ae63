"""Labels that the records do not hold, as the files that `--labels` takes."""

import csv
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipelines.simulate.resources import Resource, instant


class Label(NamedTuple):
    """What is known about one resource of a patient, one row of a label file."""

    subject_id: str
    entity_id: str
    prediction_time: str
    categorical_value: str


def label_of(
    patient: Resource, resource: Resource, time: datetime.datetime, category: str
) -> Label:
    """The class of a resource, known at `time`."""
    name = f"{resource['resourceType']}/{resource['id']}"
    return Label(patient["id"], name, instant(time), category)


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    """One CSV, named after its model."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Label._fields)
        writer.writerows(labels)
