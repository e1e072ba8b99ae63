"""The targets of the long runs, on a few hundred inputs made here."""

import io
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ImplicitVRLittleEndian

from tests.fuzz import mutate
from tests.fuzz.targets import (
    OFFSET,
    check_rows,
    dicom_header,
    dicom_pixels,
    fhir_json,
    fhir_lines,
)
from tests.transforms.dicom import builders as dicom
from tests.transforms.fhir import builders as fhir
from transforms.dicom.pixels import read_frames
from transforms.fhir.reader import FhirReader
from transforms.fhir.rows import FhirRows

# The first resource of the sample imports its R4B class, which takes long once.
quick = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))


def note(resource_id: str, content_type: str, data: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": resource_id,
        "status": "current",
        "subject": fhir.PATIENT,
        "date": "2020-03-01T08:00:00Z",
        "content": [{"attachment": {"contentType": content_type, "data": data}}],
    }


RESOURCES = [
    fhir.patient(identifier=[{"system": "s", "value": "1"}], birthDate="1950-02-03"),
    fhir.encounter(),
    fhir.condition(),
    fhir.observation(subject={"reference": "Patient?identifier=s|2"}),
    fhir.observation(component=[{"code": {"text": "c"}, "valueString": "v"}] * 2, id="o2"),
    fhir.procedure(),
    fhir.medication(),
    fhir.medication_request(),
    note("n1", "text/html", "PGRpdj5hPC9kaXY+"),
    note("n2", "text/rtf", "e1xydGYxIGF9"),
    {"resourceType": "Claim", "id": "x", "status": "active"},
]
BUNDLE = fhir.bundle(*RESOURCES)
BUNDLE["entry"].append({"request": {"method": "DELETE", "url": "Patient/p9"}})
BUNDLE["entry"].append({"resource": fhir.bundle(*RESOURCES[:2])})
DOCUMENTS = [json.dumps(BUNDLE).encode(), *(json.dumps(one).encode() for one in RESOURCES)]
LINES = b"\n".join(DOCUMENTS[::-1])

RAMP = np.arange(64, dtype=np.uint16).reshape(8, 8)
FILES = [
    dicom.written(dataset=dicom.image(stored=RAMP, WindowCenter=30, WindowWidth=20)).getvalue(),
    dicom.written(
        dataset=dicom.image(stored=np.stack([RAMP] * 3), frames=3),
        transfer_syntax_uid=ImplicitVRLittleEndian,
    ).getvalue(),
    dicom.written(
        dataset=dicom.image(stored=np.zeros((4, 4, 3), np.uint8), photometric="RGB")
    ).getvalue(),
    dicom.rle(stored=np.stack([RAMP] * 2), frames=2).getvalue(),
    dicom.jpeg2000(stored=RAMP.repeat(8, 0).repeat(8, 1), bits_stored=8).getvalue(),
]


@quick
@given(st.sampled_from(DOCUMENTS), st.integers(0, 2**32))
def test_a_changed_document_is_counted(document: bytes, seed: int) -> None:
    fhir_json(mutate.fhir(document, random.Random(seed)))  # noqa: S311


@quick
@given(st.integers(0, 2**32))
def test_changed_lines_are_counted(seed: int) -> None:
    fhir_lines(mutate.fhir(LINES, random.Random(seed)))  # noqa: S311


@quick
@given(st.binary(max_size=200), st.sampled_from([b"", b"{", b'{"resourceType":"Bundle","entry":[']))
def test_any_bytes_are_counted(data: bytes, start: bytes) -> None:
    fhir_json(start + data)
    fhir_lines(start + data)


@quick
@given(st.sampled_from(FILES), st.integers(0, 2**32))
def test_a_changed_file_is_read_or_refused(file: bytes, seed: int) -> None:
    changed = mutate.dicom(file, random.Random(seed))  # noqa: S311
    dicom_header(changed)
    dicom_pixels(changed)


@quick
@given(st.binary(max_size=300))
def test_any_bytes_after_the_prefix_are_read_or_refused(data: bytes) -> None:
    dicom_header(bytes(128) + b"DICM" + data)
    dicom_pixels(bytes(128) + b"DICM" + data)


@pytest.mark.parametrize("depth", [10, 450, 600, 5000])
def test_sequences_within_sequences_are_read_or_refused(depth: int) -> None:
    opened = b"\x08\0\x05\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    for end in (b"", closed * depth):
        # Before the UIDs, so that these are not reached without stepping over the sequences.
        file = FILES[0].replace(b"\x08\0\x60\0CS", opened * depth + end + b"\x08\0\x60\0CS", 1)
        assert file != FILES[0]
        dicom_header(file)
        dicom_pixels(file)


@pytest.mark.parametrize("wrong", ["position", "quarantine", "waiting", "account"])
def test_the_targets_can_fail(wrong: str) -> None:
    rows, data = FhirRows(), DOCUMENTS[4] + b"\n{}"
    FhirReader(fhir.KEYS).read_lines(data, 9, OFFSET, rows)
    check_rows(rows, range(OFFSET, OFFSET + len(data)), len(data))
    size = len(data)
    match wrong:
        case "position":
            rows.quarantine[0] = (9, OFFSET - 1, *rows.quarantine[0][2:])
        case "quarantine":
            rows.quarantine[0] = (*rows.quarantine[0][:7], b"x" * (size + 1))
        case "waiting":
            rows.pending[0] = (*rows.pending[0][:-1], b"x" * (size + 1))
        case "account":
            rows.read["?"] += 1
    with pytest.raises(AssertionError):
        check_rows(rows, range(OFFSET, OFFSET + size), size)


def test_the_files_are_read_as_they_are() -> None:
    """Else the properties above would hold for files that are all refused."""
    for file in FILES:
        assert read_frames(io.BytesIO(file), size=8, max_frames=1).shape[:3] == (1, 8, 8)
