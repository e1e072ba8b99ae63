"""Lines of NDJSON, as bytes: found without decoding, none held that is over the limit.

Source: https://hl7.org/fhir/R4/nd-json.html
"""

import io  # noqa: F401 - of the examples
from collections.abc import Iterator
from typing import BinaryIO

BOM = b"\xef\xbb\xbf"
BLOCK_BYTES = 16 << 20
_SUFFIXES = (".ndjson", ".jsonl")


def has_ndjson_name(name: str) -> bool:
    """Whether a file is NDJSON by its name, packed or not.

    >>> has_ndjson_name("Patient.ndjson.gz")
    True
    """
    return name.lower().removesuffix(".gz").endswith(_SUFFIXES)


def looks_like_ndjson(head: bytes) -> bool:
    r"""Whether the first non-blank line of `head` begins and ends an object.

    >>> looks_like_ndjson(b'\n{"a": 1}\r\n{"a": 2}')
    True
    >>> looks_like_ndjson(b'{\n "a": 1}')
    False
    """
    begin = head.find(b"{")
    end = head.find(b"\n", begin)
    if begin < 0 or end < 0 or head[:begin].removeprefix(BOM).strip():
        return False
    line = head[begin:end].rstrip()
    return line.endswith(b"}") and len(line) > 1


def whole_lines(
    stream: BinaryIO, longest: int, head: bytes = b"", block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[bytes, int]]:
    r"""A stream -> (whole lines, offset of the first), about `block_bytes` at a time.

    `head` was read from it already. Of a line longer than `longest`, only so much comes that it
    can be told.

    >>> list(whole_lines(io.BytesIO(b"ab\ncd\nef"), 9, block_bytes=4))
    [(b'ab\n', 0), (b'cd\n', 3), (b'ef', 6)]
    >>> list(whole_lines(io.BytesIO(b"abcdef\ngh"), 3, block_bytes=2))
    [(b'abcd', 0), (b'gh', 7)]
    """
    rest, offset, skipping = b"", 0, False
    block = head or stream.read(block_bytes)
    while block:
        if skipping:
            cut = block.find(b"\n") + 1
            offset += cut or len(block)
            block, skipping = (block[cut:] if cut else b""), not cut
        rest += block
        cut = rest.rfind(b"\n") + 1
        if cut:
            yield rest[:cut], offset
            offset += cut
            rest = rest[cut:]
        if len(rest) > longest:
            yield rest, offset
            offset += len(rest)
            rest, skipping = b"", True
        block = stream.read(block_bytes)
    if rest:
        yield rest, offset


def without_long_lines(
    data: bytes, offset: int, longest: int
) -> Iterator[tuple[bytes | None, int]]:
    r"""Whole lines -> the same, with None in the place of each line longer than `longest`.

    >>> list(without_long_lines(b"a\nbcdef\ng\n", 10, 3))
    [(b'a\n', 10), (None, 12), (b'g\n', 18)]
    """
    start = at = 0
    while len(data) - at > longest:  # shorter data has no long line
        newline = data.find(b"\n", at)
        end = newline if newline >= 0 else len(data)
        if end - at > longest:
            if start < at:
                yield data[start:at], offset + start
            yield None, offset + at
            start = end + 1
        at = end + 1
    if start < len(data):
        yield data[start:], offset + start
