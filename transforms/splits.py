"""Which subject belongs to which split: a function of its id alone, unless a file states it.

By the function no list of subjects is kept: the same subject is in the same split in every run,
for every model and on every machine, and all its examples with it.
"""

import dataclasses
import hashlib

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


@dataclasses.dataclass(frozen=True, eq=False)
class GivenSplits:
    """Splits that a file states: sorted subject ids (int64), and the index into SPLITS of each."""

    subject_id: npt.NDArray[np.int64]
    index: npt.NDArray[np.int64]

    def of(self, subject_id: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Subject ids -> index into SPLITS; -1 for those that the file does not name.

        >>> GivenSplits(np.array([3, 7]), np.array([0, 2])).of(np.array([7, 5, 3])).tolist()
        [2, -1, 0]
        """
        if not len(self.subject_id):
            return np.full(len(subject_id), -1)
        place = np.searchsorted(self.subject_id, subject_id).clip(max=len(self.subject_id) - 1)
        return np.where(self.subject_id[place] == subject_id, self.index[place], -1)

    def __repr__(self) -> str:
        content = self.subject_id.tobytes() + self.index.tobytes()
        return f"GivenSplits({len(self.index)} subjects, {hashlib.sha256(content).hexdigest()})"
