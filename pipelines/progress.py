"""Progress of the long verbs on stderr: bars on a terminal, plain lines elsewhere.

Nothing goes to stdout, which belongs to results.
"""

import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as RichProgress

LINE_SECONDS = 5.0
POLL_SECONDS = 1.0


@dataclasses.dataclass(frozen=True)
class StageState:
    """How far a stage is: `done` of `total` items (None: not known) of `unit`."""

    stage: str
    done: int
    total: int | None = None
    unit: str = "items"


def describe(state: StageState, seconds: float) -> str:
    """Items done, rate and time left of a stage that has run for `seconds`.

    >>> describe(StageState("read_fhir", 20_000, 80_000, "resources"), 10.0)
    '20,000 of 80,000 resources, 2,000/s, 0:30 left'
    >>> describe(StageState("read_fhir", 5_000_000, 9_500_000, "bytes"), 2.0)
    '5.0 of 9.5 MB, 2.5 MB/s, 0:02 left'
    >>> describe(StageState("train", 3, unit="epochs"), 60.0)
    '3 epochs, 0.05/s'
    """
    show, unit = (_megabytes, "MB") if state.unit == "bytes" else (_whole, state.unit)
    text = show(state.done)
    if state.total is not None:
        text += f" of {show(state.total)}"
    text += f" {unit}"
    if state.done and seconds > 0:
        rate = state.done / seconds
        if state.unit == "bytes":
            text += f", {_megabytes(rate)} MB/s"
        else:
            text += f", {rate:,.0f}/s" if rate >= 10 else f", {rate:.2g}/s"
        if state.total is not None and state.done < state.total:
            text += f", {_clock((state.total - state.done) / rate)} left"
    return text


def _whole(items: float) -> str:
    return f"{items:,.0f}"


def _megabytes(number: float) -> str:
    return f"{number / 1e6:,.1f}"


def _clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss, rounded up so that the last second is not 0:00."""
    whole = -int(-seconds // 1)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


class Progress:
    """Shows stages while the `with` block runs; `enabled=False` shows nothing.

    Safe to call from several threads. `stream` is stderr unless a test gives another.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        stream: TextIO | None = None,
        line_seconds: float = LINE_SECONDS,
        poll_seconds: float = POLL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._enabled = enabled
        self._line_seconds = line_seconds
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._printed: dict[str, tuple[float, StageState]] = {}
        self._latest: dict[str, StageState] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: RichProgress | None = None
        self._stop = threading.Event()
        self._watchers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        if self._enabled and self._stream.isatty():
            self._bars = RichProgress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.fields[stage]}"),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
                transient=False,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        for watcher in self._watchers:
            watcher.join()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        elif self._enabled:
            for stage, state in self._latest.items():
                if self._printed[stage][1] != state:
                    self._print(state, self._clock())

    def update(self, stage: str, done: int, total: int | None = None, unit: str = "items") -> None:
        """Show that `done` of `total` items of `stage` are done."""
        if not self._enabled:
            return
        state = StageState(stage, done, total, unit)
        with self._lock:
            now = self._clock()
            self._started.setdefault(stage, now)
            self._latest[stage] = state
            if self._bars is not None:
                self._draw(self._bars, state, now)
            elif self._is_due(state, now):
                self._print(state, now)

    def watch(self, poll: Callable[[], Iterable[StageState]]) -> None:
        """Call `poll` every second in a daemon thread until the `with` block ends, and once then.

        An error in `poll` ends the watching and goes to `threading.excepthook`; the run goes on.
        """
        if not self._enabled:
            return

        def follow() -> None:
            while True:
                last = self._stop.wait(self._poll_seconds)
                for state in poll():
                    self.update(state.stage, state.done, state.total, state.unit)
                if last:
                    return

        watcher = threading.Thread(target=follow, name="progress", daemon=True)
        self._watchers.append(watcher)
        watcher.start()

    def _is_due(self, state: StageState, now: float) -> bool:
        """A stage's first line, its last, and one every few seconds while it moves."""
        if state.stage not in self._printed:
            return True
        printed, before = self._printed[state.stage]
        finished = state.total is not None and state.done >= state.total
        return state != before and (finished or now - printed >= self._line_seconds)

    def _print(self, state: StageState, now: float) -> None:
        seconds = now - self._started[state.stage]
        self._stream.write(f"{state.stage}: {describe(state, seconds)}\n")
        self._stream.flush()
        self._printed[state.stage] = (now, state)

    def _draw(self, bars: RichProgress, state: StageState, now: float) -> None:
        seconds = now - self._started[state.stage]
        if state.stage not in self._tasks:
            self._tasks[state.stage] = bars.add_task("", total=None, stage=state.stage)
        bars.update(
            self._tasks[state.stage],
            completed=state.done,
            total=state.total,
            description=describe(state, seconds),
        )
