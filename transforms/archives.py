"""Zips: their members are read as streams, one after the other, and nothing is unpacked to disk.

So the name of a member, be it `../../x` or `/etc/passwd`, is only a name. A directory that
cannot be right (members that overlap, as in a zip bomb) refuses the zip as a whole; what is
wrong with one member refuses that member.

Source: PKWARE APPNOTE 6.3.10, 4.3 (layout), 4.4.4 (bit 0: encrypted)
"""

import contextlib
import os
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

from transforms.errors import InputError
from transforms.limits import Limits

_MAGIC = b"PK\x03\x04"
_END_MAGIC = b"PK\x05\x06"
_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES, _ENTRY_BYTES, _END_BYTES = 30, 46, 22
_LOCATOR_BYTES, _END64_BYTES, _COMMENT_BYTES = 20, 56, 1 << 16
# What zipfile raises on a directory that is damaged, beyond BadZipFile.
_DAMAGED = (struct.error, ValueError, LookupError, OverflowError, EOFError)


def is_zip(head: bytes) -> bool:
    """Whether the bytes begin as a zip that has members."""
    return head.startswith(_MAGIC)


@contextlib.contextmanager
def open_zip(
    file: BinaryIO, limits: Limits
) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """An open file that can seek -> (the zip, its members without folders).

    Raises: BadZipFile, when it is no zip; OverLimit; InputError, when members overlap; OSError.
    """
    limits.check("zip_members", _directory_bytes(file) // _ENTRY_BYTES)
    file.seek(0)
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGED:
        raise zipfile.BadZipFile from None
    with archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        limits.check("zip_members", len(members))
        _check_overlap(members)
        yield archive, members


def _directory_bytes(file: BinaryIO) -> int:
    """How long the zip says that its directory is, found as zipfile finds it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES - _LOCATOR_BYTES - _END64_BYTES))
    tail = file.read()
    end = tail.rfind(_END_MAGIC)
    if end < 0:
        raise zipfile.BadZipFile
    locator = end - _LOCATOR_BYTES
    if locator >= 0 and tail.startswith(b"PK\x06\x07", locator):
        end64 = max(locator - _END64_BYTES, 0)
        return int.from_bytes(tail[end64 + 40 : end64 + 48], "little")
    return int.from_bytes(tail[end + 12 : end + 16], "little")


def _check_overlap(members: list[zipfile.ZipInfo]) -> None:
    free = 0
    for info in sorted(members, key=lambda info: info.header_offset):
        if info.header_offset < free:
            raise InputError("members of the zip overlap")
        free = info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    """The content of a member, as a stream that can go back to its start.

    Raises: InputError, when it is encrypted; BadZipFile; NotImplementedError, when it is packed
    in an unknown way.
    """
    if info.flag_bits & _ENCRYPTED:
        raise InputError("encrypted member of a zip")
    try:
        return archive.open(info)  # type: ignore[return-value]
    except _DAMAGED:
        raise zipfile.BadZipFile from None
