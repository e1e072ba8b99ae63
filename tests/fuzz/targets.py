"""What must hold for any bytes at all: each function reads them and raises if something does not.

A target fails by an AssertionError, or by whatever exception its reader lets out that is not in
the reader's docstring.
"""

import io
import json
from typing import Any

import msgspec
import numpy as np

from tests.transforms.fhir.builders import KEYS, check_account
from transforms.batches import rows_to_batch, shuffle_schema
from transforms.dicom.header import index_row
from transforms.dicom.pixels import read_frames
from transforms.dicom.reading import Skipped
from transforms.errors import InputError
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows
from transforms.link import UNMATCHED, pending_batch
from transforms.read_dicom import _MATCH, _SUBJECT

SOURCE_ID = 9
OFFSET = 1000
MAX_SAMPLES = 1 << 22
READER = FhirReader(KEYS)


def fhir_json(data: bytes) -> None:
    """One document: every resource counted once, positions in the data, rows fit their tables."""
    rows = FhirRows()
    READER.read_json(data, SOURCE_ID, rows)
    check_rows(rows, range(len(data) + 1), len(data))
    expected = resources_in(data)
    assert expected is None or rows.read.total() == expected, "a resource is not counted once"


def fhir_lines(data: bytes) -> None:
    """NDJSON: the same, for every line that is not blank."""
    rows = FhirRows()
    READER.read_lines(data, SOURCE_ID, OFFSET, rows)
    check_rows(rows, range(OFFSET, OFFSET + len(data) + 1), len(data))
    expected = [resources_in(line) for line in data.split(b"\n") if line and not line.isspace()]
    known = [number for number in expected if number is not None]
    total = rows.read.total()
    assert total >= sum(known), "a line is not counted"
    assert len(known) < len(expected) or total == sum(known), "a line is counted twice"


def dicom_header(data: bytes) -> None:
    """The row of a file, or one of the two refusals; the row fits its table."""
    try:
        found = index_row(io.BytesIO(data), keys=KEYS, source_id=SOURCE_ID, position=0)
    except (InputError, Skipped):
        return
    row = list(found.row)
    row.insert(_SUBJECT, None)
    row.insert(_MATCH, UNMATCHED)
    keys = [key for _, key in found.subject_keys]
    pending_batch("images", [(*row, keys, None, found.own_subject_id, None)])


def dicom_pixels(data: bytes) -> None:
    """Frames as promised, or one of the two refusals."""
    try:
        file = io.BytesIO(data)
        frames = read_frames(file, size=16, max_frames=2, max_samples=MAX_SAMPLES)
    except (InputError, Skipped):
        return
    assert frames.dtype == np.float32
    assert frames.shape[0] in (1, 2)
    assert frames.shape[1:] in ((16, 16, 1), (16, 16, 3))
    assert np.isfinite(frames).all()
    assert frames.min() >= 0
    assert frames.max() <= 1


def check_rows(rows: FhirRows, positions: range, size: int) -> None:
    """Accounts, positions, and that Arrow takes every row."""
    check_account(rows)
    for table in ("events", "links", "crosswalk", "deletions", "molecules", "quarantine"):
        found = getattr(rows, table)
        assert len(found) <= size + 1, "more rows than bytes"
        if found:
            rows_to_batch(found, shuffle_schema(table))
    if rows.pending:
        waiting = [(*row[:-3], row[-3], row[-2], None, row[-1]) for row in rows.pending]
        pending_batch("events", waiting)
    kept = sum(len(row[7]) for row in rows.quarantine)
    assert kept <= size, "the quarantine keeps more bytes than were read"
    waiting = sum(len(row[-1] or b"") for row in rows.pending)
    assert waiting <= size, "rows that wait keep more bytes than were read"
    found = {row[1] for row in rows.quarantine} | {row[13] for row in rows.events + rows.pending}
    assert all(position in positions for position in found), "a position beyond the data"


def resources_in(data: bytes) -> int | None:
    """How many resources a document holds, Bundles being none; None where it cannot be known.

    What is no JSON, or no Bundle, is one. Where a key stands twice, parsers differ.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        document = msgspec.json.decode(data)
        if b"ndle" in data or b"\\" in data:
            json.loads(data, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None if b"ndle" in data or b"\\" in data else 1
    return _count(document)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _count(document: Any) -> int:
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        return 1
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        return 1
    return sum(_count_entry(entry) for entry in entries)


def _count_entry(entry: Any) -> int:
    request = entry.get("request") if isinstance(entry, dict) else None
    is_delete = isinstance(request, dict) and request.get("method") == "DELETE"
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return 1 if is_delete and not isinstance(resource, dict) else _count(resource)


TARGETS = {
    target.__name__: target for target in (fhir_json, fhir_lines, dicom_header, dicom_pixels)
}
