"""A DICOM file -> frames ready for a model: float32 in [0, 1], one or three channels.

The grayscale pipeline in the Standard's order: stored value, modality LUT, VOI LUT or window,
then inversion. What the Standard leaves open is decided so:

- Without VOI LUT and window, a frame is stretched from its own lowest to its own highest value,
  so that a frame looks the same whichever others are read; a constant frame is 0.
- Of several windows the first is taken; a VOI LUT goes before a window.
- Pixel padding takes no part in the stretch and is 0, the background, after inversion too.
- One-bit images (segmentations) are 0 and 1 as stored.
- A supplemental palette (MONOCHROME2 with colours for some values) is shown as its gray.
- Means are taken of what is shown. For integers that is done without showing each: what lies
  beyond the window is cut off, means are taken, and the rest of the pipeline, which is linear,
  follows. A window that ends between two integers is cut at the next one outwards, so that a
  mean may be off by less than one stored step, at most 1/256.

Source: DICOM PS3.3 C.7.6.3 (Image Pixel), C.7.5.1.1.2 (padding), C.11; PS3.4 N.2 (pipeline;
its note 2 leaves open whether interpolation goes before or after the VOI LUT)
"""

import math
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from transforms.dicom.attributes import first_item, numbers, tag_of, text
from transforms.dicom.codecs import decoder_for
from transforms.dicom.luts import AS_IT_IS, COLOURS, Lut, Ramp, Rescale, modality, palette, voi
from transforms.dicom.native import native_frames
from transforms.dicom.reading import (
    PARSE_ERRORS,
    PIXEL_TAGS,
    open_dataset,
    refusing,
    transfer_syntax,
)
from transforms.dicom.resample import fit_square
from transforms.errors import InputError

MAX_SAMPLES = 2**28  # per frame: 1 GiB as float32

# What pydicom's decoders raise beyond its parser: RuntimeError when the plugin has failed.
DECODE_ERRORS = (*PARSE_ERRORS, RuntimeError, StopIteration)

_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SpecificCharacterSet"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue"),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "PresentationLUTShape"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in COLOURS),
    *(f"{colour}PaletteColorLookupTableData" for colour in COLOURS),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in COLOURS),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
)
_TAGS = frozenset(map(tag_of, _KEYWORDS)) | PIXEL_TAGS


def read_frames(
    file: BinaryIO, *, size: int | None, max_frames: int, max_samples: int = MAX_SAMPLES
) -> np.ndarray:
    """Open DICOM file -> float32 (frames, height, width, 1 or 3) in [0, 1].

    As `display_frames`, for a file that is open in binary and can seek.

    Raises: Skipped, when the bytes are not DICOM; InputError, when there are no pixels, or they
    cannot be read; ValueError, for unusable arguments; OSError, when the machine failed.
    """
    _check_arguments(size, max_frames)
    dataset, has_pixels = open_dataset(file, tags=_TAGS, pixels=True)
    if not has_pixels:
        raise InputError("no pixel data")
    return display_frames(dataset, size=size, max_frames=max_frames, max_samples=max_samples)


def display_frames(
    dataset: Dataset, *, size: int | None, max_frames: int, max_samples: int = MAX_SAMPLES
) -> np.ndarray:
    """DICOM data set -> float32 (frames, height, width, 1 or 3) in [0, 1].

    Of more than `max_frames` frames, that many are taken evenly, each from the middle of its
    share, and only they are decoded. With `size` they are resampled to a square of that side,
    padded so that the body keeps its proportions (PixelSpacing, else ImagerPixelSpacing, else
    PixelAspectRatio); without it they stay as they are. A frame of more than `max_samples`
    samples is refused before it is decoded.

    Raises: InputError, when pixels are missing, damaged, too large or of no known form;
    ValueError, for unusable arguments.
    """
    _check_arguments(size, max_frames)
    with refusing("pixel description cannot be read"):
        count, samples = _frame_count(dataset), _samples_per_frame(dataset)
        aspect = _pixel_aspect(dataset)
    if samples > max_samples:
        raise InputError(f"a frame has {samples} samples, more than {max_samples}")
    frames = []
    indices = sample_indices(count, max_frames)
    # Float pixels may hold infinities and overflow; what comes of them is background.
    quiet_numbers = np.errstate(over="ignore", invalid="ignore")
    with refusing("pixel data cannot be decoded", DECODE_ERRORS), quiet_numbers:
        for index, (stored, photometric) in zip(indices, _decode(dataset, indices), strict=True):
            image, ramp = _display(stored, photometric, dataset, index)
            frames.append(
                ramp.apply(image).astype(np.float32, copy=False)
                if size is None
                else fit_square(image, ramp, size=size, aspect=aspect)
            )
    return np.stack(frames) if len(frames) > 1 else frames[0][np.newaxis]  # one needs no copy


