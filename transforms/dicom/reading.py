"""Opens DICOM files with pydicom: which bytes are DICOM, and what pydicom may raise on them.

Nothing that pydicom warns or logs leaves this package, because its messages quote values:
its logger is switched off, and `quiet` holds back its warnings.

Source: DICOM PS3.10 chapter 7 (file format), PS3.5 chapter 7 (data elements)
"""

import contextlib
import logging
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO

import pydicom.config
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from transforms.dicom.scan import STORAGE_CLASS, UNDEFINED_LENGTH, Scan, scan
from transforms.errors import InputError, NightroundsError

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})  # double, float and integer pixels
DIRECTORY_TAG = 0x00041220  # DirectoryRecordSequence: names of every patient on the medium

# What pydicom 3.0.2 raises on bytes that are no DICOM data set, found by feeding it broken
# files. OSError is among them ("No tag to read"), yet one with an errno is the machine's fault.
PARSE_ERRORS = (
    InvalidDicomError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
    BytesLengthException,
    ValueError,  # UnicodeError too
    LookupError,  # KeyError and IndexError too
    TypeError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    RecursionError,
)

# Of encapsulated pixel data, which is always little endian.
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UID_TAGS = (0x00080016, 0x00080018)  # SOP class and instance: every object has them
_PREFIX_END, _META_GROUP = 132, 0x0002
_STOP_TAGS = PIXEL_TAGS | {DIRECTORY_TAG}

logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


class Skipped(NightroundsError):
    """The file is left out for a known reason, which is the message; it is no error."""


class _Quiet:
    """Holds back pydicom's warnings while any thread is inside.

    `warnings.catch_warnings` alone is not safe with threads: whoever leaves last would
    restore the filters that another thread had set.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self._stack.enter_context(warnings.catch_warnings())
                warnings.filterwarnings("ignore", module=r"pydicom\b")
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self._stack.close()


quiet = _Quiet()


@contextlib.contextmanager
def refusing(what: str, errors: tuple[type[Exception], ...] = PARSE_ERRORS) -> Iterator[None]:
    """Turns the listed errors into InputError, without their messages, which quote values.

    Raises: InputError; OSError, when the machine failed to read.
    """
    try:
        with quiet():
            yield
    except errors as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(f"{what}: {type(error).__name__}") from None


def _has_prefix(file: BinaryIO) -> bool:
    """Whether the file has `DICM`; without it, whether it may begin with a data element.

    Raises: Skipped, when the bytes cannot be DICOM.
    """
    head = file.read(_PREFIX_END)
    file.seek(0)
    if head[128:] == b"DICM":
        return True
    # Without preamble the first group is 0002, 0000 (command) or 0008, little or big endian.
    if len(head) < 8 or head[:2] not in (b"\x02\0", b"\0\0", b"\x08\0", b"\0\x08"):
        raise Skipped("not DICOM")
    if head[:2] == b"\0\0" and not any(head):
        raise Skipped("not DICOM")
    return False


def open_dataset(file: BinaryIO, *, tags: Collection[int], pixels: bool) -> tuple[Dataset, bool]:
    """File -> (data set of the listed top-level tags, whether it carries pixel data).

    `file` is open for reading in binary and can seek. Without `pixels`, their bytes are not
    read, so that large files cost no more than small ones; that they are all there is known
    nevertheless.

    Raises: Skipped, when the bytes are not DICOM, or are a DICOMDIR; InputError, when they
    cannot be parsed or end too early; OSError, when the machine failed to read.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    has_prefix = _has_prefix(file)
    found = scan(file, size=size, tags=tags, stop_tags=_STOP_TAGS) if has_prefix else None
    opened = _from_scan(found, file, size, pixels=pixels) if found is not None else None
    if opened is None:
        opened = _from_pydicom(file, size, tags, pixels=pixels, has_prefix=has_prefix)
    for part in (opened[0].file_meta, opened[0]):
        _check_kinds(part)
    return opened


def _from_scan(
    found: Scan, file: BinaryIO, size: int, *, pixels: bool
) -> tuple[Dataset, bool] | None:
    """The scanned elements as a data set; None, where the pixel data is not regular."""
    storage_class = found.meta.get(BaseTag(STORAGE_CLASS))
    is_directory = (
        storage_class is not None
        and storage_class.value.strip(b"\0 ").decode("ascii", "replace")
        == MediaStorageDirectoryStorage
    )
    if is_directory or found.stop == DIRECTORY_TAG:
        raise Skipped("DICOMDIR")
    elements = found.elements
    if found.stop is not None:
        end, is_regular = _pixel_data_end(file, found.stop_value, found.stop_length)
        if end > size:
            raise InputError(f"truncated: {end - size} bytes are missing")
        if pixels:
            if not is_regular:
                return None
            file.seek(found.stop_value)
            value = file.read(end - found.stop_value)
            elements[BaseTag(found.stop)] = RawDataElement(
                BaseTag(found.stop),
                found.stop_vr,
                found.stop_length,
                value,
                found.stop_value,
                found.is_implicit,
                True,
            )
    dataset = Dataset(elements)
    dataset.set_original_encoding(found.is_implicit, True)
    dataset.file_meta = FileMetaDataset(found.meta)
    return dataset, found.stop is not None


