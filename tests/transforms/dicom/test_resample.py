import numpy as np
import pytest

from transforms.dicom.luts import AS_IT_IS, Ramp
from transforms.dicom.resample import fit_square


def test_a_constant_stays_constant_and_float32() -> None:
    out = fit_square(np.full((512, 512, 1), 0.25, np.float32), AS_IT_IS, size=64, aspect=1.0)
    assert out.dtype == np.float32
    assert out.shape == (64, 64, 1)
    np.testing.assert_allclose(out, 0.25, atol=1e-6)


def test_stripes_finer_than_a_pixel_become_their_mean() -> None:
    stripes = np.zeros((256, 256, 1), np.float32)
    stripes[:, ::2] = 1
    out = fit_square(stripes, AS_IT_IS, size=32, aspect=1.0)
    np.testing.assert_allclose(out[:, 2:-2], 0.5, atol=1e-3)


def test_the_mean_survives() -> None:
    noise = np.random.default_rng(0).random((300, 300, 1), np.float32)
    out = fit_square(noise, AS_IT_IS, size=30, aspect=1.0)
    assert out.mean() == pytest.approx(noise.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("shape", "aspect", "inside"),
    [
        ((40, 20), 1.0, (slice(0, 8), slice(2, 6))),
        ((20, 40), 1.0, (slice(2, 6), slice(0, 8))),
        ((20, 40), 2.0, (slice(0, 8), slice(0, 8))),
        ((40, 40), 0.5, (slice(2, 6), slice(0, 8))),
        ((1, 1000), 1.0, (slice(3, 4), slice(0, 8))),
    ],
)
def test_the_body_keeps_its_proportions(
    shape: tuple[int, int], aspect: float, inside: tuple[slice, slice]
) -> None:
    out = fit_square(np.ones((*shape, 1), np.float32), AS_IT_IS, size=8, aspect=aspect)
    expected = np.zeros((8, 8), np.float32)
    expected[inside] = 1
    np.testing.assert_allclose(out[..., 0], expected, atol=1e-6)


def test_going_up_interpolates_linearly() -> None:
    out = fit_square(
        np.array([[[0.0], [1.0]], [[0.0], [1.0]]], np.float32), AS_IT_IS, size=4, aspect=1.0
    )
    np.testing.assert_allclose(out[0, :, 0], [0, 0.25, 0.75, 1], atol=1e-6)


def test_eight_bit_colour_is_divided_by_255() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 1] = 51
    out = fit_square(image, Ramp(0, 255), size=2, aspect=1.0)
    np.testing.assert_allclose(out[0, 0], [0, 0.2, 0], atol=1e-6)
    assert out.dtype == np.float32


def area_means(plane: np.ndarray, *, rows: int, columns: int) -> np.ndarray:
    """Exact means of the area that each pixel of the result covers."""

    def weights(before: int, after: int) -> np.ndarray:
        edges = np.arange(after + 1) * before / after
        pixels = np.arange(before)
        high = np.minimum(edges[1:, np.newaxis], pixels + 1)
        return np.clip(high - np.maximum(edges[:-1, np.newaxis], pixels), 0, 1) * after / before

    return weights(plane.shape[0], rows) @ plane @ weights(plane.shape[1], columns).T


def smooth(*, rows: int, columns: int) -> np.ndarray:
    """Waves of about a third of the image, from 0 to 4000."""
    down, across = np.mgrid[:rows, :columns]
    waves = np.sin(down * 20 / rows) + np.cos(across * 17 / columns)
    return 2000 + 1000 * waves


@pytest.mark.parametrize("side", [8, 15, 16, 17, 23, 24, 100, 201])
@pytest.mark.parametrize("of_type", [np.int16, np.uint16, np.float32])
def test_no_block_moves_or_fades(side: int, of_type: type[np.number]) -> None:
    """Sides that blocks fill and that leave a part of one over, against exact area means."""
    plane = smooth(rows=20 * side, columns=20 * side + 7).astype(of_type)
    out = fit_square(plane[..., np.newaxis], Ramp(0, 4000), size=20 * 8, aspect=1.0)
    inside = out[np.flatnonzero(out[..., 0].max(axis=1))]
    expected = area_means(plane, rows=len(inside), columns=160) / 4000
    np.testing.assert_allclose(inside[..., 0], expected, atol=0.005)


def test_whole_blocks_are_means() -> None:
    plane = np.random.default_rng(0).integers(-2000, 2000, (24, 24)).astype(np.int16)
    out = fit_square(plane[..., np.newaxis], Ramp(-2000, 4000), size=8, aspect=1.0)
    expected = (plane.reshape(8, 3, 8, 3).mean(axis=(1, 3)) + 2000) / 4000
    np.testing.assert_allclose(out[..., 0], expected, atol=1e-6)


def test_sums_of_blocks_do_not_overflow() -> None:
    plane = np.full((1000, 1000, 1), 65535, np.uint16)
    np.testing.assert_allclose(fit_square(plane, Ramp(0, 65535), size=4, aspect=1.0), 1, atol=1e-6)


def test_the_margin_is_black_even_where_the_ramp_is_inverted() -> None:
    plane = np.zeros((4, 8, 1), np.uint8)
    out = fit_square(plane, Ramp(0, 255).inverted(), size=4, aspect=1.0)
    np.testing.assert_array_equal(out[..., 0].max(axis=1), [0, 1, 1, 0])
