import io

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, AllTransferSyntaxes, JPEGLosslessSV1

from tests.transforms.dicom import builders
from transforms.dicom.codecs import OWN, PLUGINS, decoder_for, frame_header
from transforms.dicom.pixels import decode_stored
from transforms.errors import InputError


def test_every_compressed_syntax_that_pydicom_knows_has_a_plugin() -> None:
    """A new pydicom may know more: then it is to be said here who decodes it."""
    known = set()
    for uid in AllTransferSyntaxes:
        try:
            decoder = get_decoder(UID(uid))
        except NotImplementedError:
            continue
        if not decoder.is_native:
            known.add(uid)
    assert known == set(PLUGINS)


@pytest.mark.parametrize("uid", sorted(PLUGINS))
def test_the_plugin_is_installed(uid: str) -> None:
    decoder, plugin = decoder_for(uid)
    assert plugin in decoder.available_plugins


def test_high_throughput_jpeg2000_is_ours() -> None:
    assert decoder_for("1.2.840.10008.1.2.4.201")[1] == OWN


def test_video_is_refused() -> None:
    with pytest.raises(InputError, match="without a decoder"):
        decoder_for("1.2.840.10008.1.2.4.102")


START = b"\xff\xd8"
TABLE = b"\xff\xdb\0\x04\1\2"
FRAME = b"\xff\xc1\0\x0b\x0c\x01\0\0\x80\x01\x01\x11\0"  # 12 bits, 256 x 128, 1 component
SCAN = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0"


def test_frame_header() -> None:
    assert frame_header(START + TABLE + FRAME + SCAN) == (12, 256, 128, 1)


def adobe(transform: int) -> bytes:
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (FRAME + SCAN, "without a start"),
        (START + TABLE + SCAN, "without a frame header"),
        (START + FRAME + FRAME + SCAN, "two frame headers"),
        (START + b"\xff\0\0\x04\1\2" + FRAME + SCAN, "do not follow"),
        (START + FRAME + b"garbage" + SCAN, "do not follow"),
        (START + FRAME, "do not follow"),
        (START + FRAME[:6], "do not follow"),
        (START + adobe(7) + FRAME + SCAN, "unknown colour transform"),
    ],
)
def test_streams_that_would_end_the_process_are_refused(stream: bytes, message: str) -> None:
    assert frame_header(START + adobe(1) + FRAME + SCAN) == (12, 256, 128, 1)
    with pytest.raises(ValueError, match=message):
        frame_header(stream)


def lossless_gray_in_rgb(**attributes: object) -> io.BytesIO:
    """8 x 8 pixels of lossless JPEG, each sample 128: no differences, one bit each."""
    components = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    stream = (
        START
        + b"\xff\xc3\0\x11\x08\0\x08\0\x08\x03"
        + components
        + b"\xff\xc4\0\x14\0\x01"
        + bytes(16)
        + b"\xff\xda\0\x0c\x03\1\0\2\0\3\0\1\0\0"
        + bytes(24)
        + b"\xff\xd9"
    )
    dataset = builders.image(stored=np.zeros((8, 8, 3), np.uint8), photometric="RGB", **attributes)
    dataset["PixelData"].value = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return builders.written(dataset=dataset, transfer_syntax_uid=JPEGLosslessSV1)


@pytest.mark.parametrize("bits_stored", [8, 2])
def test_colour_of_fewer_bits_than_its_samples_is_decoded(bits_stored: int) -> None:
    """GDCM would end the process."""
    stored, _ = decode_stored(lossless_gray_in_rgb(BitsStored=bits_stored))
    assert stored.shape == (8, 8, 3)
    assert stored.max() == (128 if bits_stored == 8 else 0)


@pytest.mark.parametrize("bits_allocated", [32, 64])
def test_jpeg_in_wide_samples_is_refused(bits_allocated: int) -> None:
    """GDCM would end the process."""
    with pytest.raises(InputError, match="cannot be decoded"):
        decode_stored(lossless_gray_in_rgb(BitsAllocated=bits_allocated))
