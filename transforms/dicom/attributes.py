"""Single attributes of a data set, by keyword.

The common kinds of number and text are read from the bytes as they are in the file: pydicom
makes an object of every element that it is asked for, and that costs more than a small image.

Source: DICOM PS3.5 chapter 6 (value representations)
"""

import functools
import math
import struct

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

# VRs of two-byte integers, and their signs for `struct`.
_SHORTS = {"US": "H", "SS": "h"}


@functools.cache
def tag_of(keyword: str) -> BaseTag:
    """Keyword of the data dictionary -> its tag."""
    return BaseTag(tag_for_keyword(keyword) or 0)


@functools.cache
def _vr_of(keyword: str) -> str:
    return dictionary_VR(tag_of(keyword))


def numbers(dataset: Dataset, keyword: str) -> list[float] | None:
    """Values of a numeric attribute; None, when absent or not all are finite numbers."""
    element = dataset.get_item(tag_of(keyword))
    if element is None:
        return None
    try:
        found = _raw_numbers(element, keyword) if isinstance(element, RawDataElement) else None
        if found is None:
            value = dataset[tag_of(keyword)].value
            values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
            found = [float(item) for item in values]
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found and all(map(math.isfinite, found)) else None


def _raw_numbers(element: RawDataElement, keyword: str) -> list[float] | None:
    """Values of decimal strings and of two-byte integers; None, for all else.

    Raises: ValueError, when a decimal string is none.
    """
    value, vr = element.value, element.VR or _vr_of(keyword)
    if not value:
        return None
    if vr == "DS":
        return [float(part) for part in value.rstrip(b"\0 ").split(b"\\")]
    if vr in _SHORTS and len(value) % 2 == 0:
        order = "<" if element.is_little_endian else ">"
        return list(map(float, struct.unpack(f"{order}{len(value) // 2}{_SHORTS[vr]}", value)))
    return None


def text(dataset: Dataset, keyword: str) -> str:
    """Value of a code string (VR CS), in capitals; empty, when absent."""
    element = dataset.get_item(tag_of(keyword))
    if element is None or not element.value:
        return ""
    value = element.value
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return str(value).strip("\0 ").upper()


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """First item of a sequence; None, when there is none."""
    if tag_of(keyword) not in dataset:
        return None
    items = dataset[tag_of(keyword)].value
    return items[0] if items else None
