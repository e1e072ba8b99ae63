"""Uncompressed pixels straight from their bytes, where the description is plain.

pydicom's decoder gives the same values for these, and takes some ten times longer for them
than the bytes need. Whatever is not entirely plain is left to it, damaged files too.

Source: DICOM PS3.5 8.1.1, 8.2 (native pixel data), PS3.3 C.7.6.3
"""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from transforms.dicom.attributes import numbers, text
from transforms.dicom.reading import transfer_syntax

_SYNTAXES = frozenset({ExplicitVRLittleEndian, ImplicitVRLittleEndian})
_SAMPLES = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3}
_PIXEL_DATA = 0x7FE00010


def native_frames(dataset: Dataset, indices: list[int]) -> tuple[list[np.ndarray], str] | None:
    """Data set -> (stored values of the frames, photometric interpretation).

    Each frame is an integer array (height, width), or (height, width, 3) for RGB, that cannot
    be written to. None, when the pixels are not plainly described or too few.
    """
    element = dataset.get_item(_PIXEL_DATA)
    photometric = text(dataset, "PhotometricInterpretation")
    if (
        element is None
        or not isinstance(element.value, bytes)
        or photometric not in _SAMPLES
        or transfer_syntax(dataset) not in _SYNTAXES
    ):
        return None
    rows, columns = _whole(dataset, "Rows"), _whole(dataset, "Columns")
    samples = _whole(dataset, "SamplesPerPixel")
    bits, bits_stored = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    sign = _whole(dataset, "PixelRepresentation")
    is_plain = (
        min(rows, columns) > 0
        and samples == _SAMPLES[photometric]
        and (samples == 1 or _whole(dataset, "PlanarConfiguration") == 0)
        and bits in (8, 16, 32)
        and 1 <= bits_stored <= bits
        and sign in (0, 1)
    )
    if not is_plain:
        return None
    dtype = np.dtype(f"<{'ui'[sign]}{bits // 8}")
    shape = (rows, columns) if samples == 1 else (rows, columns, samples)
    count = rows * columns * samples
    if len(element.value) < (max(indices) + 1) * count * dtype.itemsize:
        return None
    frames = []
    for index in indices:
        stored = np.frombuffer(element.value, dtype, count, index * count * dtype.itemsize)
        frames.append(_without_unused_bits(stored, bits_stored).reshape(shape))
    return frames, photometric


def _whole(dataset: Dataset, keyword: str) -> int:
    """Value of an integer attribute; -1, when absent or there are several."""
    found = numbers(dataset, keyword)
    return int(found[0]) if found is not None and len(found) == 1 else -1


def _without_unused_bits(stored: np.ndarray, bits_stored: int) -> np.ndarray:
    """Values whose bits above `bits_stored` are not pixels, and do not count.

    Most files have none there, and to see that takes a third of the time of shifting them out.
    """
    unused = 8 * stored.dtype.itemsize - bits_stored
    if unused == 0:
        return stored
    is_signed = stored.dtype.kind == "i"
    high = 2 ** (bits_stored - is_signed) - 1
    if stored.max() <= high and (not is_signed or stored.min() >= -high - 1):
        return stored
    return (stored << unused) >> unused
