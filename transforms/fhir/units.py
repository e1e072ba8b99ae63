"""Units of reading: NDJSON lines and Bundles.

A unit knows where references between its resources lead, and can give back the bytes that a
resource was decoded from.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from transforms.errors import OverLimit
from transforms.fhir.kinds import (
    Bundle,
    Entry,
    decode_entry,
    decode_head,
    decode_raw_bundle,
    decode_raw_entry,
    decode_resource,
)
from transforms.fhir.linker import Linker
from transforms.fhir.names import known_type
from transforms.fhir.references import References, Refused
from transforms.fhir.validation import locate
from transforms.fhir.versions import describe, explain
from transforms.keys import Keys
from transforms.limits import over

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises on input that it refuses."""


class LinesUnit:
    """NDJSON lines, or one resource; `first` is the position of the first byte of `data`."""

    def __init__(self, data: bytes, source_id: int, first: int, keys: Keys):
        self.source_id = source_id
        self.linker = Linker(keys, References((), {}))
        self._data = data
        self._first = first

    def raw(self, position: int) -> bytes:
        """The line that begins at the position."""
        start = position - self._first
        end = self._data.find(b"\n", start)
        return self._data[start : end if end >= 0 else None].strip()

    def sample(self, position: int, resource_type: str, logical_id: str) -> bytes:
        """As `raw`."""
        return self.raw(position)


class ResourceUnit(LinesUnit):
    """One resource, over any number of lines."""

    def raw(self, position: int) -> bytes:
        """The whole."""
        return self._data.strip()


class BundleUnit:
    """A Bundle; `first` is the position of its first entry, `free` the next one not taken.

    Without `bundle` the entries are decoded one by one, and `refused` holds by index those that
    failed or are longer than `longest`. Such an entry is empty in `entries`. `depth` counts the
    Bundles around this one.
    """

    def __init__(
        self,
        data: bytes,
        bundle: Bundle | None,
        source_id: int,
        first: int,
        keys: Keys,
        longest: int | None = None,
    ):
        self.source_id = source_id
        self.depth = 0
        self._longest = longest
        self.first = first
        self.refused: dict[int, Refused] = {}
        self._data = data
        self._raw_entries: Sequence[Raw] | None = None
        self.timestamp: str | None = None
        if bundle is None:
            self.entries = self._decode_one_by_one()
        else:
            self.entries = bundle.entry
            self.timestamp = bundle.timestamp
            if bundle.timestamp is None and bundle.meta is not None:
                self.timestamp = bundle.meta.last_updated
        self.free = first + len(self.entries)
        self.linker = Linker(keys, References(self.entries, self.refused))

    def raw(self, position: int) -> bytes:
        """The resource of the entry at the position, else the whole entry."""
        if self._raw_entries is None:
            self._raw_entries = decode_raw_bundle(self._data).entry
        raw_entry = self._raw_entries[position - self.first]
        return _raw_resource(raw_entry) or bytes(raw_entry)

    def sample(self, position: int, resource_type: str, logical_id: str) -> bytes:
        """As `raw`, found without a second pass where the resource begins as most do."""
        if self._raw_entries is not None:
            return self.raw(position)
        return locate(self._data, resource_type, logical_id) or self.raw(position)

    def _decode_one_by_one(self) -> Sequence[Entry]:
        raw_bundle = decode_raw_bundle(self._data)
        if isinstance(raw_bundle.timestamp, str):
            self.timestamp = raw_bundle.timestamp
        self._raw_entries = raw_bundle.entry
        entries = []
        for index, raw_entry in enumerate(self._raw_entries):
            reason = None if self._longest is None else too_long(raw_entry, self._longest)
            if reason is not None:
                self.refused[index] = Refused(None, None, reason)
                entries.append(Entry())
                continue
            try:
                entries.append(decode_entry(raw_entry))
            except UNREADABLE as error:
                full_url, self.refused[index] = _refuse(raw_entry, error)
                entries.append(Entry(full_url=full_url))
        return entries


def too_long(data: bytes | Raw, longest: int) -> OverLimit | None:
    """Why a resource of more than `longest` bytes is refused; None for any other."""
    if len(memoryview(data)) <= longest:
        return None
    return OverLimit(over("resource_bytes", longest))


def _raw_resource(raw_entry: Raw) -> bytes:
    """The entry's resource as it stands; empty where there is none."""
    try:
        return bytes(decode_raw_entry(raw_entry).resource)
    except UNREADABLE:
        return b""


def _refuse(raw_entry: Raw, error: Exception) -> tuple[str | None, Refused]:
    """What is known of an entry that does not decode, and why it does not."""
    raw = _raw_resource(raw_entry)
    reason = describe("Bundle.entry", error)
    name = logical_id = None
    if raw:
        name, logical_id = read_head(raw)
        try:
            decode_resource(raw)
        except UNREADABLE:
            reason = explain(raw)
    try:
        full_url = decode_raw_entry(raw_entry).full_url
    except UNREADABLE:
        full_url = None
    return full_url if isinstance(full_url, str) else None, Refused(name, logical_id, reason)


def read_head(raw: bytes) -> tuple[str | None, str | None]:
    """Type (None where it is none of FHIR's) and id of a resource that may not decode otherwise."""
    try:
        head = decode_head(raw)
    except UNREADABLE:
        return None, None
    name = head.resource_type if known_type(head.resource_type) else None
    return name, head.id if isinstance(head.id, str) else None
