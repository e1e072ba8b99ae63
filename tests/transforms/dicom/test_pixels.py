import io
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from tests.transforms.dicom import builders
from transforms.dicom.pixels import display_frames, read_frames, sample_indices
from transforms.errors import InputError


def shown(dataset: Dataset, **writing: Any) -> np.ndarray:
    file = builders.written(dataset=dataset, **writing)
    return read_frames(file, size=None, max_frames=8)


def gray(stored: np.ndarray, **attributes: Any) -> np.ndarray:
    frames = shown(builders.image(stored=stored, **attributes))
    assert frames.dtype == np.float32
    assert frames.shape == (1, *stored.shape, 1)
    return frames[0, ..., 0]


def lut_item(*, first: int, values: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    return item


SIGNED = np.array([[-1024, -160, 40], [39, 240, 3071]], np.int16)


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ],
)
def test_signed_12_bit_with_rescale_and_window(syntax: str) -> None:
    """Stored = (HU + 1024) / 2 - 512, 12 bits signed; window 40/400 after rescale."""
    stored = ((SIGNED + 1024) // 2 - 512).astype(np.int16)
    big = syntax == ExplicitVRBigEndian
    dataset = builders.image(
        stored=stored.astype(">i2") if big else stored,
        bits_stored=12,
        RescaleSlope="2",
        RescaleIntercept="0",
        WindowCenter="40",
        WindowWidth="400",
    )
    frames = shown(dataset, transfer_syntax_uid=syntax)
    values = stored * 2.0
    expected = np.clip((values - 39.5) / 399 + 0.5, 0, 1)
    np.testing.assert_allclose(frames[0, ..., 0], expected, atol=1e-6)


def test_bits_above_bits_stored_do_not_count() -> None:
    clean = np.array([[0, 1000, 4095]], np.uint16)
    found = gray(clean | 0xA000, bits_stored=12)
    np.testing.assert_allclose(found, clean / 4095, atol=1e-6)


def test_monochrome1_is_inverted() -> None:
    stored = np.array([[0, 64, 255]], np.uint8)
    found = gray(stored, photometric="MONOCHROME1")
    np.testing.assert_allclose(found, 1 - stored / 255, atol=1e-6)


def test_an_inverse_presentation_is_inverted_once() -> None:
    stored = np.array([[0, 64, 255]], np.uint8)
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        found = gray(stored, photometric=photometric, PresentationLUTShape="INVERSE")
        np.testing.assert_allclose(found, 1 - stored / 255, atol=1e-6)


def test_without_window_a_frame_is_stretched() -> None:
    found = gray(np.array([[100, 150, 300]], np.uint16))
    np.testing.assert_allclose(found, [[0, 0.25, 1]], atol=1e-6)


def test_a_negative_slope_turns_the_stretch_round() -> None:
    found = gray(np.array([[100, 150, 300]], np.uint16), RescaleSlope="-1", RescaleIntercept="0")
    np.testing.assert_allclose(found, [[1, 0.75, 0]], atol=1e-6)


def test_a_constant_frame_is_black() -> None:
    np.testing.assert_array_equal(gray(np.full((2, 2), 7, np.uint8)), np.zeros((2, 2)))


def test_an_unreadable_window_gives_way_to_the_stretch() -> None:
    found = gray(np.array([[0, 1, 4]], np.uint8), WindowCenter="5", WindowWidth="0")
    np.testing.assert_allclose(found, [[0, 0.25, 1]], atol=1e-6)


def test_modality_lut_then_voi_lut() -> None:
    found = gray(
        np.array([[0, 1, 2, 9]], np.uint8),
        ModalityLUTSequence=Sequence([lut_item(first=0, values=[10, 11, 12], bits=16)]),
        VOILUTSequence=Sequence([lut_item(first=10, values=[0, 51, 255], bits=8)]),
    )
    np.testing.assert_allclose(found, [[0, 0.2, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_takes_no_part_and_is_background(photometric: str) -> None:
    found = gray(
        np.array([[-2000, 0, 50, 100]], np.int16),
        photometric=photometric,
        PixelPaddingValue=-2000,
    )
    expected = [0, 0, 0.5, 1] if photometric == "MONOCHROME2" else [0, 1, 0.5, 0]
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def halved(columns: list[int], **attributes: Any) -> np.ndarray:
    """Two alternating columns of stored values, averaged into one."""
    stored = np.tile(np.array(columns, np.int16), (8, 4))
    file = builders.written(dataset=builders.image(stored=stored, **attributes))
    return read_frames(file, size=4, max_frames=1)


@pytest.mark.parametrize(("center", "width"), [("300", "600"), ("20", "40"), ("20.25", "39.5")])
def test_what_the_window_cuts_off_does_not_spread(center: str, width: str) -> None:
    window = {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": "LINEAR_EXACT"}
    np.testing.assert_allclose(halved([-3000, 1000], **window), 0.5, atol=0.001)


def test_a_window_between_whole_numbers_is_a_step_of_1_256_off_at_most() -> None:
    window = {"WindowCenter": "128.5", "WindowWidth": "256", "VOILUTFunction": "LINEAR_EXACT"}
    np.testing.assert_allclose(halved([-3000, 1000], **window), 0.5, atol=1 / 256)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("center", "width"), [("300", "600"), ("20.25", "39.5")])
def test_padding_is_black_before_it_is_averaged(photometric: str, center: str, width: str) -> None:
    window = {"WindowCenter": center, "WindowWidth": width, "VOILUTFunction": "LINEAR_EXACT"}
    white = 1000 if photometric == "MONOCHROME2" else -1000
    columns = [2000, white]  # as a value, 2000 would be white or black
    found = halved(columns, photometric=photometric, PixelPaddingValue=2000, **window)
    np.testing.assert_allclose(found, 0.5, atol=0.001)


def test_padding_where_no_stored_value_is_black() -> None:
    """An unsigned image whose window begins below 0."""
    stored = np.array([[0, 100, 200, 255]], np.uint8)
    found = gray(stored, WindowCenter="100", WindowWidth="400", PixelPaddingValue=255)
    np.testing.assert_allclose(
        found, [[0.5 + (x - 99.5) / 399 for x in (0, 100, 200)] + [0]], atol=1e-6
    )


def test_padding_range() -> None:
    found = gray(
        np.array([[0, 3, 5, 6, 8]], np.uint16), PixelPaddingValue=5, PixelPaddingRangeLimit=0
    )
    np.testing.assert_allclose(found, [[0, 0, 0, 0, 1]], atol=1e-6)


def test_padding_written_with_the_other_sign() -> None:
    dataset = builders.image(stored=np.array([[-2000, 0, 100]], np.int16))
    dataset.add_new(0x00280120, "US", 63536)
    np.testing.assert_allclose(shown(dataset)[0, ..., 0], [[0, 0, 1]], atol=1e-6)


def test_float_pixels() -> None:
    stored = np.array([[0.0, 0.5, 2.0, np.nan]], np.float32)
    np.testing.assert_allclose(gray(stored), [[0, 0.25, 1, 0]], atol=1e-6)


def test_float_pixels_of_any_size_stay_finite() -> None:
    for stored in ([[0.0, np.inf, 1.0]], [[-3e38, 0.0, 3e38]], [[0.0, 1e-45, 0.0]]):
        found = gray(np.array(stored, np.float32))
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_values_further_apart_than_a_float_are_refused() -> None:
    dataset = builders.image(stored=np.zeros((1, 2), np.float32), BitsAllocated=64)
    del dataset.FloatPixelData
    dataset.DoubleFloatPixelData = np.array([-1.7e308, 1.7e308]).tobytes()
    with pytest.raises(InputError, match="span more than"):
        shown(dataset)


def test_one_bit_is_shown_as_stored() -> None:
    dataset = builders.image(stored=np.zeros((1, 8), np.uint8), SegmentationType="BINARY")
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelData = bytes([0b10110001, 0])
    np.testing.assert_array_equal(shown(dataset)[0, 0, :, 0], [1, 0, 0, 0, 1, 1, 0, 1])


def palette_image(*, descriptor: list[int], tables: list[bytes], **attributes: Any) -> Dataset:
    dataset = builders.image(
        stored=np.array([[0, 1, 2, 3]], np.uint8), photometric="PALETTE COLOR", **attributes
    )
    for offset, table in enumerate(tables):
        dataset.add_new(0x00281101 + offset, "US", descriptor)
        dataset.add_new(0x00281201 + offset, "OW", table)
    return dataset


def test_palette_of_16_bits() -> None:
    red, green, blue = np.array([[0, 65535], [13107, 0], [0, 200]], "<u2")
    tables = [red.tobytes(), green.tobytes(), blue.tobytes()]
    frames = shown(palette_image(descriptor=[2, 1, 16], tables=tables))
    low, high = [0, 0.2, 0], [1, 0, 1 / 255]  # 200 of 65535, rounded to 8 bits
    np.testing.assert_allclose(frames[0, 0], [low, low, high, high], atol=1e-5)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_palette_of_8_bits(syntax: str) -> None:
    tables = [bytes([0, 51, 102, 255]), bytes(4), bytes([255, 0, 0, 0])]
    if syntax == ExplicitVRBigEndian:  # two entries to a 16-bit word, whose bytes are swapped
        tables = [np.frombuffer(table, "<u2").astype(">u2").tobytes() for table in tables]
    dataset = palette_image(descriptor=[4, 0, 8], tables=tables)
    dataset["PixelData"].VR = "OB"
    frames = shown(dataset, transfer_syntax_uid=syntax)
    expected = [[0, 0, 1], [0.2, 0, 0], [0.4, 0, 0], [1, 0, 0]]
    np.testing.assert_allclose(frames[0, 0], expected, atol=1e-6)


def test_ybr_full_becomes_rgb() -> None:
    ybr = np.array([[[76, 85, 255], [150, 44, 21], [128, 128, 128]]], np.uint8)
    frames = shown(builders.image(stored=ybr, photometric="YBR_FULL"))
    y, cb, cr = (ybr[..., channel].astype(float) for channel in range(3))
    rgb = np.stack(  # PS3.3 C.7.6.3.1.2
        [
            y + 1.402 * (cr - 128),
            y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128),
            y + 1.772 * (cb - 128),
        ],
        axis=-1,
    )
    np.testing.assert_allclose(frames[0], np.clip(rgb, 0, 255) / 255, atol=1.1 / 255)


def test_rgb_of_16_bits() -> None:
    rgb = np.array([[[0, 1023, 511]]], np.uint16)
    frames = shown(builders.image(stored=rgb, photometric="RGB", bits_stored=10))
    np.testing.assert_allclose(frames[0, 0, 0], [0, 1, 511 / 1023], atol=1e-6)


def test_rle_frames() -> None:
    stored = np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8)
    frames = read_frames(builders.rle(stored=stored, frames=2), size=None, max_frames=8)
    np.testing.assert_allclose(frames[1, ..., 0], (stored[1] - 64) / 63, atol=1e-6)


def test_jpeg2000_lossless_of_12_bits() -> None:
    stored = np.linspace(0, 4095, 64 * 64).astype(np.uint16).reshape(64, 64)
    file = builders.jpeg2000(stored=stored, bits_stored=12, WindowCenter="2048", WindowWidth="4096")
    frames = read_frames(file, size=None, max_frames=1)
    np.testing.assert_allclose(frames[0, ..., 0], stored / 4095, atol=1e-5)


def test_frames_are_sampled_evenly() -> None:
    stored = np.zeros((100, 2, 2), np.uint8)
    stored[:, 0, 0], stored[:, 1, 1] = np.arange(100), 255
    dataset = builders.image(stored=stored, frames=100)
    frames = read_frames(builders.written(dataset=dataset), size=None, max_frames=4)
    np.testing.assert_allclose(frames[:, 0, 0, 0], np.array([12, 37, 62, 87]) / 255, atol=1e-6)
    assert sample_indices(100, 4) == [12, 37, 62, 87]


def test_frames_beyond_the_stated_number_are_left_out() -> None:
    dataset = builders.image(stored=np.zeros((3, 2, 2), np.uint8), frames=2)
    assert shown(dataset).shape == (2, 2, 2, 1)


def test_every_frame_of_an_enhanced_object_has_its_own_rescale_and_window() -> None:
    def group(slope: str, center: str) -> Dataset:
        rescale, window, found = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, "0"
        window.WindowCenter, window.WindowWidth = center, "10"
        window.VOILUTFunction = "LINEAR_EXACT"
        found.PixelValueTransformationSequence = Sequence([rescale])
        found.FrameVOILUTSequence = Sequence([window])
        return found

    dataset = builders.image(
        stored=np.full((2, 1, 2), 5, np.uint8),
        frames=2,
        PerFrameFunctionalGroupsSequence=Sequence([group("1", "5"), group("2", "12")]),
    )
    np.testing.assert_allclose(shown(dataset)[:, 0, 0, 0], [0.5, 0.3], atol=1e-6)


def test_a_rescale_that_all_frames_share() -> None:
    rescale, shared = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = "10", "-5"
    shared.PixelValueTransformationSequence = Sequence([rescale])
    dataset = builders.image(
        stored=np.array([[[1, 2]]], np.uint8),
        frames=1,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        WindowCenter="10",
        WindowWidth="20",
        VOILUTFunction="LINEAR_EXACT",
    )
    np.testing.assert_allclose(shown(dataset)[0, 0, :, 0], [0.25, 0.75], atol=1e-6)


@pytest.mark.parametrize(
    "spacing",
    [
        {"PixelSpacing": ["2", "1"]},
        {"ImagerPixelSpacing": ["2", "1"]},
        {"PixelAspectRatio": ["2", "1"]},
    ],
)
def test_tall_pixels_are_drawn_tall(spacing: dict[str, list[str]]) -> None:
    stored = np.tile(np.array([0, 255], np.uint8), (10, 20))  # 10 high, 40 wide: 20 x 40 mm
    frames = read_frames(
        builders.written(dataset=builders.image(stored=stored, **spacing)), size=8, max_frames=1
    )
    assert frames.shape == (1, 8, 8, 1)
    filled = frames[0, ..., 0].max(axis=1) > 0
    np.testing.assert_array_equal(filled, [False] * 2 + [True] * 4 + [False] * 2)


def test_a_frame_that_is_too_large_is_refused_before_decoding() -> None:
    dataset = builders.image(stored=np.zeros((2, 2), np.uint8))
    dataset.Rows, dataset.Columns = 60000, 60000
    with pytest.raises(InputError, match="3600000000 samples, more than 268435456"):
        read_frames(builders.written(dataset=dataset), size=8, max_frames=1)


def test_too_few_pixel_bytes_are_refused() -> None:
    dataset = builders.image(stored=np.zeros((4, 4), np.uint16))
    dataset.Rows = 5
    with pytest.raises(InputError, match="pixel data cannot be decoded: ValueError"):
        read_frames(builders.written(dataset=dataset), size=8, max_frames=1)


def test_a_code_stream_of_another_size_is_refused() -> None:
    file = builders.jpeg2000(stored=np.zeros((64, 64), np.uint8), bits_stored=8)
    raw = file.getvalue().replace(b"\x28\0\x10\0US\2\0\x40\0", b"\x28\0\x10\0US\2\0\x41\0")
    with pytest.raises(InputError, match="pixel data cannot be decoded"):
        read_frames(io.BytesIO(raw), size=8, max_frames=1)


def test_an_unknown_transfer_syntax_is_refused() -> None:
    raw = builders.jpeg2000(stored=np.zeros((64, 64), np.uint8), bits_stored=8).getvalue()
    with pytest.raises(InputError, match="transfer syntax without a decoder"):
        read_frames(
            io.BytesIO(raw.replace(b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.53")),
            size=8,
            max_frames=1,
        )


def test_an_object_without_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="no pixel data"):
        read_frames(builders.written(dataset=builders.header()), size=8, max_frames=1)


def test_an_unknown_colour_model_is_refused() -> None:
    stored = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(InputError, match="photometric"):
        shown(builders.image(stored=stored, photometric="HSV"))


@pytest.mark.parametrize(("size", "max_frames"), [(0, 1), (8, 0)])
def test_unusable_arguments(size: int, max_frames: int) -> None:
    with pytest.raises(ValueError, match="is below 1"):
        display_frames(builders.header(), size=size, max_frames=max_frames)


def segmented_image(words: list[int]) -> Dataset:
    """Four pixels 0 to 3, shown by the same segments in every colour."""
    dataset = palette_image(descriptor=[4, 0, 16], tables=[])
    for offset in range(3):
        dataset.add_new(0x00281101 + offset, "US", [4, 0, 16])
        dataset.add_new(0x00281221 + offset, "OW", np.array(words, "<u2").tobytes())
    return dataset


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([0, 1, 0, 1, 3, 65535], [0, 1 / 3, 2 / 3, 1]),
        # Two entries, then once more the first segment, by its offset.
        ([0, 2, 0, 65535, 2, 1, 0, 0], [0, 1, 0, 1]),
    ],
)
def test_segmented_palette(words: list[int], expected: list[float]) -> None:
    frames = shown(segmented_image(words))
    np.testing.assert_allclose(frames[0, 0, :, 0], expected, atol=1 / 255)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([0, 1, 0, *[1, 65535, 9] * 2000], "palette of more than 131072 entries"),
        ([0, 1, 0, 1, 65000, 9, *[2, 2, 0, 0] * 2000], "palette of more than 131072 entries"),
        ([0, 1, 0, *[2, 65535, 0, 0] * 2], "indirect within indirect"),
        ([0, 1, 0, 7, 1, 1], "unknown kind"),
        ([0, 1, 0, 2, 1], "cannot be decoded"),
    ],
)
def test_segments_that_would_fill_the_memory_are_refused(words: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shown(segmented_image(words))
