"""Stored values -> what is shown: modality LUT, VOI LUT and window, palette.

Source: DICOM PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.5 (palette), C.7.9
"""

import dataclasses
import functools
import math

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut
from pydicom.tag import BaseTag

from transforms.errors import InputError

COLOURS = ("Red", "Green", "Blue")


@functools.cache
def tag_of(keyword: str) -> BaseTag:
    """Keyword of the data dictionary -> its tag."""
    return BaseTag(tag_for_keyword(keyword) or 0)


def numbers(dataset: Dataset, keyword: str) -> list[float] | None:
    """Values of a numeric attribute; None, when absent or not all are finite numbers."""
    if tag_of(keyword) not in dataset:
        return None
    try:
        value = dataset[tag_of(keyword)].value
        values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
        found = [float(item) for item in values]
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found and all(map(math.isfinite, found)) else None


@dataclasses.dataclass(frozen=True)
class Lut:
    """A table of values, the stored value that its first entry is for, and its bits."""

    table: np.ndarray
    first: int
    bits: int

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Entries for the values; those outside get the first or last (PS3.3 C.11.1.1)."""
        return self.table.take(values.astype(np.intp) - self.first, axis=0, mode="clip")


@dataclasses.dataclass(frozen=True)
class Rescale:
    """Modality value = slope x stored value + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


def modality(item: Dataset) -> Lut | Rescale:
    """ModalityLUTSequence, or RescaleSlope and RescaleIntercept, or neither.

    Raises: InputError, when they are there and cannot be read, or the slope is zero.
    Source: PS3.3 C.11.1
    """
    if item.get("ModalityLUTSequence"):
        return lut(item.ModalityLUTSequence[0])
    found = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        values = numbers(item, keyword) if tag_of(keyword) in item else [default]
        if values is None:
            raise InputError(f"{keyword} is no number")
        found.append(values[0])
    if found[0] == 0:
        raise InputError("RescaleSlope is zero")
    return Rescale(*found)


def wide_type(values: np.ndarray) -> type[np.floating]:
    """The float to reckon with: float32 holds 16-bit integers; all else may need float64."""
    return np.float32 if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 else np.float64


def apply_voi(values: np.ndarray, rescale: Rescale, item: Dataset) -> np.ndarray | None:
    """Values before `rescale` -> display values in [0, 1], the same shape, `wide_type`.

    The first VOI LUT goes before the first window. None, when there is neither, or the window
    cannot be read: both are optional, and the caller has a rule for their absence.

    Source: PS3.3 C.11.2
    """
    if item.get("VOILUTSequence"):
        table = lut(item.VOILUTSequence[0])
        shown = table.apply(values * rescale.slope + rescale.intercept) / (2**table.bits - 1)
        return np.clip(shown, 0, 1)
    centers, widths = numbers(item, "WindowCenter"), numbers(item, "WindowWidth")
    if centers is None or widths is None:
        return None
    function = str(item.get("VOILUTFunction") or "LINEAR").strip().upper()
    return window(values, centers[0], widths[0], function, rescale)


def window(
    values: np.ndarray, center: float, width: float, function: str, rescale: Rescale
) -> np.ndarray | None:
    """Values before `rescale` -> [0, 1] of `wide_type` by a window; None, when the width is not
    usable.

    A LINEAR width below 1 has no meaning in the Standard, yet float images carry it: it is
    taken as LINEAR_EXACT. The rescale is applied to the window instead of to every pixel.

    Source: PS3.3 C.11.2.1.2 and C.11.2.1.3

    >>> window(np.array([-1.0, 39.5, 40.0, 200.0]), 40, 80, "LINEAR", Rescale()).tolist()
    [0.0, 0.5, 0.5063291139240507, 1.0]
    """
    if width <= 0:
        return None
    if function != "SIGMOID" and function != "LINEAR_EXACT" and width >= 1:
        center, width = center - 0.5, width - 1
        if width == 0:
            return (values * rescale.slope + rescale.intercept > center).astype(wide_type(values))
    of_type = wide_type(values)
    factor, middle = rescale.slope / width, (center - rescale.intercept) / rescale.slope
    if not (np.isfinite(of_type(factor)) and np.isfinite(of_type(middle * factor))):
        return None  # so narrow that it overflows
    if function == "SIGMOID":
        # Beyond 80 the sigmoid is 0 or 1 in float32, and a little further exp overflows.
        distance = np.subtract(values, of_type(middle), dtype=of_type)
        return 1 / (1 + np.exp(np.clip(distance * of_type(-4 * factor), -80, 80)))
    shown = np.multiply(values, of_type(factor), dtype=of_type)  # one pass, integers too
    shown += of_type(0.5 - middle * factor)
    return np.clip(shown, 0, 1, out=shown)


def lut(item: Dataset) -> Lut:
    """LUTDescriptor and LUTData -> Lut of float32.

    Raises: InputError, when they are missing or do not fit together.
    Source: PS3.3 C.11.1.1, C.11.2.1.1
    """
    descriptor = numbers(item, "LUTDescriptor")
    if descriptor is None or len(descriptor) != 3 or tag_of("LUTData") not in item:
        raise InputError("LUT without a descriptor of three values, or without data")
    entries, first, bits = int(descriptor[0]) or 2**16, int(descriptor[1]), int(descriptor[2])
    data = item.LUTData
    if isinstance(data, bytes):
        table = _entries(data, entries, is_little_endian=_is_little_endian(item))
    else:
        table = np.atleast_1d(np.asarray(data, np.int64)) & 0xFFFF
    if len(table) < entries or not 1 <= bits <= 16:
        raise InputError(f"LUT with {len(table)} of {entries} entries of {bits} bits")
    return Lut(table[:entries].astype(np.float32), first, bits)


def palette(dataset: Dataset) -> Lut:
    """Palette Color Lookup Tables -> Lut of shape (entries, 3), uint8, or uint16 if need be.

    Tables of 16 bits that hold nothing above 255 are 8-bit tables written wide, as some
    devices do.

    Raises: InputError, when a table is missing or too short.
    Source: PS3.3 C.7.6.3.1.5, C.7.6.3.1.6, C.7.9.2 (segmented)
    """
    descriptor = numbers(dataset, "RedPaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != 3:
        raise InputError("palette without a descriptor of three values")
    entries, first = int(descriptor[0]) or 2**16, int(descriptor[1])
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        table = apply_color_lut(np.arange(first, first + entries), dataset)[:, :3]
    else:
        columns = []
        for colour in COLOURS:
            data = dataset.get(f"{colour}PaletteColorLookupTableData")
            if not isinstance(data, bytes) or len(data) < entries:
                raise InputError("palette with a table that is missing or too short")
            columns.append(_entries(data, entries, is_little_endian=_is_little_endian(dataset)))
        table = np.stack(columns, axis=1)
    bits = 16 if table.max() > 255 else 8
    return Lut(table.astype(f"uint{bits}"), first, bits)


def _entries(data: bytes, entries: int, *, is_little_endian: bool) -> np.ndarray:
    """Entries of 16 bits where there are bytes enough, else of 8 bits in 16-bit words."""
    order = "<" if is_little_endian else ">"
    if len(data) >= 2 * entries:
        return np.frombuffer(data, f"{order}u2", entries)
    words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    return words.astype("<u2").view("u1")[:entries]


def _is_little_endian(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False
