"""The plain case of a DICOM file, several times faster than pydicom: chosen elements are
cut out of a well-formed little-endian file, all else is stepped over.

Whatever is not entirely regular (no prefix, other encodings, unknown VRs, tags out of order,
a file cut short) makes `scan` give up, and pydicom, which forgives much, has its turn.

Source: DICOM PS3.5 chapter 7 (data elements, sequences), PS3.10 chapter 7 (file format)
"""

import dataclasses
import struct
from collections.abc import Container
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

UNDEFINED_LENGTH = 0xFFFFFFFF
TRANSFER_SYNTAX, STORAGE_CLASS = 0x00020010, 0x00020002

_FIRST_READ = 1 << 15  # most headers are smaller
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LENGTH = struct.Struct("<L").unpack_from

# Encodings other than little endian, in the file as it stands: big endian, the deflated data
# set, and GE's private big-endian pixels.
_OTHER_SYNTAXES = frozenset({ExplicitVRBigEndian, "1.2.840.10008.1.2.1.99", "1.2.840.113619.5.2"})


@dataclasses.dataclass(frozen=True)
class Scan:
    """Elements by tag, those of the file meta information apart.

    `stop` is the tag that the scan ended before (None: the end of the file), `stop_length` its
    value's length and `stop_value` where in the file its value starts.
    """

    meta: dict[BaseTag, RawDataElement]
    elements: dict[BaseTag, RawDataElement]
    is_implicit: bool
    stop: int | None
    stop_vr: str | None
    stop_length: int
    stop_value: int


class _Irregular(Exception):
    """Not the plain case."""


def scan(
    file: BinaryIO, *, size: int, tags: Container[int], stop_tags: Container[int]
) -> Scan | None:
    """File with the prefix `DICM` -> its elements `tags`, as far as the first of `stop_tags`.

    None, when the file is not entirely regular.
    """
    return _Scanner(file, size, tags, stop_tags).run()


class _Scanner:
    """Position and bytes of one scan. The bytes read so far always start at the file's first."""

    def __init__(
        self, file: BinaryIO, size: int, tags: Container[int], stop_tags: Container[int]
    ) -> None:
        self._file, self._size = file, size
        self._tags, self._stop_tags = tags, stop_tags
        file.seek(0)
        self._bytes = file.read(_FIRST_READ)

    def run(self) -> Scan | None:
        try:
            meta, start = self._meta()
            syntax = meta[BaseTag(TRANSFER_SYNTAX)].value or b""
            syntax_uid = syntax.decode("ascii", "replace").strip(" \0")
            if not syntax_uid or syntax_uid in _OTHER_SYNTAXES:
                return None
            return self._data_set(meta, start, is_implicit=syntax_uid == ImplicitVRLittleEndian)
        # KeyError: no transfer syntax; RecursionError: sequences within hundreds of others
        except (_Irregular, KeyError, RecursionError):
            return None

    def _need(self, end: int) -> None:
        """Reads on, so that the bytes up to `end` are there."""
        if end <= len(self._bytes):
            return
        if end > self._size:
            raise _Irregular
        self._bytes += self._file.read(max(end - len(self._bytes), len(self._bytes)))
        if end > len(self._bytes):
            raise _Irregular

    def _header(self, at: int, *, is_implicit: bool) -> tuple[int, bytes | None, int, int]:
        """Element at a position -> (tag, VR, length of its value, start of its value)."""
        if at + 12 > len(self._bytes):
            self._need(min(at + 12, self._size))
            if at + 8 > self._size:
                raise _Irregular
        if is_implicit:
            group, element, length = _IMPLICIT(self._bytes, at)
            return group << 16 | element, None, length, at + 8
        group, element, vr, short = _EXPLICIT(self._bytes, at)
        if vr in _SHORT_VRS:
            return group << 16 | element, vr, short, at + 8
        if vr in _LONG_VRS and at + 12 <= len(self._bytes):
            return group << 16 | element, vr, _LENGTH(self._bytes, at + 8)[0], at + 12
        raise _Irregular

    def _raw(
        self, tag: int, vr: bytes | None, length: int, start: int, *, is_implicit: bool
    ) -> RawDataElement:
        self._need(start + length)
        value = self._bytes[start : start + length]
        name = vr.decode() if vr else None
        return RawDataElement(BaseTag(tag), name, length, value, start, is_implicit, True)

    def _meta(self) -> tuple[dict[BaseTag, RawDataElement], int]:
        found, at = {}, 132
        while at < self._size:
            self._need(at + 2)
            if self._bytes[at : at + 2] != b"\x02\0":  # what follows may be implicit
                break
            tag, vr, length, start = self._header(at, is_implicit=False)
            if tag in (TRANSFER_SYNTAX, STORAGE_CLASS):
                found[BaseTag(tag)] = self._raw(tag, vr, length, start, is_implicit=False)
            at = start + length
        return found, at

    def _data_set(self, meta: dict[BaseTag, RawDataElement], at: int, *, is_implicit: bool) -> Scan:
        found: dict[BaseTag, RawDataElement] = {}
        before = 0x0002FFFF
        while at < self._size:
            tag, vr, length, start = self._header(at, is_implicit=is_implicit)
            if tag <= before:
                raise _Irregular
            if tag in self._stop_tags:
                name = vr.decode() if vr else None
                return Scan(meta, found, is_implicit, tag, name, length, start)
            if length == UNDEFINED_LENGTH:
                if tag in self._tags or vr not in (b"SQ", None):
                    raise _Irregular
                at = self._after_sequence(start, is_implicit=is_implicit)
            else:
                if tag in self._tags:
                    found[BaseTag(tag)] = self._raw(tag, vr, length, start, is_implicit=is_implicit)
                at = start + length
            before = tag
        if at != self._size:
            raise _Irregular
        return Scan(meta, found, is_implicit, None, None, 0, at)

    def _after_sequence(self, at: int, *, is_implicit: bool) -> int:
        """Where a sequence of undefined length ends."""
        while True:
            tag, _, length, at = self._header(at, is_implicit=True)  # items have no VR
            if tag == _SEQUENCE_END:
                return at
            if tag != _ITEM:
                raise _Irregular
            at = (
                self._after_item(at, is_implicit=is_implicit)
                if (length == UNDEFINED_LENGTH)
                else at + length
            )

    def _after_item(self, at: int, *, is_implicit: bool) -> int:
        """Where an item of undefined length ends."""
        while True:
            self._need(at + 8)
            if self._bytes[at : at + 4] == b"\xfe\xff\x0d\xe0":
                return at + 8
            _, vr, length, start = self._header(at, is_implicit=is_implicit)
            if length != UNDEFINED_LENGTH:
                at = start + length
            elif vr in (b"SQ", None):
                at = self._after_sequence(start, is_implicit=is_implicit)
            else:
                raise _Irregular
