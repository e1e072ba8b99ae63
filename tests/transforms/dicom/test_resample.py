import numpy as np
import pytest

from transforms.dicom.resample import fit_square


def test_a_constant_stays_constant_and_float32() -> None:
    out = fit_square(np.full((512, 512, 1), 0.25, np.float32), size=64, aspect=1.0)
    assert out.dtype == np.float32
    assert out.shape == (64, 64, 1)
    np.testing.assert_allclose(out, 0.25, atol=1e-6)


def test_stripes_finer_than_a_pixel_become_their_mean() -> None:
    stripes = np.zeros((256, 256, 1), np.float32)
    stripes[:, ::2] = 1
    out = fit_square(stripes, size=32, aspect=1.0)
    np.testing.assert_allclose(out[:, 2:-2], 0.5, atol=1e-3)


def test_the_mean_survives() -> None:
    noise = np.random.default_rng(0).random((300, 300, 1), np.float32)
    assert fit_square(noise, size=30, aspect=1.0).mean() == pytest.approx(noise.mean(), abs=0.01)


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
    out = fit_square(np.ones((*shape, 1), np.float32), size=8, aspect=aspect)
    expected = np.zeros((8, 8), np.float32)
    expected[inside] = 1
    np.testing.assert_allclose(out[..., 0], expected, atol=1e-6)


def test_going_up_interpolates_linearly() -> None:
    out = fit_square(np.array([[[0.0], [1.0]], [[0.0], [1.0]]], np.float32), size=4, aspect=1.0)
    np.testing.assert_allclose(out[0, :, 0], [0, 0.25, 0.75, 1], atol=1e-6)


def test_eight_bit_colour_is_divided_by_255() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 1] = 51
    out = fit_square(image, size=2, aspect=1.0)
    np.testing.assert_allclose(out[0, 0], [0, 0.2, 0], atol=1e-6)
    assert out.dtype == np.float32
