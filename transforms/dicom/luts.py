"""Stored values -> what is shown: modality LUT, VOI LUT and window, palette.

Source: DICOM PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.5 (palette), C.7.9
"""

import dataclasses
import math

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from transforms.dicom.attributes import first_item, numbers, tag_of, text
from transforms.errors import InputError

_MAX_ENTRIES = 2**17  # twice those of the largest palette
COLOURS = ("Red", "Green", "Blue")


@dataclasses.dataclass(frozen=True)
class Lut:
    """A table of values, the stored value that its first entry is for, and its bits."""

    table: np.ndarray
    first: int
    bits: int

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Entries for the values; those outside get the first or last (PS3.3 C.11.1.1)."""
        return self.table.take(values.astype(np.intp) - self.first, axis=0, mode="clip")

    def colour(self, stored: np.ndarray) -> np.ndarray:
        """Of a palette: stored values (height, width) -> uint8 (height, width, 3)."""
        if stored.dtype != np.uint8:
            return self.apply(stored)
        indexed = Image.fromarray(np.ascontiguousarray(stored))  # three times faster than numpy
        indexed.putpalette(self.apply(np.arange(256)).tobytes())
        return np.asarray(indexed.convert("RGB"))


@dataclasses.dataclass(frozen=True)
class Rescale:
    """Modality value = slope x stored value + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclasses.dataclass(frozen=True)
class Ramp:
    """How values are shown: 0 at `black`, 1 at `black + span`, linear between, flat beyond.

    A negative span shows the higher values darker.

    >>> Ramp(10, -10).apply(np.array([-5.0, 0.0, 5.0, 9.0])).tolist()
    [1.0, 1.0, 0.5, 0.1]
    """

    black: float
    span: float

    def inverted(self) -> "Ramp":
        """White for black."""
        return Ramp(self.black + self.span, -self.span)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values -> [0, 1], the same shape, `wide_type`."""
        of_type = wide_type(values)
        shown = np.subtract(values, of_type(self.black), dtype=of_type)  # one pass, integers too
        shown /= of_type(self.span)
        return np.clip(shown, 0, 1, out=shown)

    def suits_means_of(self, values: np.ndarray) -> bool:
        """Whether means of the values after `cut` are shown as the means of what is shown:
        integers of at most 16 bits, when the ends are whole numbers or a step is at most 1/256.
        """
        if values.dtype.kind not in "iu" or values.dtype.itemsize > 2:
            return False
        return abs(self.span) >= 256 or (self.black % 1 == 0 and self.span % 1 == 0)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Integers -> a copy without what lies beyond the ends, rounded outwards."""
        limits = np.iinfo(values.dtype)
        ends = (self.darkest(), self.inverted().darkest())
        low, high = (min(max(end, int(limits.min)), int(limits.max)) for end in sorted(ends))
        return np.clip(values, low, high)

    def darkest(self) -> int:
        """The first integer that is shown as 0."""
        return math.floor(self.black) if self.span > 0 else math.ceil(self.black)


AS_IT_IS = Ramp(0, 1)


def modality(item: Dataset) -> Lut | Rescale:
    """ModalityLUTSequence, or RescaleSlope and RescaleIntercept, or neither.

    Raises: InputError, when they are there and cannot be read, or the slope is zero.
    Source: PS3.3 C.11.1
    """
    table = first_item(item, "ModalityLUTSequence")
    if table is not None:
        return lut(table)
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


def voi(values: np.ndarray, rescale: Rescale, item: Dataset) -> tuple[np.ndarray, Ramp] | None:
    """Values before `rescale` -> (values of the same shape, the ramp that shows them).

    The first VOI LUT goes before the first window. None, when there is neither, or the window
    cannot be read: both are optional, and the caller has a rule for their absence.

    Source: PS3.3 C.11.2
    """
    found = first_item(item, "VOILUTSequence")
    if found is not None:
        table = lut(found)
        values = table.apply(values * rescale.slope + rescale.intercept)
        return values, Ramp(0, 2**table.bits - 1)
    centers, widths = numbers(item, "WindowCenter"), numbers(item, "WindowWidth")
    if centers is None or widths is None:
        return None
    function = text(item, "VOILUTFunction") or "LINEAR"
    return window(values, centers[0], widths[0], function, rescale)


