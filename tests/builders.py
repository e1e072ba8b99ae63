"""Rows of the warehouse's tables with everything filled in that a test does not care about."""

import datetime
import json
from collections.abc import Iterable, Mapping

import polars as pl
import pyarrow as pa

from transforms.inference import Scoring
from transforms.prediction_rows import Predictions, Provenance
from transforms.registry import ModelVersion
from transforms.schemas import TABLES

_EVENT = {
    "bucket": 0,
    "subject_id": 1,
    "time": datetime.datetime(2024, 1, 1),
    "code": "LOINC//8480-6",
    "resource_type": "Observation",
    "resource_id": 1,
    "source_id": 1,
    "position": 0,
    "ingest_run": "run",
}
_IMAGE = {
    "bucket": 0,
    "subject_id": 1,
    "time": datetime.datetime(2024, 1, 1),
    "study_id": 1,
    "series_id": 1,
    "instance_id": 1,
    "match": "study",
    "has_pixels": True,
    "source_id": 1,
    "position": 0,
    "ingest_run": "run",
}

SCORING = Scoring(
    version=ModelVersion("m", "v", "/nowhere"),
    estimator="keras",
    features=pa.schema([("x", pa.float32())]),
    label=pa.field("y", pa.float32()),
    classes=(),
    config=None,
    to_predictions=lambda outputs, config: Predictions(score=outputs.values["y"]),
    provenance=Provenance("m", "v", "r", datetime.date(2024, 1, 1), "patient"),
)
"""A model that reads `x` and says the output `y`."""


def table_frame(table: str, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Rows -> a frame with the table's columns; what a row lacks is null."""
    schema = TABLES[table].schema
    nullable = pa.schema([(field.name, field.type) for field in schema])
    return pl.DataFrame(pa.Table.from_pylist(list(rows), schema=nullable))


def event_frame(rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Rows of `events`, with defaults."""
    return table_frame("events", [{**_EVENT, **row} for row in rows])


def image_frame(rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Rows of `images`, with defaults."""
    return table_frame("images", [{**_IMAGE, **row} for row in rows])


def patient(name: str, **fields: object) -> dict[str, object]:
    """A Patient with one identifier."""
    return {
        "resourceType": "Patient",
        "id": name,
        "gender": "female",
        "birthDate": "1960-05-04",
        "identifier": [{"system": "urn:mrn", "value": f"MRN-{name}"}],
        **fields,
    }


def observation(name: str, subject: str, value: float = 7.0, **fields: object) -> dict[str, object]:
    """A creatinine of `value` mg/dL."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2024-01-01T10:00:00Z",
        "valueQuantity": {"value": value, "unit": "mg/dL"},
        **fields,
    }


def bundle(*resources: dict[str, object], kind: str = "collection") -> dict[str, object]:
    """A Bundle of the resources, each under its own urn:uuid."""
    entries = [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def lines(*resources: dict[str, object]) -> bytes:
    """The resources as NDJSON."""
    return b"".join(json.dumps(resource).encode() + b"\n" for resource in resources)
