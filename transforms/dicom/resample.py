"""Images brought to one size, without aliasing.

Source: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters
"""

import numpy as np
from PIL import Image

from transforms.dicom.luts import Ramp

# Pillow gives an image's memory back to the system at once, and touching it anew for the next
# costs more than resampling does. It keeps up to four blocks instead, of at most 16 MB each.
# Source: https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
Image.core.set_blocks_max(4)  # type: ignore[attr-defined]


def fit_square(image: np.ndarray, ramp: Ramp, *, size: int, aspect: float) -> np.ndarray:
    """Image (height, width, channels) and the ramp that shows it -> float32
    (size, size, channels) in [0, 1].

    The image is float32 or integers of at most 16 bits; the ramp is applied after resampling.
    `aspect` is the height of a pixel over its width. The longer side, as it is in the body,
    becomes `size`; the shorter keeps the proportion and is padded with 0 on both sides. Going
    down, whole blocks of pixels are averaged while that leaves a side no shorter than it shall
    be, and then each pixel is a triangle-weighted mean of the blocks in about twice the area
    that it covers; going up, it is interpolated linearly. 8-bit colours are rounded to integers
    on the way.
    """
    height, width, channels = image.shape
    scale = size / max(height * aspect, width)
    rows = min(size, max(1, round(height * aspect * scale)))
    columns = min(size, max(1, round(width * scale)))
    top, left = (size - rows) // 2, (size - columns) // 2
    out = np.zeros((size, size, channels), np.float32)
    inside = out[top : top + rows, left : left + columns]
    if image.dtype == np.uint8 and channels == 3:
        inside[:] = ramp.apply(_resize_colours(image, rows, columns))
    else:
        for channel in range(channels):
            inside[..., channel] = ramp.apply(_resize(image[..., channel], rows, columns))
    return out


def _resize(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Plane (height, width) of numbers -> (rows, columns) of float32."""
    height, width = plane.shape
    down, across = max(1, height // rows), max(1, width // columns)
    means = _block_means(_block_means(plane, down).T, across).T
    if means.shape == (rows, columns):
        return means
    whole = (0, 0, width / across, height / down)  # the last blocks may be cut short
    resized = Image.fromarray(np.ascontiguousarray(means)).resize(
        (columns, rows), Image.Resampling.BILINEAR, whole
    )
    return np.asarray(resized)


def _block_means(plane: np.ndarray, length: int) -> np.ndarray:
    """Means of every `length` rows, float32; the last of those that are left."""
    if length == 1:
        return plane.astype(np.float32, copy=False)
    sums = plane[::length].astype(np.float32)
    for offset in range(1, length):
        part = plane[offset::length]
        sums[: len(part)] += part
    sums[-1] *= length / (len(plane) - (len(sums) - 1) * length)
    sums /= length
    return sums


def _resize_colours(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """As `_resize`, for uint8 (height, width, 3), by Pillow alone."""
    if image.shape[:2] == (rows, columns):
        return image
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(image)).resize(
            (columns, rows), Image.Resampling.BILINEAR, reducing_gap=1.0
        )
    )
