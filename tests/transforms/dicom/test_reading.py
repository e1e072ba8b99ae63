import io
import struct
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.transforms.dicom import builders
from transforms.dicom.header import index_row
from transforms.dicom.pixels import read_frames
from transforms.dicom.reading import Skipped, open_dataset, quiet, refusing, transfer_syntax
from transforms.errors import InputError
from transforms.keys import Keys

KEYS = Keys(b"0123456789abcdef")
TAGS = frozenset({0x00100020, 0x00280010, 0x00081140})


def small_file(transfer_syntax_uid: str = ExplicitVRLittleEndian, **attributes: object) -> bytes:
    dataset = builders.image(stored=np.arange(16, dtype=np.uint16).reshape(4, 4), **attributes)
    return builders.written(dataset=dataset, transfer_syntax_uid=transfer_syntax_uid).getvalue()


def outcomes(raw: bytes) -> None:
    """Index and decode; only the two expected exceptions may come out."""
    for read in (
        lambda file: index_row(file, keys=KEYS, source_id=0, position=0),
        lambda file: read_frames(file, size=8, max_frames=2),
    ):
        try:
            read(io.BytesIO(raw))
        except (InputError, Skipped) as error:
            assert builders.PATIENT_ID not in str(error)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x08", b"PK\x03\x04" * 50, b"{}" * 100, bytes(200), bytes(range(7, 250)) * 3],
)
def test_other_files_are_skipped(raw: bytes) -> None:
    with pytest.raises(Skipped, match=r"^not DICOM$"):
        open_dataset(io.BytesIO(raw), tags=TAGS, pixels=False)


def test_bytes_that_only_begin_like_dicom_are_skipped() -> None:
    with pytest.raises(Skipped, match=r"^not DICOM$"):
        open_dataset(io.BytesIO(b"\x08\0\x05\0CS" + b"garbage" * 40), tags=TAGS, pixels=False)


def test_a_prefix_without_an_object_is_refused() -> None:
    with pytest.raises(InputError):
        index_row(
            io.BytesIO(bytes(128) + b"DICM" + b"\xff" * 60), keys=KEYS, source_id=0, position=0
        )


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("missing", [1, 5, 31])
def test_missing_pixel_bytes_are_found_without_reading_them(syntax: str, missing: int) -> None:
    raw = small_file(syntax)
    with pytest.raises(InputError, match=f"truncated: {missing} bytes are missing"):
        open_dataset(io.BytesIO(raw[:-missing]), tags=TAGS, pixels=False)


def test_missing_fragments_are_found_without_reading_them() -> None:
    raw = builders.jpeg2000(stored=np.zeros((64, 64), np.uint8), bits_stored=8).getvalue()
    open_dataset(io.BytesIO(raw), tags=TAGS, pixels=False)
    for missing in (8, 9, 30):
        with pytest.raises(InputError, match="truncated"):
            open_dataset(io.BytesIO(raw[:-missing]), tags=TAGS, pixels=False)


def test_a_file_that_ends_within_an_object_without_pixels_is_refused() -> None:
    raw = builders.written(dataset=builders.header(modality="SR")).getvalue()
    with pytest.raises(InputError, match="truncated"):
        index_row(io.BytesIO(raw[:-3]), keys=KEYS, source_id=0, position=0)


def test_every_length_of_a_cut_file_is_refused_or_skipped() -> None:
    for raw in (small_file(), small_file(ImplicitVRLittleEndian), small_file(ExplicitVRBigEndian)):
        for end in range(len(raw)):
            outcomes(raw[:end])
            with pytest.raises((InputError, Skipped)):
                read_frames(io.BytesIO(raw[:end]), size=8, max_frames=2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)
)
def test_damaged_bytes_raise_nothing_unexpected(which: int, damages: list[tuple[int, int]]) -> None:
    files = (
        small_file(RescaleSlope="2", WindowCenter="1", WindowWidth="2"),
        small_file(ImplicitVRLittleEndian, NumberOfFrames="1"),
        builders.jpeg2000(stored=np.zeros((64, 64), np.uint8), bits_stored=8).getvalue(),
    )
    raw = bytearray(files[which])
    for at, value in damages:
        raw[132 + at % (len(raw) - 132)] = value
    outcomes(bytes(raw))


def test_only_listed_attributes_are_loaded() -> None:
    for syntax in (ExplicitVRLittleEndian, ExplicitVRBigEndian):
        file = io.BytesIO(small_file(syntax))
        dataset, has_pixels = open_dataset(file, tags=TAGS, pixels=False)
        assert has_pixels
        assert {int(element.tag) for element in dataset} - {0x00080005} == {0x00100020, 0x00280010}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("is_undefined", [True, False])
