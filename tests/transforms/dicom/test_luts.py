import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from transforms.dicom import luts
from transforms.dicom.luts import Lut, Ramp, Rescale
from transforms.errors import InputError


def dataset(**attributes: object) -> Dataset:
    found = Dataset()
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found


def lut_item(*, descriptor: list[int], data: list[int]) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, "US", data)
    return item


def shown(found: tuple[np.ndarray, Ramp] | None) -> np.ndarray:
    assert found is not None
    values, ramp = found
    return ramp.apply(values)


def linear(x: np.ndarray, center: float, width: float) -> np.ndarray:
    """PS3.3 C.11.2.1.2.1, as it is written there."""
    y = (x - (center - 0.5)) / (width - 1) + 0.5
    y[x <= center - 0.5 - (width - 1) / 2] = 0
    y[x > center - 0.5 + (width - 1) / 2] = 1
    return y


@pytest.mark.parametrize("rescale", [Rescale(), Rescale(2.0, -1024.0), Rescale(-1.0, 500.0)])
@pytest.mark.parametrize(("center", "width"), [(40.0, 400.0), (0.5, 2.0), (-600.0, 1500.0)])
def test_linear_window(rescale: Rescale, center: float, width: float) -> None:
    stored = np.arange(-2000, 2000, dtype=np.float64)
    found = shown(luts.window(stored, center, width, "LINEAR", rescale))
    expected = linear(stored * rescale.slope + rescale.intercept, center, width)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_linear_window_of_width_one_is_a_step() -> None:
    found = shown(luts.window(np.array([9.0, 10.0, 11.0]), 10.5, 1.0, "LINEAR", Rescale()))
    np.testing.assert_array_equal(found, [0, 0, 1])


def test_linear_exact_window() -> None:
    found = shown(luts.window(np.array([-1.0, 0, 25, 50, 60]), 25, 50, "LINEAR_EXACT", Rescale()))
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1])


def test_sigmoid_window() -> None:
    values = np.array([-1e9, 40.0, 140.0, 1e9])
    found = shown(luts.window(values, 40, 400, "SIGMOID", Rescale()))
    np.testing.assert_allclose(found, [0, 0.5, 1 / (1 + np.exp(-1)), 1], atol=1e-12)


@pytest.mark.parametrize("width", [0.0, -5.0, 1e-320])
def test_an_unusable_width_is_no_window(width: float) -> None:
    with np.errstate(over="ignore"):
        assert luts.window(np.zeros(2), 0, width, "LINEAR", Rescale()) is None


def test_the_first_of_several_windows() -> None:
    item = dataset(WindowCenter=["50", "5000"], WindowWidth=["101", "10000"])
    found = shown(luts.voi(np.array([0.0, 99.5, 49.5]), Rescale(), item))
    np.testing.assert_allclose(found, [0.005, 1, 0.5])


def test_a_ramp_and_its_inverse() -> None:
    values = np.array([-100, 10, 60, 110, 300], np.int16)
    ramp = Ramp(10, 100)
    np.testing.assert_allclose(ramp.apply(values), [0, 0, 0.5, 1, 1], atol=1e-7)
    np.testing.assert_allclose(ramp.inverted().apply(values), [1, 1, 0.5, 0, 0], atol=1e-7)
    assert (ramp.darkest(), ramp.inverted().darkest()) == (10, 110)
    assert ramp.apply(values).dtype == np.float32


@pytest.mark.parametrize(("black", "span"), [(9.5, 300.0), (-1e9, 2e9), (20.5, -300.0), (0, 7)])
@pytest.mark.parametrize("of_type", [np.uint8, np.int16, np.uint16])
def test_values_are_shown_the_same_after_the_cut(
    black: float, span: float, of_type: type[np.integer]
) -> None:
    limits = np.iinfo(of_type)
    values = np.linspace(limits.min, limits.max, 1001).astype(of_type)
    ramp = Ramp(black, span)
    cut = ramp.cut(values)
    np.testing.assert_array_equal(ramp.apply(cut), ramp.apply(values))
    assert cut.dtype == of_type
    assert cut.min() >= max(limits.min, np.floor(min(black, black + span)))
    assert cut.max() <= min(limits.max, np.ceil(max(black, black + span)))


def test_which_values_may_be_averaged_before_they_are_shown() -> None:
    values = np.zeros(1, np.int16)
    assert Ramp(0.5, 256).suits_means_of(values)  # a step of 1/256 at most
    assert Ramp(-7, 2).suits_means_of(values)  # whole numbers
    assert not Ramp(0.5, 255).suits_means_of(values)
    assert not Ramp(0, 254.5).suits_means_of(values)
    assert not Ramp(0, 1000).suits_means_of(values.astype(np.float32))
    assert not Ramp(0, 1000).suits_means_of(values.astype(np.int32))


@pytest.mark.parametrize("first", [-3, 0, 5])
@pytest.mark.parametrize("of_type", [np.uint8, np.uint16])
def test_a_palette_looks_up_every_colour(first: int, of_type: type[np.integer]) -> None:
    table = np.random.default_rng(0).integers(0, 256, (200, 3)).astype(np.uint8)
    stored = np.arange(256, dtype=of_type).reshape(8, 32)
    entries = np.clip(stored.astype(int) - first, 0, 199)
    np.testing.assert_array_equal(Lut(table, first, 8).colour(stored), table[entries])


def test_voi_lut_sequence_goes_before_the_window() -> None:
    item = dataset(WindowCenter="0", WindowWidth="1")
    item.VOILUTSequence = Sequence([lut_item(descriptor=[3, 10, 8], data=[0, 51, 255])])
    found = shown(luts.voi(np.array([0.0, 10, 11, 12, 99]), Rescale(), item))
    np.testing.assert_allclose(found, [0, 0, 0.2, 1, 1], atol=1e-7)


def test_modality_lut_sequence() -> None:
    item = dataset()
    item.ModalityLUTSequence = Sequence([lut_item(descriptor=[3, 5, 16], data=[100, 200, 4000])])
    found = luts.modality(item)
    assert isinstance(found, Lut)
    np.testing.assert_array_equal(
        found.apply(np.array([0, 5, 6, 7, 9])), [100, 100, 200, 4000, 4000]
    )


def test_a_slope_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="RescaleSlope is zero"):
        luts.modality(dataset(RescaleSlope="0", RescaleIntercept="1"))


def test_a_lut_that_is_too_short_is_refused() -> None:
    with pytest.raises(InputError, match="LUT with 2 of 3 entries"):
        luts.lut(lut_item(descriptor=[3, 0, 16], data=[1, 2]))


def test_a_missing_palette_is_refused() -> None:
    with pytest.raises(InputError, match="palette"):
        luts.palette(dataset())
