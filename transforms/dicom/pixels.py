"""A DICOM file -> frames ready for a model: float32 in [0, 1], one or three channels.

The grayscale pipeline in the Standard's order: stored value, modality LUT, VOI LUT or window,
then inversion. What the Standard leaves open is decided so:

- Without VOI LUT and window, a frame is stretched from its own lowest to its own highest value,
  so that a frame looks the same whichever others are read; a constant frame is 0.
- Of several windows the first is taken; a VOI LUT goes before a window.
- Pixel padding takes no part in the stretch and is 0, the background, after inversion too.
- One-bit images (segmentations) are 0 and 1 as stored.
- A supplemental palette (MONOCHROME2 with colours for some values) is shown as its gray.

Source: DICOM PS3.3 C.7.6.3 (Image Pixel), C.7.5.1.1.2 (padding), C.11; PS3.4 N.2 (pipeline)
"""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset

from transforms.dicom.codecs import decoder_for
from transforms.dicom.luts import (
    COLOURS,
    Lut,
    Rescale,
    apply_voi,
    modality,
    numbers,
    palette,
    tag_of,
    wide_type,
)
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
            shown = _display(stored, photometric, dataset, index)
            frames.append(
                _as_float(shown) if size is None else fit_square(shown, size=size, aspect=aspect)
            )
    return np.stack(frames)


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


def _as_float(image: np.ndarray) -> np.ndarray:
    return image / np.float32(255) if image.dtype == np.uint8 else image


def _macro(dataset: Dataset, index: int, sequence: str) -> Dataset:
    """Item of a functional group: the frame's own, else what all share, else the data set.

    Source: PS3.3 C.7.6.16
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for group in (*per_frame[index : index + 1], *shared[:1]):
        if group.get(sequence):
            return group[sequence].value[0]
    return dataset


def _decode(dataset: Dataset, indices: list[int]) -> Iterator[tuple[np.ndarray, str]]:
    """Decoded frames as stored, with their photometric interpretation after decoding."""
    decoder, plugin = decoder_for(transfer_syntax(dataset))
    options: dict[str, bool] = {"allow_excess_frames": False}
    if decoder.is_native:
        options["view_only"] = True  # nothing is written to the stored values, so no copy
    frames = decoder.iter_array(dataset, indices=indices, decoding_plugin=plugin, **options)
    for stored, properties in frames:
        yield stored, str(properties["photometric_interpretation"])


def _display(stored: np.ndarray, photometric: str, dataset: Dataset, index: int) -> np.ndarray:
    """One decoded frame -> (height, width, 1 or 3), float32 in [0, 1] or uint8."""
    if photometric in ("MONOCHROME1", "MONOCHROME2") and stored.ndim == 2:
        return _display_gray(stored, photometric, dataset, index)[..., np.newaxis]
    if photometric == "PALETTE COLOR" and stored.ndim == 2:
        table = palette(dataset)
        colours, bits = table.apply(stored), table.bits
    elif photometric == "RGB" and stored.ndim == 3:
        colours, bits = stored, min(int(dataset.BitsStored), 8 * stored.dtype.itemsize)
    else:
        raise InputError("photometric interpretation without a rule")
    if bits == 8 and colours.dtype == np.uint8:
        return colours  # resampled as it is, at a third of the cost
    return np.clip(colours.astype(np.float32) / np.float32(2**bits - 1), 0, 1)


def _display_gray(stored: np.ndarray, photometric: str, dataset: Dataset, index: int) -> np.ndarray:
    """One decoded frame -> float32 (height, width) in [0, 1]."""
    background = _padding(stored, dataset)
    if dataset.BitsAllocated == 1:
        shown = stored.astype(np.float32)
    else:
        values = stored
        rescale = modality(_macro(dataset, index, "PixelValueTransformationSequence"))
        if isinstance(rescale, Lut):
            values, rescale = rescale.apply(stored), Rescale()
        voi = apply_voi(values, rescale, _macro(dataset, index, "FrameVOILUTSequence"))
        shown = _stretch(values, rescale, background) if voi is None else voi
    if photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        shown = 1 - shown
    if background is not None:
        shown[background] = 0
    return shown.astype(np.float32, copy=False)


def _stretch(values: np.ndarray, rescale: Rescale, background: np.ndarray | None) -> np.ndarray:
    """Values before `rescale` -> [0, 1] from the lowest to the highest that is no background."""
    seen = values if background is None else values[~background]
    low, high = (seen.min(), seen.max()) if seen.size else (0, 0)
    of_type = wide_type(values)
    if not high > low:
        return np.zeros(values.shape, of_type)
    span = of_type(high) - of_type(low)
    if not np.isfinite(span):
        raise InputError("pixel values span more than a float64 holds")
    shown = np.subtract(values, of_type(low), dtype=of_type)
    shown /= span
    np.clip(shown, 0, 1, out=shown)
    return shown if rescale.slope > 0 else 1 - shown


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
