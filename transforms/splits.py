"""Which subject belongs to which split: a function of its id alone.

No list of subjects is kept: the same subject is in the same split in every run, for every
model and on every machine, and all its examples with it.
"""

import numpy as np
import numpy.typing as npt

from transforms.input_hash import mix64

TRAIN = "train"
TUNING = "tuning"
HELD_OUT = "held_out"
SPLITS = (TRAIN, TUNING, HELD_OUT)  # names of meds
SHARES = (0.70, 0.15, 0.15)

_SALT = np.uint64(0x6E69676874)


def split_index(subject_id: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Subject ids -> index into SPLITS.

    >>> int(split_index(np.array([7]))[0]) == int(split_index(np.array([7, 8]))[0])
    True
    """
    uniform = mix64(subject_id.astype(np.int64).view(np.uint64) ^ _SALT) / 2.0**64
    return np.searchsorted(np.cumsum(SHARES)[:-1], uniform, side="right")
