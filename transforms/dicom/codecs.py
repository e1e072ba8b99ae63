"""Which decoder reads which transfer syntax, stated so that the same file gives the same pixels
whatever else is installed.

The plugin for JPEG, JPEG-LS and JPEG 2000 is our own: pydicom finds `openjpeg` only through the
package `pylibjpeg`, keeps JPEG Extended of 12 bits from GDCM, which has learnt to read it, and
hands on every stream, whereas here one that is not an image of the header's size is refused
before it is decoded.

Source: https://pydicom.github.io/pydicom/stable/guides/decoding/decoder_plugins.html
"""

import gdcm
import openjpeg
from pydicom.pixels.decoders.base import Decoder, DecodeRunner, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from transforms.errors import InputError

OWN = "nightrounds"
PLUGINS: dict[str, str] = {
    JPEGBaseline8Bit: "pillow",  # the sturdier decoder, and Beam brings it
    JPEGExtended12Bit: OWN,
    JPEGLossless: OWN,
    JPEGLosslessSV1: OWN,
    JPEGLSLossless: OWN,
    JPEGLSNearLossless: OWN,
    JPEG2000Lossless: OWN,
    JPEG2000: OWN,
    HTJ2KLossless: OWN,
    HTJ2KLosslessRPCL: OWN,
    HTJ2K: OWN,
    RLELossless: "pydicom",
}

DECODER_DEPENDENCIES = {uid: ("pylibjpeg-openjpeg>=2.0", "gdcm>=3.2") for uid in PLUGINS}

_JPEG_2000 = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})
_JPEG_LS = frozenset({JPEGLSLossless, JPEGLSNearLossless})
# Start of frame: of every JPEG process (C4, C8 and CC mean something else), of JPEG-LS.
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
# Markers with a length that may stand before the scan: not restart, start and end of image.
_SEGMENTS = frozenset(range(0xC0, 0xFF)) - frozenset(range(0xD0, 0xDA))

# GDCM would write to stderr past every logger.
gdcm.Trace.WarningOff()
gdcm.Trace.ErrorOff()
gdcm.Trace.DebugOff()


def is_available(uid: str) -> bool:
    """Whether a plugin of this module decodes the syntax (part of pydicom's interface)."""
    return PLUGINS.get(uid) == OWN


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes | bytearray:
    """Code stream of one frame -> its samples; RGB where JPEG 2000 held YBR.

    Raises: ValueError, when the stream is not an image as the header describes it;
    RuntimeError, when the codec cannot decode it.
    """
    if runner.transfer_syntax in _JPEG_2000:
        return _jpeg_2000(src, runner)
    return _jpeg(src, runner)


def _jpeg_2000(src: bytes, runner: DecodeRunner) -> bytearray:
    stream = openjpeg.get_parameters(src)
    found = (stream["rows"], stream["columns"], stream["samples_per_pixel"])
    stated = (runner.rows, runner.columns, runner.samples_per_pixel)
    if found != stated:
        raise ValueError(f"code stream of {found} in an image of {stated}")
    frame: bytearray = openjpeg.decode_pixel_data(src, version=2, **runner.options)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")  # OpenJPEG has converted it
    # OpenJPEG chooses the sample's size by the stream's precision, not by the header.
    precision = runner.get_option("j2k_precision", runner.bits_stored)
    runner.set_option("bits_allocated", 8 if precision <= 8 else 16 if precision <= 16 else 32)
    return frame


