"""A local warehouse and its file system: one process at a time, and files that are whole."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from transforms.errors import RunFailed
from transforms.file_systems import FileSystems

LOCK_TIMEOUT_S = 600.0


@contextlib.contextmanager
def lock(folder: str) -> Iterator[None]:
    """One opening or publication at a time, on a local warehouse; elsewhere the catalog sees to it.

    Whoever holds it and finds a journal knows that the run that wrote it is dead.

    Raises: RunFailed, when another process holds it for longer than any publication takes.
    """
    if "://" in folder:
        yield
        return
    with open(f"{folder}/journal/lock", "w") as file:
        _wait_for(file)
        yield


def _wait_for(file: IO[str]) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline_s:
                raise RunFailed(
                    f"another process has been publishing in this warehouse for {LOCK_TIMEOUT_S} "
                    f"seconds: nothing was published; look for one that hangs, then run it again"
                ) from error
            time.sleep(0.05)
        else:
            return


def make_folder(folder: str) -> None:
    """A folder that its owner alone may enter; an object store has none."""
    if "://" not in folder:
        os.makedirs(folder, mode=0o700, exist_ok=True)


def write_whole(path: str, text: str) -> None:
    """Writes a file that is there whole, or, when the process dies, not at all."""
    if "://" in path:
        with FileSystems.create(path) as file:
            file.write(text.encode())
        return
    unfinished = Path(f"{path}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
