"""Units of work: whole files, byte ranges of NDJSON, ranges of the members of a zip.

A plain NDJSON file is cut into ranges, so that one large file uses every worker; a `.gz` and a
Bundle are one unit each. A line belongs to the range in which it begins. A zip is opened once
for each unit.
"""

import contextlib
import dataclasses
import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import apache_beam as beam
import xxhash
from apache_beam.io.filesystem import CompressionTypes

from transforms.archives import is_zip, open_member, open_zip
from transforms.errors import InputError, RunFailed
from transforms.file_systems import FileSystems
from transforms.find_files import Found, absolute, match_files
from transforms.inflation import gunzip, inflated, is_gzip, read_whole
from transforms.limits import DEFAULT_LIMITS, Limits
from transforms.ndjson import has_ndjson_name, looks_like_ndjson
from transforms.progress_notes import StageNotes, notes_of

RANGE_BYTES = 16 << 20
# Of a file that is read in parts, only its beginning is hashed, and kept when it is refused.
HASHED_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
# A zip becomes at most about twice as many units: each has to read the directory again.
_ZIP_UNITS = 128
_MIN_MEMBERS = 256
_CHANGED = "changed while it was read"

# What a file that cannot be read raises, and what is said of it: messages may hold its name.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "is gone"),
    (PermissionError, "may not be read"),
    (gzip.BadGzipFile, "damaged gzip"),
    (OSError, "cannot be read"),
    (zipfile.BadZipFile, "damaged zip"),
    (EOFError, "ends too early"),
    (zlib.error, "damaged compression"),
    (lzma.LZMAError, "damaged compression"),
    (NotImplementedError, "packed in an unknown way"),
    (RuntimeError, "cannot be read"),
)
UNREADABLE: tuple[type[Exception], ...] = (InputError, *(error for error, _ in _REASONS))
"""What opening and reading an input may raise."""


def why_unreadable(error: Exception) -> str:
    """One of UNREADABLE -> what is wrong, without the names and values of its own message.

    >>> why_unreadable(EOFError("NAME"))
    'ends too early'
    """
    if isinstance(error, InputError):  # ours, which tell no values
        return str(error)
    return next(reason for kind, reason in _REASONS if isinstance(error, kind))


@dataclasses.dataclass(frozen=True)
class Unit:
    """A part of the input that one worker reads at once.

    `start` and `end` are bytes of the file, `end` is -1 for the whole. Of a zip, `members` are
    the numbers of the members (first, and the one after the last), or `member` is the name of
    one. With `skip`, the reason why, nothing is read.

    >>> Unit("a.zip", 10, member="b.ndjson").name
    'a.zip!b.ndjson'
    """

    uri: str
    size_bytes: int
    member: str = ""
    start: int = 0
    end: int = -1
    members: tuple[int, int] | None = None
    skip: str = ""

    @property
    def name(self) -> str:
        """The URI under which the source is known; that of a zip member is `archive!member`."""
        return f"{self.uri}!{self.member}" if self.member else self.uri

    @property
    def bytes_to_read(self) -> int:
        """Bytes of the range or of the whole file."""
        return self.end - self.start if self.end >= 0 else self.size_bytes

    @property
    def is_range(self) -> bool:
        """Whether the unit is a byte range of a plain NDJSON file."""
        return self.end >= 0 and self.members is None


class Part(NamedTuple):
    """What has a name of its own: a file, a range of one, or a member of a zip that is open."""

    unit: Unit
    archive: zipfile.ZipFile | None = None
    info: zipfile.ZipInfo | None = None
    number: int = 0
    is_second: bool = False


class Content(NamedTuple):
    """What is in a file; the stream is that of the unpacked bytes.

    `is_file` tells that it is a file as it stands, which can seek; `head` is its beginning.
    """

    stream: BinaryIO
    head: bytes
    is_file: bool


def open_binary(uri: str) -> BinaryIO:
    """Opens a file of any Beam filesystem, its bytes as they are, seekable where that one is."""
    if "://" not in uri:
        return open(uri, "rb")
    return FileSystems.open(uri, compression_type=CompressionTypes.UNCOMPRESSED)