def _jpeg(src: bytes, runner: DecodeRunner) -> bytes:
    precision, *size = frame_header(src)
    if size != [runner.rows, runner.columns, runner.samples_per_pixel]:
        raise ValueError(f"code stream of {size} in an image of another size")
    if not 2 <= precision <= runner.bits_allocated:
        raise ValueError(f"code stream of {precision} bits in an image of fewer")
    is_jpeg_ls = runner.transfer_syntax in _JPEG_LS
    if not is_jpeg_ls and runner.bits_allocated not in (8, 16):
        raise ValueError("JPEG in samples of another size than 8 or 16 bits")  # GDCM would abort
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(src)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    colour = gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(colour))
    syntax = gdcm.TransferSyntax.GetTSType(str(runner.transfer_syntax))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    if runner.samples_per_pixel > 1:
        image.SetPlanarConfiguration(runner.planar_configuration)
    bits_stored = runner.bits_stored
    if runner.transfer_syntax == JPEGExtended12Bit:
        # Lossy coding overshoots the stored range, and GDCM, like pydicom after it, would cut
        # the upper bits, so that white turns black.
        bits_stored = precision
        runner.set_option("bits_stored", precision)
    elif runner.samples_per_pixel > 1 and runner.bits_allocated == 8:
        bits_stored = 8  # GDCM aborts at other numbers, and the samples are the same
    if is_jpeg_ls:
        # GDCM gives colour by pixel, in samples as wide as the stream's precision needs.
        runner.set_option("planar_configuration", 0)
        runner.set_option("bits_allocated", 8 if precision <= 8 else 16)
        bits_stored = precision
    image.SetPixelFormat(
        gdcm.PixelFormat(
            runner.samples_per_pixel,
            runner.bits_allocated,
            bits_stored,
            bits_stored - 1,
            runner.pixel_representation,
        )
    )
    decoded = image.GetBuffer()
    if decoded is None:
        raise RuntimeError("GDCM has no image")
    return bytes(decoded.encode("utf-8", "surrogateescape"))  # it gives char* as str


def frame_header(src: bytes) -> tuple[int, int, int, int]:
    """JPEG or JPEG-LS code stream -> (precision in bits, rows, columns, components).

    Every marker segment up to the scan is checked, because GDCM ends the whole process on
    some streams that are out of order.

    Raises: ValueError, when there is no frame header before the scan, or segments do not
    follow one another.
    Source: ITU-T T.81 annex B, T.87 annex C
    """
    if src[:2] != b"\xff\xd8":
        raise ValueError("code stream without a start")
    at, found = 2, None
    while True:
        marker, length = src[at : at + 2], int.from_bytes(src[at + 2 : at + 4])
        is_segment = len(marker) == 2 and marker[0] == 0xFF and marker[1] in _SEGMENTS
        if not is_segment or length < 2 or at + 2 + length > len(src):
            raise ValueError("code stream whose segments do not follow one another")
        if marker[1] in _FRAMES:
            if found is not None or length < 8:
                raise ValueError("code stream with two frame headers, or a short one")
            body = src[at + 4 : at + 10]
            found = (body[0], int.from_bytes(body[1:3]), int.from_bytes(body[3:5]), body[5])
        if marker[1] == _SCAN:
            break
        if marker[1] == 0xEE and src[at + 4 : at + 9] == b"Adobe" and src[at + 15] > 1:
            raise ValueError("code stream with an unknown colour transform")
        # A fill byte may stand before a marker.
        at += 2 + length
        while src[at : at + 2] == b"\xff\xff":
            at += 1
    if found is None:
        raise ValueError("code stream without a frame header")
    return found


def decoder_for(transfer_syntax_uid: str) -> tuple[Decoder, str]:
    """TransferSyntaxUID -> (pydicom's decoder, name of the plugin that it shall use).

    Raises: InputError, when no decoder is known.
    """
    try:
        decoder = get_decoder(UID(transfer_syntax_uid))
    except NotImplementedError:
        raise InputError("transfer syntax without a decoder") from None
    return decoder, PLUGINS.get(transfer_syntax_uid, "")


for _uid, _plugin in PLUGINS.items():
    _decoder = get_decoder(UID(_uid))
    if _plugin == OWN and OWN not in _decoder.available_plugins:
        _decoder.add_plugin(OWN, (__name__, decode_frame.__name__))
