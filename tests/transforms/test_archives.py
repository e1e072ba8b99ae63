"""Zips whose bytes are changed at random: read, or refused with an error that is expected."""

import gzip
import io
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms import sources
from transforms.archives import open_zip
from transforms.errors import OverLimit
from transforms.find_files import Found
from transforms.inflation import read_whole
from transforms.limits import DEFAULT_LIMITS, Limits


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


WHOLE = zipped(a=b"a" * 300, b=bytes(range(256)), c=gzip.compress(b"c" * 100))
LIMITS = Limits(file_bytes=1 << 20, zip_members=100)


def read_all(path, data: bytes) -> int:
    """Reads a zip as the readers do; how many parts were read or refused."""
    path.write_bytes(data)
    count = 0
    for unit in sources.split_units(Found(str(path), len(data)), ranges=False, limits=LIMITS):
        try:
            for part in sources.parts(unit, LIMITS):
                count += 1
                try:
                    with sources.open_part(part, LIMITS) as content:
                        read_whole(content.stream, LIMITS)
                except sources.UNREADABLE as error:
                    assert sources.why_unreadable(error)
        except sources.UNREADABLE:
            count += 1
    return count


@settings(max_examples=400)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, len(WHOLE)),
)
@example(changes=[], cut=len(WHOLE))
def test_changed_bytes_are_read_or_refused(tmp_path_factory, changes, cut):
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    count = read_all(path, bytes(data[:cut]))
    assert count >= 1 or not zipfile.ZipFile(path).infolist()
    if not changes:
        assert count == (3 if cut == len(WHOLE) else 1)


@pytest.mark.parametrize("zip64", [False, True])
def test_a_huge_directory_is_refused_before_it_is_read(zip64, monkeypatch):
    data = bytearray(WHOLE)
    end = data.rfind(b"PK\x05\x06")
    huge = 101 * 46
    if zip64:
        end64 = b"PK\x06\x06" + bytes(36) + huge.to_bytes(8, "little") + bytes(8)
        data[end:end] = end64 + b"PK\x06\x07" + bytes(16)
    else:
        data[end + 12 : end + 16] = huge.to_bytes(4, "little")
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with (
        pytest.raises(OverLimit, match=r"more than --max-zip-members 100"),
        open_zip(io.BytesIO(data), LIMITS),
    ):
        pass


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_read(tmp_path, packing):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("a", b"x" * 1000)
    (unit,) = sources.split_units(
        Found(str(path), path.stat().st_size), ranges=False, limits=DEFAULT_LIMITS
    )
    for part in sources.parts(unit, DEFAULT_LIMITS):
        with sources.open_part(part, DEFAULT_LIMITS) as content:
            assert content.stream.read() == b"x" * 1000
