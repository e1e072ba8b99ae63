from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.dicom import builders
from transforms.dicom.native import native_frames

NOISE = np.random.default_rng(0)


def plain(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    builders.written(dataset=dataset, transfer_syntax_uid=syntax)  # states the syntax
    dataset.set_original_encoding(syntax == ImplicitVRLittleEndian, True)
    return dataset


def noise(shape: tuple[int, ...], of_type: type[np.integer]) -> np.ndarray:
    limits = np.iinfo(of_type)
    return NOISE.integers(limits.min, limits.max, shape, of_type, endpoint=True)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("of_type", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize("unused", [0, 1, 4])
def test_the_same_values_as_from_pydicom(
    syntax: str, of_type: type[np.integer], unused: int
) -> None:
    stored = noise((3, 5, 7), of_type)
    bits = 8 * stored.dtype.itemsize - unused
    dataset = plain(builders.image(stored=stored, frames=3, bits_stored=bits), syntax)
    found = native_frames(dataset, [0, 2])
    assert found is not None
    frames, photometric = found
    for frame, expected in zip(frames, iter_pixels(dataset, indices=[0, 2]), strict=True):
        np.testing.assert_array_equal(frame, expected)
        assert frame.dtype == stored.dtype
    assert photometric == "MONOCHROME2"


@pytest.mark.parametrize("of_type", [np.uint16, np.int16])
def test_values_that_just_fit_their_bits_and_that_just_do_not(of_type: type[np.integer]) -> None:
    low, high = (-2048, 2047) if of_type is np.int16 else (0, 4095)
    for value, expected in ((low, low), (high, high), (high + 1, low)):
        dataset = builders.image(stored=np.full((2, 2), value, of_type), bits_stored=12)
        found = native_frames(plain(dataset), [0])
        assert found is not None
        np.testing.assert_array_equal(found[0][0], np.full((2, 2), expected))


def test_rgb_by_pixel() -> None:
    stored = noise((4, 6, 3), np.uint8)
    found = native_frames(plain(builders.image(stored=stored, photometric="RGB")), [0])
    assert found is not None
    np.testing.assert_array_equal(found[0][0], stored)


@pytest.mark.parametrize(
    ("attributes", "syntax"),
    [
        ({}, ExplicitVRBigEndian),
        ({"BitsAllocated": 24}, ExplicitVRLittleEndian),
        ({"BitsStored": 17}, ExplicitVRLittleEndian),
        ({"BitsStored": 0}, ExplicitVRLittleEndian),
        ({"PixelRepresentation": 2}, ExplicitVRLittleEndian),
        ({"SamplesPerPixel": 3}, ExplicitVRLittleEndian),
        ({"PhotometricInterpretation": "YBR_FULL"}, ExplicitVRLittleEndian),
        ({"Rows": 0}, ExplicitVRLittleEndian),
        ({"Rows": 5}, ExplicitVRLittleEndian),
    ],
)
def test_what_is_not_plain_is_left_to_pydicom(attributes: dict[str, Any], syntax: str) -> None:
    dataset = plain(builders.image(stored=np.zeros((4, 4), np.uint16)), syntax)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    assert native_frames(dataset, [0]) is None


def test_planes_of_colour_are_left_to_pydicom() -> None:
    dataset = builders.image(stored=np.zeros((4, 4, 3), np.uint8), photometric="RGB")
    dataset.PlanarConfiguration = 1
    assert native_frames(plain(dataset), [0]) is None


def test_a_frame_beyond_the_bytes_is_left_to_pydicom() -> None:
    dataset = plain(builders.image(stored=np.zeros((2, 4, 4), np.uint16), frames=2))
    assert native_frames(dataset, [0, 1]) is not None
    assert native_frames(dataset, [2]) is None
