"""Progress of the long verbs on stderr: bars on a terminal, plain lines elsewhere.

Nothing goes to stdout, which belongs to results.
"""

import contextlib
import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TextIO

from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import PipelineOptions
from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
)
from rich.progress import Progress as RichProgress

from pipelines.runner import runs_here
from transforms.progress_notes import ProgressNotes

LINE_SECONDS = 5.0
MOST_BARS = 10
"""At a time: more would not fit on a terminal."""


@dataclasses.dataclass(frozen=True)
class StageState:
    """How far a stage is: `done` of `total` items (None: not known) of `unit`.

    `records` is how many were in what is done, where the items are no records themselves;
    `seconds` how long the stage has run, where who works at it says so.
    """

    stage: str
    done: int
    total: int | None = None
    unit: str = "items"
    records: int = 0
    seconds: float | None = dataclasses.field(default=None, compare=False)

    @property
    def finished(self) -> bool:
        """Whether all that is known of is done."""
        return self.total is not None and self.done >= self.total


def describe(state: StageState, seconds: float) -> str:
    """Items done, rate and time left of a stage that has run for `seconds`.

    The rate is that of the records where they are known; in the first second it would say little.

    >>> describe(StageState("read_fhir", 20_000, 80_000, "resources"), 10.0)
    '20,000 of 80,000 resources, 2,000/s, 0:30 left'
    >>> describe(StageState("read_fhir", 5_000_000, 9_500_000, "bytes"), 2.0)
    '5.0 of 9.5 MB, 2.5 MB/s, 0:02 left'
    >>> describe(StageState("train", 3, unit="epochs"), 60.0)
    '3 epochs, 0.05/s'
    >>> describe(StageState("merge", 3, 8, "buckets", 6000), 3.0)
    '3 of 8 buckets, 6,000 records, 2,000/s, 0:05 left'
    """
    show, unit = (_megabytes, "MB") if state.unit == "bytes" else (_whole, state.unit)
    text = show(state.done)
    if state.total is not None:
        text += f" of {show(state.total)}"
    text += f" {unit}"
    if state.records:
        text += f", {_whole(state.records)} records"
    if state.done and (seconds >= 1 or (state.finished and seconds > 0)):
        rate = (state.records or state.done) / seconds
        if state.unit == "bytes" and not state.records:
            text += f", {_megabytes(rate)} MB/s"
        else:
            text += f", {rate:,.0f}/s" if rate >= 10 else f", {rate:.2g}/s"
        if state.total is not None and not state.finished:
            text += f", {_clock((state.total - state.done) * seconds / state.done)} left"
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._enabled = enabled
        self._line_seconds = line_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._printed: dict[str, tuple[float, StageState]] = {}
        self._latest: dict[str, StageState] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: RichProgress | None = None

    def __enter__(self) -> Self:
        if self._enabled and self._stream.isatty():
            self._bars = RichProgress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.fields[stage]}"),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
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
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._print_rest()

    def update(self, stage: str, done: int, total: int | None = None, unit: str = "items") -> None:
        """Show that `done` of `total` items of `stage` are done."""
        self.show(StageState(stage, done, total, unit))

    def show(self, state: StageState) -> None:
        """Show how far a stage is."""
        if not self._enabled:
            return
        with self._lock:
            now = self._clock()
            self._started.setdefault(state.stage, now)
            same = self._latest.get(state.stage) == state
            self._latest[state.stage] = state
            if self._bars is not None:
                if not (same and state.finished):
                    self._draw(self._bars, state, now)
            elif self._is_due(state, now):
                self._print(state, now)

    @contextlib.contextmanager
    def watch(self, poll: Callable[[], Iterable[StageState]], seconds: float) -> Iterator[None]:
        """Show what `poll` says every so many seconds until the block ends, and once then.

        An error in `poll` ends the watching and goes to `threading.excepthook`; the run goes on.
        """
        stop = threading.Event()

        def follow() -> None:
            last = False
            while not last:
                last = stop.wait(seconds)
                for state in poll():
                    self.show(state)

        watcher = threading.Thread(target=follow, name="progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            self._print_rest()

    def _is_due(self, state: StageState, now: float) -> bool:
        """A stage's first line, its last, and one every few seconds while it moves."""
        if state.stage not in self._printed:
            return True
        printed, before = self._printed[state.stage]
        return state != before and (state.finished or now - printed >= self._line_seconds)

    def _print_rest(self) -> None:
        """Where the stages are that have moved since their last line."""
        with self._lock:
            for stage, (_, printed) in list(self._printed.items()):
                if printed != self._latest[stage]:
                    self._print(self._latest[stage], self._clock())

    def _seconds(self, state: StageState, now: float) -> float:
        return now - self._started[state.stage] if state.seconds is None else state.seconds

    def _print(self, state: StageState, now: float) -> None:
        self._say(f"{state.stage}: {describe(state, self._seconds(state, now))}")
        self._printed[state.stage] = (now, state)

    def _say(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(text, highlight=False, markup=False)
        else:
            self._stream.write(text + "\n")
            self._stream.flush()

    def _draw(self, bars: RichProgress, state: StageState, now: float) -> None:
        if state.stage not in self._tasks:
            self._make_room(bars)
            self._tasks[state.stage] = bars.add_task("", total=None, stage=state.stage)
        bars.update(
            self._tasks[state.stage],
            completed=state.done,
            total=state.total,
            description=describe(state, self._seconds(state, now)),
        )

    def _make_room(self, bars: RichProgress) -> None:
        """One that is finished becomes a line above the bars."""
        done = [stage for stage in self._tasks if self._latest[stage].finished]
        if done and len(self._tasks) >= MOST_BARS:
            state = self._latest[done[0]]
            text = f"{state.stage}: {describe(state, self._seconds(state, self._clock()))}"
            self._say(text)
            bars.remove_task(self._tasks.pop(done[0]))

    @contextlib.contextmanager
    def follow(self, notes: ProgressNotes, options: PipelineOptions) -> Iterator[None]:
        """Shows what the workers of pipelines with these options do, until the block ends."""
        if not self._enabled:
            yield
            return
        if not runs_here(options):
            runner = options.get_all_options()["runner"]
            self._say(f"a job starts on {runner}: what its workers do is shown when they do it")
        with notes.shared(options), self.watch(lambda: list(_states(notes)), notes.seconds):
            yield


def _states(notes: ProgressNotes) -> Iterator[StageState]:
    """What the notes say now; nothing where they cannot be read, as on a store that is busy."""
    with contextlib.suppress(OSError, BeamIOError, ValueError):
        for stage, sums in notes.totals().items():
            total = sums.found or None
            # What a cluster did twice counts once more than there was.
            done = min(sums.done, sums.found) if total else sums.done
            if sums.began or total:
                yield StageState(
                    stage, done, total, sums.unit, sums.records, sums.last - sums.began
                )
