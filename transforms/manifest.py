"""What workers did, as one JSON file that the launcher reads when the pipeline is over."""

import dataclasses
import json
import os
from typing import Any

import apache_beam as beam

from transforms.file_systems import FileSystems
from transforms.local_files import make_folder

Entry = list[Any]


@dataclasses.dataclass(eq=False)
class WriteManifest(beam.PTransform):
    """JSON-able lists -> one JSON file of all of them, in no order. For a few per bucket."""

    path: str

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, entries: beam.PCollection) -> beam.PCollection:
        """One worker gathers and writes."""
        return entries | beam.combiners.ToList() | "WriteJson" >> beam.Map(_write_json, self.path)


def _write_json(entries: list[Entry], path: str) -> None:
    make_folder(os.path.dirname(path))
    with FileSystems.create(path) as file:
        file.write(json.dumps(entries).encode())


def read_manifest(path: str) -> list[Entry]:
    """The entries, sorted, so that what follows does not depend on who wrote first."""
    with FileSystems.open(path) as file:
        entries: list[Entry] = json.loads(file.read())
    return sorted(entries)
