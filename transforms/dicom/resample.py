"""Images brought to one size, without aliasing.

Source: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters
"""

import numpy as np
from PIL import Image

# Above this many times the size, an image is first averaged over whole blocks down to it:
# several times faster, and the filter after it still spans several blocks.
_REDUCING_GAP = 2.0

# Pillow gives an image's memory back to the system at once, and touching it anew for the next
# costs more than resampling does. It keeps up to four blocks instead, of at most 16 MB each.
# Source: https://pillow.readthedocs.io/en/stable/reference/block_allocator.html
Image.core.set_blocks_max(4)  # type: ignore[attr-defined]


def fit_square(image: np.ndarray, *, size: int, aspect: float) -> np.ndarray:
    """Image (height, width, channels) of float32, or of uint8 with 3 channels -> float32
    (size, size, channels).

    float32 keeps its scale, uint8 is divided by 255. `aspect` is the height of a pixel over its
    width. The longer side, as it is in the body, becomes `size`; the shorter keeps the
    proportion and is padded with 0 on both sides. Going down, each pixel is a triangle-weighted
    mean over about twice the area that it covers; going up, it is interpolated linearly.
    uint8 images are rounded to 1/255 on the way.
    """
    height, width, channels = image.shape
    scale = size / max(height * aspect, width)
    rows = min(size, max(1, round(height * aspect * scale)))
    columns = min(size, max(1, round(width * scale)))
    top, left = (size - rows) // 2, (size - columns) // 2
    out = np.zeros((size, size, channels), np.float32)
    inside = out[top : top + rows, left : left + columns]
    if image.dtype == np.uint8:
        inside[:] = _resize(image, rows, columns)
        out /= np.float32(255)
    else:
        for channel in range(channels):
            inside[..., channel] = _resize(image[..., channel], rows, columns)
    return out


def _resize(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    if image.shape[:2] == (rows, columns):
        return image
    plane = Image.fromarray(np.ascontiguousarray(image))
    resized = plane.resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    return np.asarray(resized)