def window(
    values: np.ndarray, center: float, width: float, function: str, rescale: Rescale
) -> tuple[np.ndarray, Ramp] | None:
    """Values before `rescale` -> (values of the same shape, the ramp that shows them) by a
    window; None, when the width is not usable.

    A LINEAR width below 1 has no meaning in the Standard, yet float images carry it: it is
    taken as LINEAR_EXACT. The rescale is applied to the window instead of to every pixel.

    Source: PS3.3 C.11.2.1.2 and C.11.2.1.3

    >>> window(np.array([-1.0, 39.5, 200.0]), 40, 80, "LINEAR", Rescale(2.0, 0.0))[1]
    Ramp(black=0.0, span=39.5)
    """
    if width <= 0:
        return None
    if function != "SIGMOID" and function != "LINEAR_EXACT" and width >= 1:
        center, width = center - 0.5, width - 1
        if width == 0:
            is_white = values * rescale.slope + rescale.intercept > center
            return is_white.astype(wide_type(values)), AS_IT_IS
    of_type = wide_type(values)
    middle, span = (center - rescale.intercept) / rescale.slope, width / rescale.slope
    if not np.isfinite([of_type(middle), of_type(1 / of_type(span))]).all():
        return None  # so narrow that it overflows
    if function == "SIGMOID":
        # Beyond 80 the sigmoid is 0 or 1 in float32, and a little further exp overflows.
        distance = np.subtract(values, of_type(middle), dtype=of_type)
        return 1 / (1 + np.exp(np.clip(distance * of_type(-4 / span), -80, 80))), AS_IT_IS
    return values, Ramp(middle - span / 2, span)


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
    """Palette Color Lookup Tables -> Lut of shape (entries, 3), uint8.

    Entries of 16 bits are rounded to 8, which is what is resampled in a fraction of the time.
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
        for colour in COLOURS:
            data = dataset.get(f"Segmented{colour}PaletteColorLookupTableData")
            order = "<" if _is_little_endian(dataset) else ">"
            _check_segments(data or b"", order, is_wide=descriptor[2] > 8)
        table = apply_color_lut(np.arange(first, first + entries), dataset)[:, :3]
    else:
        columns = []
        for colour in COLOURS:
            data = dataset.get(f"{colour}PaletteColorLookupTableData")
            if not isinstance(data, bytes) or len(data) < entries:
                raise InputError("palette with a table that is missing or too short")
            columns.append(_entries(data, entries, is_little_endian=_is_little_endian(dataset)))
        table = np.stack(columns, axis=1)
    if table.max() > 255:
        table = np.rint(table * (255 / 65535))
    return Lut(table.astype(np.uint8), first, 8)


def _check_segments(data: bytes, order: str, *, is_wide: bool) -> None:
    """Refuses segments that expand to more entries than any palette has.

    A few bytes could otherwise become gigabytes, since a segment may repeat a value 65,535 times
    and an indirect one others; one that repeats indirect ones would multiply.

    Raises: InputError, also for segments of unknown kind; ValueError or IndexError, when
    they end too early.
    Source: PS3.3 C.7.9.2
    """
    words = np.frombuffer(data, f"{order}u2" if is_wide else "u1").tolist()
    at = total = 0
    while at + 1 < len(words) and total <= _MAX_ENTRIES:
        kind, length = words[at : at + 2]
        if kind != 2:
            total += max(1, length)
            at = _after_segment(words, at)
            continue
        # The lower half of the offset comes first, whatever the order of the bytes.
        unit = np.array(words[at + 2 : at + (4 if is_wide else 6)], "u2" if is_wide else "u1")
        low, high = (unit if is_wide else unit.view(f"{order}u2")).tolist()
        target = high << 16 | low
        for _ in range(length):
            if target + 1 >= len(words) or total > _MAX_ENTRIES:
                break
            total += max(1, words[target + 1])
            target = _after_segment(words, target)
        at += 4 if is_wide else 6
    if total > _MAX_ENTRIES:
        raise InputError(f"palette of more than {_MAX_ENTRIES} entries")


def _after_segment(words: list[int], at: int) -> int:
    """Where a discrete or linear segment ends."""
    kind, length = words[at : at + 2]
    if kind > 1:
        raise InputError("palette with a segment of unknown kind, or indirect within indirect")
    return at + 3 if kind else at + 2 + length


def _entries(data: bytes, entries: int, *, is_little_endian: bool) -> np.ndarray:
    """Entries of 16 bits where there are bytes enough, else of 8 bits in 16-bit words."""
    order = "<" if is_little_endian else ">"
    if len(data) >= 2 * entries:
        return np.frombuffer(data, f"{order}u2", entries)
    words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    return words.astype("<u2").view("u1")[:entries]


def _is_little_endian(dataset: Dataset) -> bool:
    return dataset.original_encoding[1] is not False