def decode_stored(file: BinaryIO) -> tuple[np.ndarray, str]:
    """Open DICOM file -> (stored values of its first frame, photometric interpretation).

    Shape (height, width) or (height, width, 3), as decoded and before any LUT; YBR is RGB.

    Raises: as `read_frames`.
    """
    dataset, has_pixels = open_dataset(file, tags=_TAGS, pixels=True)
    if not has_pixels:
        raise InputError("no pixel data")
    with refusing("pixel data cannot be decoded", DECODE_ERRORS):
        return next(_decode(dataset, [0]))


def sample_indices(count: int, max_frames: int) -> list[int]:
    """Frames to take out of `count`: all, or the middle of each of `max_frames` equal shares.

    >>> sample_indices(3, 8), sample_indices(100, 4), sample_indices(9, 1)
    ([0, 1, 2], [12, 37, 62, 87], [4])
    """
    if count <= max_frames:
        return list(range(count))
    return [(2 * share + 1) * count // (2 * max_frames) for share in range(max_frames)]


def _check_arguments(size: int | None, max_frames: int) -> None:
    if size is not None and size < 1:
        raise ValueError(f"size {size} is below 1")
    if max_frames < 1:
        raise ValueError(f"max_frames {max_frames} is below 1")


def _frame_count(dataset: Dataset) -> int:
    stated = numbers(dataset, "NumberOfFrames")
    return max(1, int(stated[0])) if stated else 1


def _samples_per_frame(dataset: Dataset) -> int:
    sides = [numbers(dataset, keyword) for keyword in ("Rows", "Columns", "SamplesPerPixel")]
    if None in sides:
        raise InputError("Rows, Columns or SamplesPerPixel is missing")
    rows, columns, samples = (int(side[0]) for side in sides if side)
    return rows * columns * samples


def _pixel_aspect(dataset: Dataset) -> float:
    """Height of a pixel over its width; 1, where nothing is stated.

    Source: PS3.3 10.7.1.3 (spacing: between rows, then between columns), C.7.6.3.1.7
    """
    measures = _macro(dataset, 0, "PixelMeasuresSequence")
    for item, keyword in (
        (measures, "PixelSpacing"),
        (dataset, "ImagerPixelSpacing"),
        (dataset, "PixelAspectRatio"),
    ):
        pair = numbers(item, keyword)
        if pair is not None and len(pair) == 2 and min(pair) > 0:
            return pair[0] / pair[1]
    return 1.0


def _macro(dataset: Dataset, index: int, sequence: str) -> Dataset:
    """Item of a functional group: the frame's own, else what all share, else the data set.

    Source: PS3.3 C.7.6.16
    """
    per_frame, shared = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
    groups: list[Dataset | None] = []
    if tag_of(per_frame) in dataset:
        groups += (dataset[tag_of(per_frame)].value or ())[index : index + 1]
    groups.append(first_item(dataset, shared))
    for group in groups:
        item = None if group is None else first_item(group, sequence)
        if item is not None:
            return item
    return dataset


def _decode(dataset: Dataset, indices: list[int]) -> Iterator[tuple[np.ndarray, str]]:
    """Decoded frames as stored, with their photometric interpretation after decoding."""
    native = native_frames(dataset, indices)
    if native is not None:
        for stored in native[0]:
            yield stored, native[1]
        return
    decoder, plugin = decoder_for(transfer_syntax(dataset))
    options: dict[str, bool] = {"allow_excess_frames": False}
    if decoder.is_native:
        options["view_only"] = True  # nothing is written to the stored values, so no copy
    frames = decoder.iter_array(dataset, indices=indices, decoding_plugin=plugin, **options)
    for stored, properties in frames:
        yield stored, str(properties["photometric_interpretation"])


def _display(
    stored: np.ndarray, photometric: str, dataset: Dataset, index: int
) -> tuple[np.ndarray, Ramp]:
    """One decoded frame -> (image (height, width, 1 or 3), the ramp that shows it).

    The image is float32, or integers of at most 16 bits: they are resampled as they are, which
    takes far less time, and shown afterwards.
    """
    if photometric in ("MONOCHROME1", "MONOCHROME2") and stored.ndim == 2:
        image, ramp = _display_gray(stored, photometric, dataset, index)
        return image[..., np.newaxis], ramp
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        return palette(dataset).colour(stored), Ramp(0, 255)
    if photometric == "RGB" and stored.ndim == 3:
        bits = min(int(dataset.BitsStored), 8 * stored.dtype.itemsize)
        return _resamplable(stored, Ramp(0, 2**bits - 1), None, has_beyond=False)
    raise InputError("photometric interpretation without a rule")


def _display_gray(
    stored: np.ndarray, photometric: str, dataset: Dataset, index: int
) -> tuple[np.ndarray, Ramp]:
    """One decoded frame -> (image (height, width), the ramp that shows it)."""
    background = _padding(stored, dataset)
    values, ramp, has_beyond = stored, AS_IT_IS, False
    if numbers(dataset, "BitsAllocated") != [1]:
        rescale = modality(_macro(dataset, index, "PixelValueTransformationSequence"))
        if isinstance(rescale, Lut):
            values, rescale = rescale.apply(stored), Rescale()
        found = voi(values, rescale, _macro(dataset, index, "FrameVOILUTSequence"))
        values, ramp = _stretch(values, rescale, background) if found is None else found
        has_beyond = found is not None
    if photometric == "MONOCHROME1" or text(dataset, "PresentationLUTShape") == "INVERSE":
        ramp = ramp.inverted()
    return _resamplable(values, ramp, background, has_beyond=has_beyond)


def _resamplable(
    values: np.ndarray, ramp: Ramp, background: np.ndarray | None, *, has_beyond: bool
) -> tuple[np.ndarray, Ramp]:
    """Values and the ramp that shows them -> the same as `fit_square` takes them: integers of
    at most 16 bits where that shows the same, else what is shown, in float32.

    The background becomes black. Values beyond the ends of the ramp, if there are, are cut off
    now, so that they do not spread into their neighbours.
    """
    black = 0
    if ramp.suits_means_of(values) and (background is None or _holds(values, ramp.darkest())):
        black = ramp.darkest()
        values = ramp.cut(values) if has_beyond else values
    else:
        values, ramp = ramp.apply(values).astype(np.float32, copy=False), AS_IT_IS
    if background is not None:
        values = values.copy()
        np.copyto(values, black, where=background)
    return values, ramp


def _holds(values: np.ndarray, number: int) -> bool:
    limits = np.iinfo(values.dtype)
    return bool(limits.min <= number <= limits.max)


def _stretch(
    values: np.ndarray, rescale: Rescale, background: np.ndarray | None
) -> tuple[np.ndarray, Ramp]:
    """Values before `rescale` -> (values of the same shape, the ramp that shows them) from the
    lowest to the highest that is no background.
    """
    seen = values if background is None else values[~background]
    low, high = (seen.min(), seen.max()) if seen.size else (0, 0)
    if not high > low:
        return np.zeros_like(values), AS_IT_IS
    span = float(high) - float(low)
    if not math.isfinite(span):
        raise InputError("pixel values span more than a float64 holds")
    ramp = Ramp(float(low), span)
    return values, ramp if rescale.slope > 0 else ramp.inverted()


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray | None:
    """Mask of pixels that are padding or no number; None, when there are none.

    Source: PS3.3 C.7.5.1.1.2
    """
    if stored.dtype.kind == "f":
        mask = ~np.isfinite(stored)
        for keyword in ("FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue"):
            value = numbers(dataset, keyword)
            if value is not None:
                mask |= stored == stored.dtype.type(value[0])
        return mask if mask.any() else None
    value, limit = (numbers(dataset, f"PixelPadding{end}") for end in ("Value", "RangeLimit"))
    if value is None:
        return None
    ends = sorted(_as_stored(end[0], stored, dataset) for end in (value, limit or value))
    mask = (stored >= ends[0]) & (stored <= ends[1]) if ends[0] < ends[1] else stored == ends[0]
    return mask if mask.any() else None


def _as_stored(value: float, stored: np.ndarray, dataset: Dataset) -> int:
    """A padding value as pixels of its kind hold it: its VR may be the other sign's, and bits
    above BitsStored do not count (PS3.5 8.1.1).
    """
    bits = min(int(dataset.BitsStored), 8 * stored.dtype.itemsize)
    low_bits = int(value) & (2**bits - 1)
    return low_bits - 2**bits if stored.dtype.kind == "i" and low_bits >> (bits - 1) else low_bits
