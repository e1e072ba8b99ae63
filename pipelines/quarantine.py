"""`quarantine`: what is refused now, and reading it again after it was mended."""

import os.path

import polars as pl

from pipelines.ingest import Inputs
from transforms.file_systems import FileSystems
from transforms.parquet import read_files
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse

# A refusal stands until its source is read again: then that run decides.
OPEN_SQL = """
SELECT q.run_date, q.stage, q.error_class, q.message, q.resource_type, q.position, s.uri
FROM quarantine q JOIN sources s
  ON q.source_id = s.source_id AND q.run_id = s.ingest_run
ORDER BY s.uri, q.position
"""


def open_refusals(warehouse: Warehouse) -> pl.DataFrame:
    """The refusals that stand: stage, uri, kind, one row each."""
    quarantine = pl.DataFrame(
        read_files(
            warehouse.paths("quarantine"),
            TABLES["quarantine"].schema,
            ["source_id", "run_id", "stage"],
        )
    )
    sources = pl.DataFrame(
        read_files(
            warehouse.paths("sources"),
            TABLES["sources"].schema,
            ["source_id", "ingest_run", "uri", "kind"],
        )
    )
    return quarantine.join(
        sources, left_on=["source_id", "run_id"], right_on=["source_id", "ingest_run"]
    ).select("stage", "uri", "kind")


def replay_inputs(warehouse: Warehouse) -> tuple[Inputs, list[str]]:
    """The sources of standing refusals as inputs, and those that are gone."""
    found: dict[str, set[str]] = {"fhir": set(), "dicom": set(), "pairs": set(), "counts": set()}
    gone = []
    for uri, kind in open_refusals(warehouse).select("uri", "kind").unique().sort("uri").rows():
        # Of an archive all members are read again; what did not change stays as it is.
        path = uri.split("!", 1)[0] if not _exists(uri) else uri
        if _exists(path):
            found[kind].add(path)
        else:
            gone.append(uri)
    inputs = Inputs(
        fhir=tuple(sorted(found["fhir"])),
        dicom=tuple(sorted(found["dicom"])),
        pairs=tuple(sorted(found["pairs"])),
        counts=tuple(sorted(found["counts"])),
    )
    return inputs, gone


def _exists(uri: str) -> bool:
    return FileSystems.exists(uri) if "://" in uri else os.path.exists(uri)
