"""Split files -> GivenSplits: the subject splits of MEDS, for trainings that must be comparable.

A Parquet or CSV file with `subject_id` (the warehouse's int64 or, as text, a FHIR Patient id) and
`split` (train, tuning, held_out).

Source: https://github.com/Medical-Event-Data-Standard/meds (SubjectSplitSchema)
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.keys import Keys
from transforms.read_labels import subject_ids
from transforms.splits import SPLITS, GivenSplits
from transforms.table_files import read_frame


def read_split_file(uri: str, keys: Callable[[], Keys]) -> GivenSplits:
    """One file -> its splits; `keys` is asked for only where the ids are text.

    Raises: UsageError, when a column is missing, a split has another name, or a subject is named
    without id or in two splits.
    """
    frame = read_frame(uri)
    for name in ("subject_id", "split"):
        if name not in frame.columns:
            raise UsageError(f"--splits {uri}: no column {name}")
    unknown = set(frame["split"].unique()) - set(SPLITS)
    if unknown:
        raise UsageError(
            f"--splits {uri}: {len(unknown)} values of split are none of {', '.join(SPLITS)}"
        )
    ids = frame["subject_id"]
    if not ids.dtype.is_integer():
        ids = subject_ids(frame, keys())
    index = frame["split"].replace_strict(list(SPLITS), range(len(SPLITS)), return_dtype=pl.Int64)
    given = pl.DataFrame({"id": ids.cast(pl.Int64), "index": index}).unique().sort("id")
    if given["id"].null_count() or given["id"].is_duplicated().any():
        raise UsageError(f"--splits {uri}: a subject has no id, or is in two splits")
    return GivenSplits(given["id"].to_numpy(), np.asarray(given["index"].to_numpy()))
