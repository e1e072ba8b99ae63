"""A model that fails is set aside: the others of the same run go on.

Where a run calls what a model definition or an estimator does, any exception becomes an entry of
the manifest, `["failed", model, reason]`. Who reads it publishes nothing of that model. Faults of
the machine outside of such calls (a bucket that cannot be read, a full disk) end the run.
"""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from transforms.errors import NightroundsError

FAILED = "failed"


def reason_of(step: str, error: Exception) -> str:
    """What failed, and where; without the message, which may quote patient data.

    `NIGHTROUNDS_DEBUG=1` shows all of it on stderr.

    >>> reason_of("predict", RuntimeError("of patient 7"))
    'predict: RuntimeError'
    """
    if os.environ.get("NIGHTROUNDS_DEBUG"):
        sys.stderr.write("".join(traceback.format_exception(error)))
    if isinstance(error, NightroundsError):  # ours hold no patient values
        return f"{step}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{step}: {type(error).__name__}{where}"


def failed(model: str, reason: str) -> list[Any]:
    """The entry of the manifest."""
    return [FAILED, model, reason]


def set_aside(model: str, step: str, entries: Iterable[Any]) -> Iterator[Any]:
    """The entries as far as the model gives them; then, where it fails, that it did."""
    try:
        yield from entries
    except Exception as error:  # a model may fail in any way
        yield failed(model, reason_of(step, error))