def test_sequences_are_stepped_over(syntax: str, is_undefined: bool) -> None:
    inner, outer = Dataset(), Dataset()
    inner.CodeValue = "T-1"
    inner.is_undefined_length_sequence_item = is_undefined
    outer.PatientID = "not this one"
    outer.PurposeOfReferenceCodeSequence = Sequence([inner, inner])
    outer["PurposeOfReferenceCodeSequence"].is_undefined_length = is_undefined
    outer.is_undefined_length_sequence_item = is_undefined
    dataset = builders.image(stored=np.ones((2, 2), np.uint8))
    dataset.SourceImageSequence = Sequence([outer, outer])
    dataset["SourceImageSequence"].is_undefined_length = is_undefined
    file = builders.written(dataset=dataset, transfer_syntax_uid=syntax)
    found, _ = open_dataset(file, tags=TAGS, pixels=True)
    assert found.PatientID == builders.PATIENT_ID
    assert found.PixelData == b"\1\1\1\1"
    assert transfer_syntax(found) == syntax


def test_a_file_without_transfer_syntax_is_read_by_its_bytes() -> None:
    raw = small_file()
    at = raw.index(b"\x02\0\x10\0UI")
    length = 8 + int.from_bytes(raw[at + 6 : at + 8], "little")
    found, _ = open_dataset(io.BytesIO(raw[:at] + raw[at + length :]), tags=TAGS, pixels=True)
    assert found.Rows == 4
    assert transfer_syntax(found) == ExplicitVRLittleEndian


def test_a_failing_machine_is_no_bad_input() -> None:
    with pytest.raises(OSError, match="disk"), refusing("reading"):
        raise OSError(5, "disk")
    with pytest.raises(InputError, match=r"^reading: OSError$"), refusing("reading"):
        raise OSError("No tag to read, patient Doe")


def test_warnings_are_held_back_while_any_thread_is_inside() -> None:
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with quiet():
            inside.set()
            done.wait(10)

    before = list(warnings.filters)
    thread = threading.Thread(target=other)
    with quiet():
        thread.start()
        inside.wait(10)
    warnings.warn_explicit("value", UserWarning, "misc.py", 1, module="pydicom.misc")
    done.set()
    thread.join()
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning):
        warnings.warn_explicit("value", UserWarning, "misc.py", 1, module="pydicom.misc")


def explicit(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR little endian."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    if vr in (b"SQ", b"OB"):
        return head + bytes(2) + struct.pack("<L", len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    """An item of a sequence."""
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def nested(tag: int, depth: int) -> bytes:
    """A sequence of sequences; the innermost has a value of which a byte is missing."""
    value = explicit(0x00280010, b"US", b"\1\2\3")
    for _ in range(depth):
        value = explicit(0x00081140, b"SQ", item(value))
    return explicit(tag, b"SQ", item(value))


@pytest.mark.parametrize(
    ("tag", "is_regular"),
    [
        (0x00020000, False),  # else nobody looks at it
        *(
            (tag, regular)
            for tag in (0x00020010, 0x00280004, 0x00280103)
            for regular in (True, False)
        ),
    ],
)
def test_a_sequence_in_place_of_a_value_is_refused_before_it_is_written_out(
    tag: int, is_regular: bool
) -> None:
    """With these 10 levels pydicom's message would have megabytes, with 20 gigabytes."""
    meta = {0x00020010: explicit(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")}
    body = {
        0x00080016: explicit(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
        0x00080018: explicit(0x00080018, b"UI", b"1.2.3\0"),
        0x0020000D: explicit(0x0020000D, b"UI", b"1.2.4\0"),
        0x00280010: explicit(0x00280010, b"US", b"\2\0"),
        0x7FE00010: explicit(0x7FE00010, b"OB", bytes(4)),
    }
    (meta if tag >> 16 == 2 else body)[tag] = nested(tag, 10)
    elements = [part[key] for part in (meta, body) for key in sorted(part)]
    if not is_regular:  # an element out of order is for pydicom
        elements[-1:-1] = [explicit(0x00080070, b"LO", b"ab")]
    raw = io.BytesIO(bytes(128) + b"DICM" + b"".join(elements))
    tracemalloc.start()
    try:
        for pixels in (False, True):
            with pytest.raises(InputError, match=r"^\(\w{4},\w{4}\) is a sequence$"):
                open_dataset(raw, tags={*TAGS, tag}, pixels=pixels)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
