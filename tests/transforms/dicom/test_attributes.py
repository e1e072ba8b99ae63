import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.dicom import builders
from transforms.dicom.attributes import first_item, numbers, tag_of, text
from transforms.dicom.reading import open_dataset


def raw(keyword: str, vr: str | None, value: bytes) -> Dataset:
    """Data set with one element as it is in a file."""
    tag = tag_of(keyword)
    return Dataset({tag: RawDataElement(tag, vr, len(value), value, 0, vr is None, True)})


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "expected"),
    [
        ("WindowCenter", "DS", b"40", [40.0]),
        ("WindowCenter", None, b" -4.5e1 \\600\0", [-45.0, 600.0]),
        ("WindowCenter", "DS", b"40\\", None),
        ("WindowCenter", "DS", b"forty ", None),
        ("WindowCenter", "DS", b"nan", None),
        ("WindowCenter", "DS", b"", None),
        ("Rows", "US", b"\x00\x02", [512.0]),
        ("Rows", None, b"\x00\x02", [512.0]),
        ("Rows", "US", b"\x00\x02\x01\x00", [512.0, 1.0]),
        ("PixelPaddingValue", "SS", b"\x30\xf8", [-2000.0]),
        ("NumberOfFrames", "IS", b"12", [12.0]),
        ("PixelAspectRatio", "IS", b"4\\3 ", [4.0, 3.0]),
        ("FloatPixelPaddingValue", "FL", b"\x00\x00\x80\x3f", [1.0]),
    ],
)
def test_numbers_as_they_are_in_the_file(
    keyword: str, vr: str | None, value: bytes, expected: list[float] | None
) -> None:
    assert numbers(raw(keyword, vr, value), keyword) == expected


def test_numbers_that_are_absent() -> None:
    assert numbers(Dataset(), "Rows") is None


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_every_encoding_gives_the_same(syntax: str) -> None:
    dataset = builders.image(
        stored=np.zeros((3, 258), np.uint8), PixelPaddingValue=5, WindowCenter=["1.5", "2"]
    )
    tags = [tag_of(keyword) for keyword in ("Columns", "PixelPaddingValue", "WindowCenter")]
    file = builders.written(dataset=dataset, transfer_syntax_uid=syntax)
    opened, _ = open_dataset(file, tags=tags, pixels=False)
    assert numbers(opened, "Columns") == [258.0]
    assert numbers(opened, "PixelPaddingValue") == [5.0]
    assert numbers(opened, "WindowCenter") == [1.5, 2.0]


def test_text_is_stripped_and_in_capitals() -> None:
    assert text(raw("VOILUTFunction", "CS", b"Sigmoid "), "VOILUTFunction") == "SIGMOID"
    assert text(raw("VOILUTFunction", "CS", b""), "VOILUTFunction") == ""
    assert text(Dataset(), "VOILUTFunction") == ""
    converted = Dataset()
    converted.VOILUTFunction = "LINEAR_EXACT"
    assert text(converted, "VOILUTFunction") == "LINEAR_EXACT"


def test_the_first_item_of_a_sequence() -> None:
    dataset, item = Dataset(), Dataset()
    item.Rows = 3
    dataset.VOILUTSequence = Sequence([item, Dataset()])
    found = first_item(dataset, "VOILUTSequence")
    assert found is not None
    assert numbers(found, "Rows") == [3.0]
    dataset.VOILUTSequence = Sequence([])
    assert first_item(dataset, "VOILUTSequence") is None
    assert first_item(dataset, "ModalityLUTSequence") is None
