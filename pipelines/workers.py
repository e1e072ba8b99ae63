"""The death of a worker process ends the run, soon and with its reason.

Beam's local runner starts each worker from a thread `run_worker`, which raises when the process
ends with an error; but the runner does not look there, and waits for ever for a worker that died
before it said hello. Nor can it then be stopped from inside: it waits for the others to stop.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

from transforms.errors import RunFailed

_THREAD = "run_worker"
# For the runner to notice by itself that a worker is gone; then the process is ended without it.
NOTICE_S = 10.0
_NOTICE_THREAD_S = 2.0
_MESSAGE = (
    "a worker process was killed or crashed; nothing was published: run it again, "
    "with fewer --workers if memory ran out"
)


@contextlib.contextmanager
def watched_workers() -> Iterator[None]:
    """Around the pipelines of a run.

    Where the runner hangs, this process ends here, with exit status 1 and without a row in `runs`.

    Raises: RunFailed, when a worker process died and the runner noticed.
    """
    died, timers = threading.Event(), list[threading.Timer]()
    before = threading.excepthook

    def on_error(found: threading.ExceptHookArgs) -> None:
        if found.thread is None or found.thread.name != _THREAD:
            before(found)
        elif not died.is_set():
            died.set()
            timers.append(threading.Timer(NOTICE_S, _leave))
            timers[0].daemon = True
            timers[0].start()

    threading.excepthook = on_error
    try:
        yield
    except Exception as error:
        has_workers = any(thread.name == _THREAD for thread in threading.enumerate())
        if died.wait(_NOTICE_THREAD_S if has_workers else 0.0):
            raise RunFailed(_MESSAGE) from error
        raise
    finally:
        threading.excepthook = before
        for timer in timers:
            timer.cancel()


def _leave() -> None:
    sys.stderr.write(f"nightrounds: {_MESSAGE}\n")
    sys.stderr.flush()
    os._exit(1)
