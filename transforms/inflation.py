"""What comes out of a gzip or a member of a zip, as far as the limits allow.

Source: RFC 1952, 2.3.1 (the first two bytes of a gzip)
"""

import gzip
import io
from typing import BinaryIO

from transforms.limits import Limits

_BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


def is_gzip(head: bytes) -> bool:
    """Whether the bytes begin as gzip."""
    return head.startswith(_GZIP_MAGIC)


def gunzip(stream: BinaryIO) -> BinaryIO:
    """A gzip stream -> the stream of its content."""
    return gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[return-value]


class _Inflating(io.RawIOBase):
    """A stream that is unpacked, up to the limits; it is read to its end once.

    Raises: OverLimit, from `read`.
    """

    def __init__(self, stream: BinaryIO, packed_bytes: int, limits: Limits):
        self._stream = stream
        self._packed_bytes = packed_bytes
        self._limits = limits
        self._count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, however many follow."""
        data = self._stream.read(size if size >= 0 else _BLOCK_BYTES)
        self._count += len(data)
        self._limits.check_inflated(self._count, self._packed_bytes)
        return data


def inflated(stream: BinaryIO, packed_bytes: int, limits: Limits) -> BinaryIO:
    """A stream of unpacked bytes, and how many went in -> the same, within the limits."""
    return _Inflating(stream, packed_bytes, limits)  # type: ignore[return-value]


def read_whole(stream: BinaryIO, limits: Limits, head: bytes = b"") -> bytes:
    """What a stream holds, after `head` was read from it. Raises: OverLimit; as the stream."""
    blocks, size = [head], len(head)
    limits.check("file_bytes", size)
    while block := stream.read(_BLOCK_BYTES):
        blocks.append(block)
        size += len(block)
        limits.check("file_bytes", size)
    return b"".join(blocks)