class Opener:
    """Opens sources one after the other; a zip stays open until one elsewhere is asked for."""

    def __init__(self) -> None:
        self._uri = ""
        self._stack = contextlib.ExitStack()

    def __call__(self, unit: Unit) -> BinaryIO:
        """A file, or the content of the member of a zip, seekable.

        Raises: what is in UNREADABLE.
        """
        if not unit.member:
            return open_binary(unit.uri)
        if self._uri != unit.uri:
            self.close()
            file = self._stack.enter_context(open_binary(unit.uri))
            opened = self._stack.enter_context(open_zip(file, DEFAULT_LIMITS))
            self._archive, self._uri = opened[0], unit.uri
            self._members = {info.filename: info for info in reversed(opened[1])}
        if unit.member not in self._members:
            raise InputError("no such member in the zip")
        with open_member(self._archive, self._members[unit.member]) as member:
            return io.BytesIO(read_whole(member, DEFAULT_LIMITS))

    def close(self) -> None:
        """Closes the zip."""
        self._uri = ""
        self._stack.close()


def split_units(file: Found, *, ranges: bool, limits: Limits) -> Iterator[Unit]:
    """A file -> its units. With `ranges`, large plain NDJSON is cut into ranges of 16 MiB.

    What cannot be opened stays one unit, which the reader then refuses.
    """
    uri, size = file.uri, file.size_bytes
    if file.skip:
        yield Unit(uri, size, skip=file.skip)
        return
    whole = Unit(uri, size)
    try:
        if uri.lower().endswith(".zip"):
            yield from _zip_units(whole, limits) or [Unit(uri, size, skip="empty zip")]
            return
        cut = ranges and size > RANGE_BYTES and _is_ndjson(uri)
    except UNREADABLE:
        cut = False
    if not cut:
        yield whole
        return
    for start in range(0, size, RANGE_BYTES):
        yield Unit(uri, size, start=start, end=min(start + RANGE_BYTES, size))


