import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.dicom import builders
from transforms.dicom.reading import PIXEL_TAGS
from transforms.dicom.scan import Scan, scan

TAGS = frozenset({0x00080018, 0x00100020, 0x00280010, 0x00280030})


def scanned(raw: bytes) -> Scan | None:
    return scan(io.BytesIO(raw), size=len(raw), tags=TAGS, stop_tags=PIXEL_TAGS)


def ct(syntax: str = ExplicitVRLittleEndian, **attributes: object) -> bytes:
    dataset = builders.image(
        stored=np.arange(6, dtype=np.uint16).reshape(2, 3), PixelSpacing=["1", "2"], **attributes
    )
    return builders.written(dataset=dataset, transfer_syntax_uid=syntax).getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_elements_are_those_of_pydicom(syntax: str) -> None:
    raw = ct(syntax)
    found = scanned(raw)
    assert found is not None
    reference = dcmread(io.BytesIO(raw), specific_tags=list(TAGS))
    assert {int(tag): element.value for tag, element in found.elements.items()} == {
        int(element.tag): element.value for element in reference.elements() if element.tag in TAGS
    }
    assert (found.stop, found.stop_length) == (0x7FE00010, 12)
    assert raw[found.stop_value :] == np.arange(6, dtype="<u2").tobytes()


def with_private_element(*, before: bytes) -> bytes:
    raw = ct()
    private = b"\x19\0\x10\x10UN\0\0" + (200_000).to_bytes(4, "little") + bytes(200_000)
    at = raw.index(before)
    return raw[:at] + private + raw[at:]


def test_a_header_longer_than_the_first_read() -> None:
    found = scanned(with_private_element(before=b"\x20\0\x0d\0UI"))
    assert found is not None
    assert found.elements[0x00280010].value == b"\2\0"


def test_tags_out_of_order_are_left_to_pydicom() -> None:
    assert scanned(with_private_element(before=b"\x28\0\x10\0US")) is None


@pytest.mark.parametrize(
    "raw",
    [
        ct(ExplicitVRBigEndian),
        ct()[:200],
        ct()[:-30],
        ct().replace(b"\x28\0\x10\0US", b"\x28\0\x10\0??"),
        ct().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"),
        bytes(128) + b"DICM",
    ],
)
def test_what_is_irregular_is_left_to_pydicom(raw: bytes) -> None:
    assert scanned(raw) is None