def _from_pydicom(
    file: BinaryIO, size: int, tags: Collection[int], *, pixels: bool, has_prefix: bool
) -> tuple[Dataset, bool]:
    """As `open_dataset`, for every file that pydicom makes sense of."""
    lengths: dict[int, int] = {}  # of the elements that reading may end at

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        if tag in _STOP_TAGS:
            lengths[tag] = length
            return tag == DIRECTORY_TAG or not pixels
        return False

    try:
        with refusing("not a DICOM data set"):
            file.seek(_PREFIX_END if has_prefix else 0)
            _check_kinds(read_dataset(file, False, True, stop_when=_is_past_meta))
            file.seek(0)
            wanted = {*tags, *(PIXEL_TAGS if pixels else ()), *(() if has_prefix else _UID_TAGS)}
            dataset = read_partial(file, stop, force=True, specific_tags=list(wanted))
            syntax = transfer_syntax(dataset)
            storage_class = dataset.file_meta.get("MediaStorageSOPClassUID")
    except InputError:
        if has_prefix:
            raise
        raise Skipped("not DICOM") from None
    is_directory = lengths.pop(DIRECTORY_TAG, None) is not None
    if is_directory or storage_class == MediaStorageDirectoryStorage:
        raise Skipped("DICOMDIR")
    if not has_prefix and not all(tag in dataset for tag in _UID_TAGS):
        raise Skipped("not DICOM")
    length = next(iter(lengths.values()), None)
    if pixels and length is not None and not any(tag in dataset for tag in PIXEL_TAGS):
        raise InputError("truncated: pixel data has no end")  # pydicom then drops every element
    # A deflated file has been read to its end, and zlib refuses one that is cut short.
    if syntax != DeflatedExplicitVRLittleEndian:
        end = file.tell()
        if not pixels and length is not None:
            # The header that follows has 8 bytes in implicit VR and 12 otherwise.
            start = end + (8 if dataset.original_encoding[0] else 12)
            end, _ = _pixel_data_end(file, start, length)
        if end > size:
            raise InputError(f"truncated: {end - size} bytes are missing")
    with refusing("not a DICOM data set"):
        _check_values(dataset)
    return dataset, length is not None


def _pixel_data_end(file: BinaryIO, start: int, length: int) -> tuple[int, bool]:
    """Value of pixel data -> (where it ends by its own lengths, whether that is certain).

    Fragments are stepped over, not read. What is neither a fragment nor the end leaves it
    uncertain: only decoding can tell what that is.

    Source: PS3.5 A.4
    """
    if length != UNDEFINED_LENGTH:
        return start + length, True
    end = start
    while True:
        file.seek(end)
        header = file.read(8)
        if len(header) == 8 and header[:4] == _ITEM:
            end += 8 + int.from_bytes(header[4:], "little")
        elif len(header) < 8:
            return end + 8, False
        else:
            return end, header[:4] == _SEQUENCE_END


def _is_past_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    del vr, length
    return tag >> 16 != _META_GROUP


def _check_kinds(dataset: Dataset) -> None:
    """Refuses a sequence where the standard has a plain value.

    pydicom would write it out for a message: with a broken value inside, twice as much text for
    each level of nesting, which is gigabytes from a file of a few hundred bytes.
    """
    for element in dataset.elements():
        tag = element.tag
        if element.VR == "SQ" and dictionary_has_tag(tag) and dictionary_VR(tag) != "SQ":
            raise InputError(f"{tag} is a sequence")


def _check_values(dataset: Dataset) -> None:
    """Refuses what pydicom lets pass: a value that is shorter than its length."""
    for element in dataset.elements():
        if isinstance(element, RawDataElement) and element.length != UNDEFINED_LENGTH:
            found = len(element.value) if element.value else 0
            if found < element.length:
                raise InputError(f"truncated: {element.tag} has {found} of {element.length} bytes")


def transfer_syntax(dataset: Dataset) -> str:
    """TransferSyntaxUID, or what pydicom found the encoding to be where there is none.

    Source: PS3.5 chapter 10
    """
    stated = dataset.file_meta.get("TransferSyntaxUID")
    if stated:
        return str(stated)
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return str(ImplicitVRLittleEndian)
    return str(ExplicitVRLittleEndian if is_little_endian else ExplicitVRBigEndian)