def _zip_units(zipped: Unit, limits: Limits) -> list[Unit]:
    """Ranges of members; each has many, or some 16 MiB of them."""
    units = []
    with open_binary(zipped.uri) as file, open_zip(file, limits) as (_, members):
        most = max(_MIN_MEMBERS, len(members) // _ZIP_UNITS)
        most_bytes = max(RANGE_BYTES, zipped.size_bytes // _ZIP_UNITS)
        first = start = end = 0
        for number, info in enumerate(members, 1):
            end += info.compress_size
            if number == len(members) or number - first == most or end - start >= most_bytes:
                units.append(
                    Unit(
                        zipped.uri,
                        zipped.size_bytes,
                        start=start,
                        end=end,
                        members=(first, number),
                    )
                )
                first, start = number, end
    return units


def parts(unit: Unit, limits: Limits) -> Iterator[Part]:
    """A unit -> what has a name of its own in it; a zip stays open while its members come.

    Raises: what is in UNREADABLE, when the zip as a whole cannot be read.
    """
    if unit.members is None:
        yield Part(unit)
        return
    first, stop = unit.members
    with open_binary(unit.uri) as file:
        _check_size(file, unit)
        with open_zip(file, limits) as (archive, members):
            seen = {info.filename for info in members[:first]}
            for number, info in enumerate(members[first:stop], first):
                member = Unit(unit.uri, info.file_size, member=info.filename)
                yield Part(member, archive, info, number, info.filename in seen)
                seen.add(info.filename)


@contextlib.contextmanager
def open_part(part: Part, limits: Limits) -> Iterator[Content]:
    """Opens a file or a member; of a gzip its content. No more comes out than the limits allow.

    Raises: what is in UNREADABLE, also from the stream.
    """
    with _open_packed(part) as packed:
        if part.info is None:
            _check_size(packed, part.unit)
        head = packed.read(HASHED_BYTES)
        packed.seek(0)
        if is_zip(head):
            _refuse_zip(part, packed, limits)
        stream, size = packed, part.unit.size_bytes
        if part.info is not None:
            stream = inflated(stream, part.info.compress_size, limits)
        is_gzipped = is_gzip(head)
        if is_gzipped:
            stream = inflated(gunzip(stream), size, limits)
        yield Content(stream, head, is_file=part.info is None and not is_gzipped)
        if part.info is None:
            _check_size(packed, part.unit)


def _open_packed(part: Part) -> BinaryIO:
    if part.archive is None or part.info is None:
        return open_binary(part.unit.uri)
    if part.is_second:
        raise InputError("second member of that name in the zip")
    return open_member(part.archive, part.info)


def _refuse_zip(part: Part, file: BinaryIO, limits: Limits) -> None:
    if part.info is not None:
        raise InputError("zip within a zip")
    with open_zip(file, limits):  # which says what is wrong with it
        raise InputError("zip whose name does not end in .zip")


def _check_size(file: BinaryIO, unit: Unit) -> None:
    if file.seek(0, os.SEEK_END) != unit.size_bytes:
        raise InputError(_CHANGED)
    file.seek(0)


def _is_ndjson(uri: str) -> bool:
    """By its name, else by a first line that is a whole JSON object."""
    if has_ndjson_name(uri):
        return True
    with open_binary(uri) as file:
        return looks_like_ndjson(file.read(_BLOCK_BYTES))


def read_range(unit: Unit, longest: int) -> tuple[bytes, int]:
    """The lines that begin within the unit's range, and the offset of the first in the file.

    The last one is read to its end beyond the range, or until it is longer than `longest`.
    Raises: InputError, when the file is not as it was found; OSError.
    """
    with open_binary(unit.uri) as file:
        _check_size(file, unit)
        # One byte more in front tells whether a line begins right at the start.
        begin = max(unit.start - 1, 0)
        file.seek(begin)
        data = file.read(unit.end - begin)
        if len(data) != unit.end - begin:
            raise InputError(_CHANGED)
        offset = unit.start
        if unit.start:
            skipped = data.find(b"\n") + 1
            if not skipped:
                return b"", unit.end
            data, offset = data[skipped:], begin + skipped
        if not data:
            return b"", unit.end
        tail, length = [data], len(data) - (data.rfind(b"\n") + 1)
        while not tail[-1].endswith(b"\n") and length <= longest:
            block = file.read(_BLOCK_BYTES)
            if not block:
                break
            cut = block.find(b"\n") + 1
            tail.append(block[:cut] if cut else block)
            length += len(tail[-1])
        return b"".join(tail), offset


def content_hash(data: bytes) -> str:
    """128 bits of XXH3 in hexadecimal: tells whether a file changed, not who wrote it.

    >>> content_hash(b"")
    '99aa06d3014798d86001c324468d497f'
    """
    return xxhash.xxh3_128_hexdigest(data)


def _match_some(path: str) -> Iterator[Found]:
    """An input path -> its files. Raises: RunFailed, when a worker sees none.

    The launcher saw one, so without this a cluster whose workers lack the folder reads nothing.
    """
    found = match_files(path)
    first = next(found, None)
    if first is None:
        raise RunFailed(
            "a worker sees no file where the launcher sees some: inputs must lie where all "
            "workers can read them; nothing was published"
        )
    yield first
    yield from found


@dataclasses.dataclass(eq=False)
class FindUnits(beam.PTransform):
    """Input paths -> Unit, spread over the workers; what is found is noted for `stage`."""

    stage: str
    paths: tuple[str, ...]
    ranges: bool
    limits: Limits

    def __post_init__(self) -> None:
        super().__init__()

    def expand(self, pbegin: beam.Pipeline) -> beam.PCollection[Unit]:
        """Matches the files within the pipeline, so that the launcher holds no listing."""
        return (
            pbegin
            | beam.Create([absolute(path) for path in self.paths])  # workers run elsewhere
            | "Match" >> beam.FlatMap(_match_some)
            # Paths may overlap; a file that two of them name is read once.
            | "KeyByPath" >> beam.Map(lambda file: (file.uri, file))
            | beam.GroupByKey()
            | "Split" >> beam.FlatMap(self._split, notes_of(pbegin).stage(self.stage, "bytes"))
            | "SpreadUnits" >> beam.Reshuffle()
        )

    def _split(self, item: tuple[str, Iterable[Found]], notes: StageNotes) -> list[Unit]:
        file = Found(*next(iter(item[1])))
        units = list(split_units(file, ranges=self.ranges, limits=self.limits))
        notes.found(sum(unit.bytes_to_read for unit in units))
        return units
