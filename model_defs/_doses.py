"""Doses of a drug by the week: learned as their square roots, said as a dose and its class.

The spread of doses grows with the dose, that of their roots does not, so the forest learns roots
(IWPC 2009, https://doi.org/10.1056/NEJMoa0809329, does the same). The classes lie between cuts: a
dose equal to a cut of the lower half of cuts belongs below it, else above it.
"""

import numpy as np
import numpy.typing as npt

from transforms.calibration import INTERVAL, LEVELS
from transforms.prediction_rows import Predictions

UNIT = "mg/week"
# Half a tablet of 5 mg: doses differ by steps, so what is predicted within half a step of a cut
# stands for a dose on the cut, and counts for the class that the cut belongs to.
STEP = 2.5
PENALTY = 60.0

Floats = npt.NDArray[np.floating]


def read_cuts(texts: tuple[str, ...]) -> tuple[float, ...]:
    """Cuts as text -> numbers.

    Raises: ValueError, when they are no numbers above 0 that ascend.
    """
    try:
        cuts = tuple(float(text) for text in texts)
    except ValueError:
        cuts = (0.0,)
    if not all(low < high for low, high in zip((0.0, *cuts), cuts, strict=False)):
        raise ValueError(f"dose_cuts must be ascending numbers above 0, not {','.join(texts)}")
    return cuts


def _below(cuts: tuple[float, ...]) -> list[bool]:
    """Whether a dose equal to a cut belongs below it."""
    return [number < len(cuts) / 2 for number in range(len(cuts))]


def class_names(cuts: tuple[float, ...]) -> tuple[str, ...]:
    """Cuts -> names of the classes between them.

    >>> class_names((21.0, 49.0))
    ('≤21 mg/week', '>21 to <49 mg/week', '≥49 mg/week')
    """
    upper = [
        f"{'≤' if below else '<'}{cut:g}" for cut, below in zip(cuts, _below(cuts), strict=True)
    ]
    lower = [
        f"{'>' if below else '≥'}{cut:g}" for cut, below in zip(cuts, _below(cuts), strict=True)
    ]
    middle = [f"{low} to {high}" for low, high in zip(lower, upper[1:], strict=False)]
    return tuple(f"{name} {UNIT}" for name in (upper[0], *middle, lower[-1]))


def predict_doses(
    root: Floats, typical_root: float, residuals: Floats, cuts: tuple[float, ...]
) -> Predictions:
    """Roots of doses (n,) -> dose, classes with probabilities, 90 % interval.

    `residuals`: quantiles, at LEVELS, of true less predicted dose; they are brought to the scale
    of roots at the typical dose. Without them there is the dose alone.
    """
    root = np.maximum(root, 0)
    score = np.square(root).astype(np.float32)
    if not len(residuals):
        return Predictions(score=score)
    typical_root = max(typical_root, 0.0)
    errors = np.sqrt(np.maximum(typical_root**2 + residuals, 0)) - typical_root
    under = [
        _share_under(np.sqrt(max(cut + (STEP if below else -STEP) / 2, 0)) - root, errors)
        for cut, below in zip(cuts, _below(cuts), strict=True)
    ]
    steps = np.maximum.accumulate(np.stack([np.zeros(len(root)), *under, np.ones(len(root))]))
    probabilities = np.diff(steps, axis=0).T.astype(np.float32)
    tail = (1 - INTERVAL) / 2
    low, high = np.interp([tail, 1 - tail], LEVELS, errors)
    return Predictions(
        score=score,
        classes=class_names(cuts),
        probabilities=probabilities,
        label=probabilities.argmax(axis=1),
        interval_low=np.square(np.maximum(root + low, 0)).astype(np.float32),
        interval_high=np.square(np.maximum(root + high, 0)).astype(np.float32),
    )


def _share_under(limit: Floats, errors: Floats) -> Floats:
    """Share of errors under each limit; past all of them not quite none, and not quite all."""
    least = LEVELS[0] / 2
    return np.interp(limit, errors, LEVELS, left=least, right=1 - least)
