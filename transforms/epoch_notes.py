"""The epochs of a training, told from what it keeps on disk after each of them."""

import contextlib
import threading
from collections.abc import Iterator

from transforms.keras_training import WORKER_0
from transforms.progress_notes import StageNotes
from transforms.training_progress import kept_losses


@contextlib.contextmanager
def epochs_noted(
    notes: StageNotes, work: str, members: int, epochs: int, seconds: float = 1.0
) -> Iterator[None]:
    """Around a training in `work` of so many members, of so many epochs each at most.

    Epochs that an earlier process did are not among those to do. In the end what is left of them
    is not to do either: a training ends when it gains no more.
    """
    total = members * epochs
    before = done = _done(work, members)
    stop = threading.Event()
    notes.found(total - before)
    notes.begin()

    def follow() -> None:
        nonlocal done
        last = False
        while not last:
            last = stop.wait(seconds)
            now = _done(work, members)
            if now > done:
                notes.done(now - done)
                done = now

    watcher = threading.Thread(target=follow, name="epochs", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()
    notes.found(done - total)


def _done(work: str, members: int) -> int:
    """Epochs of all members up to now."""
    found = 0
    for number in range(members):
        with contextlib.suppress(FileNotFoundError):
            found += len(kept_losses(f"{work}/{WORKER_0}-epochs-{number}"))
    return found
