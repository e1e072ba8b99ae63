"""Maps of evidence -> small grey pictures as PNG.

Source: https://www.w3.org/TR/png-3/
"""

import struct
import zlib

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
_FAST = 1


def draw_evidence(evidence: Float32, size: int) -> list[bytes]:
    """float32 (n, frames, h, w) -> n PNGs, the frames side by side, each size x size, 8-bit grey.

    The brightest place speaks most for the disease, black ones do not or speak against it.
    Brightness is relative to the brightest place of the same picture.
    """
    positive = np.maximum(evidence, 0)
    rows, columns = (_interpolation(length, size) for length in evidence.shape[2:])
    count, frames, height, width = evidence.shape
    # Each of the two products is one of two flat matrices, which is many times as fast.
    wide = positive.reshape(-1, width) @ columns.T
    wide = wide.reshape(count, frames, height, size).transpose(0, 1, 3, 2).reshape(-1, height)
    drawn = (wide @ rows.T).reshape(count, frames, size, size)  # (n, frames, across, down)
    brightest = drawn.max(axis=(1, 2, 3), keepdims=True)
    grey = (drawn * (255 / np.maximum(brightest, 1e-9)) + 0.5).astype(np.uint8)
    beside = grey.transpose(0, 3, 1, 2).reshape(count, size, frames * size)
    return [grey_png(picture) for picture in beside]


def _interpolation(places: int, size: int) -> Float32:
    """(size, places) float32: weights of linear interpolation between centres of places."""
    position = (np.arange(size) + 0.5) * places / size - 0.5
    distance = np.abs(np.clip(position, 0, places - 1)[:, None] - np.arange(places))
    return np.maximum(1 - distance, 0).astype(np.float32)


def grey_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    r"""uint8 (height, width) -> a PNG of 8-bit grey.

    >>> grey_png(np.zeros((2, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width = pixels.shape
    unfiltered = np.pad(pixels, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered, _FAST)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
