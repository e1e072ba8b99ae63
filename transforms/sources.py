"""Input paths -> units of work: whole files, byte ranges of NDJSON, members of a zip.

A plain NDJSON file is cut into ranges, so that one large file uses every worker; a `.gz`, a
Bundle and a member of a zip are one unit each. A line belongs to the range in which it begins.
"""

import dataclasses
import gzip
import io
import os.path
import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import apache_beam as beam
import xxhash
from apache_beam.io.filesystem import CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from transforms.errors import UsageError
from transforms.progress_notes import ProgressNotes

RANGE_BYTES = 16 << 20
# Of a file that is read in parts, only its beginning is hashed, and kept when it is refused.
HASHED_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
_NDJSON_SUFFIXES = (".ndjson", ".jsonl")
_GZIP_MAGIC = b"\x1f\x8b"
_ZIP_MAGIC = b"PK\x03\x04"
BOM = b"\xef\xbb\xbf"


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of the input that one worker reads at once; `end` is -1 for a whole file.

    >>> Unit("a.zip", 10, member="b.ndjson").name
    'a.zip!b.ndjson'
    """

    uri: str
    size_bytes: int
    member: str = ""
    start: int = 0
    end: int = -1

    @property
    def name(self) -> str:
        """The URI under which the source is known; that of a zip member is `archive!member`."""
        return f"{self.uri}!{self.member}" if self.member else self.uri

    @property
    def bytes_to_read(self) -> int:
        """Bytes of the range or of the whole file."""
        return self.end - self.start if self.is_range else self.size_bytes

    @property
    def is_range(self) -> bool:
        """Whether the unit is a byte range of a plain NDJSON file."""
        return self.end >= 0


def glob_of(path: str) -> list[str]:
    """An input argument -> the patterns to match: a folder stands for all files below it.

    >>> glob_of("gs://bucket/export/*.ndjson")
    ['gs://bucket/export/*.ndjson']
    """
    if any(character in path for character in "*?["):
        return [path]
    folder = path.rstrip("/")
    return [folder, f"{folder}/**"]


def check_inputs(argument: str, paths: tuple[str, ...]) -> None:
    """Raises: UsageError, when one of the paths matches no file, naming argument and path."""
    for path in paths:
        if next(match_files(path), None) is None:
            raise UsageError(f"{argument} {path}: no such file, and no file below it")


def _files(found: list[FileMetadata]) -> list[FileMetadata]:
    # A local folder matches its own name as well; it is no input.
    return [item for item in found if not _is_local_folder(item.path)]


def _is_local_folder(path: str) -> bool:
    return "://" not in path and os.path.isdir(path)


def match_files(path: str) -> Iterator[FileMetadata]:
    """An input argument -> the files behind it, each once, in the order of their names."""
    if "://" not in path:
        # The same file has the same URI wherever the command is called.
        path = os.path.abspath(path)
    if "://" not in path and os.path.isfile(path):
        # As it is: its name may hold characters that mean something in a glob.
        yield FileMetadata(path, os.path.getsize(path))
        return
    found = {
        item.path: item
        for result in FileSystems.match(glob_of(path))
        for item in _files(result.metadata_list)
    }
    for name in sorted(found):
        yield found[name]


def open_binary(uri: str) -> BinaryIO:
    """Opens a file of any Beam filesystem, its bytes as they are, seekable where that one is."""
    if "://" not in uri:
        return open(uri, "rb")
    return FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED)


def open_unit(unit: Unit) -> BinaryIO:
    """Opens a whole file or the member of a zip, seekable."""
    if not unit.member:
        return open_binary(unit.uri)
    with open_binary(unit.uri) as archive, zipfile.ZipFile(archive) as opened:
        return io.BytesIO(opened.read(unit.member))


def split_units(file: FileMetadata, *, ranges: bool) -> Iterator[Unit]:
    """A file -> its units. With `ranges`, large plain NDJSON is cut into ranges of 16 MiB.

    A zip that cannot be opened stays one unit, which the reader then refuses.
    """
    size = file.size_in_bytes
    if file.path.lower().endswith(".zip"):
        members = _zip_members(file.path)
        if members is not None:
            for name, member_size in members:
                yield Unit(file.path, member_size, member=name)
            return
    if ranges and size > RANGE_BYTES and _is_ndjson(file.path):
        for start in range(0, size, RANGE_BYTES):
            yield Unit(file.path, size, start=start, end=min(start + RANGE_BYTES, size))
        return
    yield Unit(file.path, size)


def _zip_members(uri: str) -> list[tuple[str, int]] | None:
    try:
        with open_binary(uri) as archive, zipfile.ZipFile(archive) as opened:
            return [(i.filename, i.file_size) for i in opened.infolist() if not i.is_dir()]
    except zipfile.BadZipFile:
        return None


def _is_ndjson(uri: str) -> bool:
    """By its name, else by a first line that is a whole JSON object."""
    name = uri.lower()
    if name.endswith(_NDJSON_SUFFIXES):
        return True
    with open_binary(uri) as file:
        return looks_like_ndjson(file.read(_BLOCK_BYTES))


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


def is_gzip(head: bytes) -> bool:
    """Whether the bytes begin as gzip."""
    return head.startswith(_GZIP_MAGIC)


def is_zip(head: bytes) -> bool:
    """Whether the bytes begin as a zip."""
    return head.startswith(_ZIP_MAGIC)


def read_range(unit: Unit) -> tuple[bytes, int]:
    """The lines that begin within the unit's range, and the offset of the first in the file.

    The last one is read to its end beyond the range. Raises: OSError.
    """
    with open_binary(unit.uri) as file:
        # One byte more in front tells whether a line begins right at the start.
        begin = max(unit.start - 1, 0)
        file.seek(begin)
        data = file.read(unit.end - begin)
        offset = unit.start
        if unit.start:
            skipped = data.find(b"\n") + 1
            if not skipped:
                return b"", unit.end
            data, offset = data[skipped:], begin + skipped
        if not data:
            return b"", unit.end
        tail = [data]
        while not tail[-1].endswith(b"\n"):
            block = file.read(_BLOCK_BYTES)
            if not block:
                break
            cut = block.find(b"\n") + 1
            tail.append(block[:cut] if cut else block)
        return b"".join(tail), offset


def whole_lines(stream: BinaryIO, block_bytes: int = RANGE_BYTES) -> Iterator[tuple[bytes, int]]:
    r"""A stream -> (whole lines, offset of the first), about `block_bytes` at a time.

    >>> list(whole_lines(io.BytesIO(b"ab\ncd\nef"), 4))
    [(b'ab\n', 0), (b'cd\n', 3), (b'ef', 6)]
    """
    rest, offset = b"", 0
    while block := stream.read(block_bytes):
        block = rest + block
        cut = block.rfind(b"\n") + 1
        if cut:
            yield block[:cut], offset
            offset += cut
        rest = block[cut:]
    if rest:
        yield rest, offset


def gunzip(stream: BinaryIO) -> BinaryIO:
    """A gzip stream -> the stream of its content."""
    return gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[return-value]


def content_hash(data: bytes) -> str:
    """128 bits of XXH3 in hexadecimal: tells whether a file changed, not who wrote it.

    >>> content_hash(b"")
    '99aa06d3014798d86001c324468d497f'
    """
    return xxhash.xxh3_128_hexdigest(data)


@dataclasses.dataclass(eq=False)
class FindUnits(beam.PTransform):
    """Input paths -> Unit, spread over the workers; what is found is noted for `stage`."""

    stage: str
    paths: tuple[str, ...]
    ranges: bool
    notes: ProgressNotes

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pbegin: beam.Pipeline) -> beam.PCollection[Unit]:
        """Matches the files within the pipeline, so that the launcher holds no listing."""
        return (
            pbegin
            | beam.Create(self.paths)
            | "Match" >> beam.FlatMap(match_files)
            # Paths may overlap; a file that two of them name is read once.
            | "KeyByPath" >> beam.Map(lambda file: (file.path, file))
            | beam.GroupByKey()
            | "Split" >> beam.FlatMap(self._split)
            | "SpreadUnits" >> beam.Reshuffle()
        )

    def _split(self, item: tuple[str, Iterable[FileMetadata]]) -> list[Unit]:
        units = list(split_units(next(iter(item[1])), ranges=self.ranges))
        self.notes.add(self.stage, found=sum(unit.bytes_to_read for unit in units))
        return units
