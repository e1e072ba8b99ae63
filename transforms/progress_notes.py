"""How far the workers are, told to the launcher through small files beside the warehouse.

Beam's local runner shows no metrics while it runs, and Flink's job server only at the end. Each
worker process keeps sums and rewrites one file of its own with them, every second at most, or
every five on an object store; the launcher adds the files up. They hold names of stages and
numbers. A unit of work that a cluster did twice is told twice.
"""

import argparse
import atexit
import contextlib
import dataclasses
import glob
import json
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Self

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError
from apache_beam.options.pipeline_options import PipelineOptions

from transforms.file_systems import FileSystems
from transforms.local_files import make_folder, write_whole

LOCAL_S, REMOTE_S = 1.0, 5.0
"""Between two writes of a process, and two looks of the launcher; on an object store longer."""


class ProgressOptions(PipelineOptions):
    """Takes the folder of the notes to whatever builds a pipeline."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--progress_folder", default="", help="set by the launcher")


@dataclasses.dataclass
class Sums:
    """Of one stage: `done` of what was `found`, in `unit`; and the records in what is done.

    `began` and `last` are seconds since 1970; 0 where nothing began yet.
    """

    unit: str
    done: int = 0
    found: int = 0
    records: int = 0
    began: float = 0.0
    last: float = 0.0

    def __add__(self, other: Self) -> Self:
        """Of both; from when the first began to when the last told something."""
        began = min((t for t in (self.began, other.began) if t), default=0.0)
        return dataclasses.replace(
            self,
            done=self.done + other.done,
            found=self.found + other.found,
            records=self.records + other.records,
            began=began,
            last=max(self.last, other.last),
        )


@dataclasses.dataclass(frozen=True)
class StageNotes:
    """Where the workers of one stage tell what they do; without a folder nothing is told."""

    folder: str
    stage: str
    unit: str

    def found(self, number: int) -> None:
        """There is so much more to do."""
        if self.folder:
            _book(self.folder).add(self.stage, Sums(self.unit, found=number))

    def begin(self) -> None:
        """The time of the stage counts from the first of these."""
        if self.folder:
            now = time.time()
            _book(self.folder).add(self.stage, Sums(self.unit, began=now, last=now))

    def done(self, number: int = 1, *, records: int = 0) -> None:
        """So much was done, and there were so many records in it."""
        if self.folder:
            now = time.time()
            _book(self.folder).add(
                self.stage, Sums(self.unit, done=number, records=records, began=now, last=now)
            )


@dataclasses.dataclass(frozen=True)
class ProgressNotes:
    """The notes of a run, in a folder or below a URL of their own; "" takes none."""

    folder: str = ""

    def stage(self, name: str, unit: str) -> StageNotes:
        """Where the stage's workers tell what they do; `unit` in the plural, or `bytes`."""
        return StageNotes(self.folder, name, unit)

    @property
    def seconds(self) -> float:
        """Between two looks."""
        return _seconds(self.folder)

    @contextlib.contextmanager
    def shared(self, options: PipelineOptions) -> Iterator[None]:
        """The workers of pipelines with these options tell, until the block ends."""
        make_folder(self.folder)
        options.view_as(ProgressOptions).progress_folder = self.folder
        try:
            yield
        finally:
            options.view_as(ProgressOptions).progress_folder = ""
            _close(self.folder)

    def totals(self) -> dict[str, Sums]:
        """Each stage, all processes together."""
        own = _book(self.folder)
        sums = own.copy()
        pattern = f"{glob.escape(self.folder)}/*.notes"
        for file in FileSystems.match([pattern])[0].metadata_list:
            if file.path.rsplit("/", 1)[-1] != own.name:
                for stage, found in _read(file.path).items():
                    sums[stage] = sums[stage] + found if stage in sums else found
        return sums


def notes_of(value: beam.pvalue.PValue) -> ProgressNotes:
    """Where the workers of the pipeline that a collection is of tell how far they are."""
    return notes_in(value.pipeline.options)


def notes_in(options: PipelineOptions) -> ProgressNotes:
    """Where the workers of pipelines with these options tell how far they are."""
    return ProgressNotes(options.view_as(ProgressOptions).progress_folder)


def _seconds(folder: str) -> float:
    return REMOTE_S if "://" in folder else LOCAL_S


def _read(path: str) -> dict[str, Sums]:
    with FileSystems.open(path) as file:
        return {stage: Sums(*values) for stage, values in json.loads(file.read()).items()}


class _Book:
    """The sums of this process. They are written by a thread, so that no work waits for a store."""

    def __init__(self, folder: str) -> None:
        self.name = f"{uuid.uuid4().hex}.notes"
        self._folder = folder
        self._sums: dict[str, Sums] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._next: threading.Timer | None = None
        self._closed = False
        atexit.register(self._finish)

    def add(self, stage: str, more: Sums) -> None:
        """Adds up, and sees to it that it is written soon."""
        with self._lock:
            self._sums[stage] = self._sums[stage] + more if stage in self._sums else more
            if self._next is None and not self._closed:
                self._next = threading.Timer(_seconds(self._folder), self._write)
                self._next.daemon = True
                self._next.start()

    def copy(self) -> dict[str, Sums]:
        """The sums now."""
        with self._lock:
            return dict(self._sums)

    def close(self) -> None:
        """Nothing more is written: the run is over, and its folder goes."""
        atexit.unregister(self._finish)
        with self._writing:
            self._closed = True

    def _finish(self) -> None:
        if self._next is not None:
            self._write()

    def _write(self) -> None:
        with self._lock:
            self._next = None
            text = json.dumps({s: dataclasses.astuple(sums) for s, sums in self._sums.items()})
        # The folder of a run that is over is gone. A disk or a store that fails costs the display.
        with self._writing, contextlib.suppress(OSError, BeamIOError):
            if not self._closed:
                write_whole(f"{self._folder}/{self.name}", text)


_books: dict[str, _Book] = {}
_books_lock = threading.Lock()


def _book(folder: str) -> _Book:
    """What this process keeps for that folder."""
    with _books_lock:
        if folder not in _books:
            _books[folder] = _Book(folder)
        return _books[folder]


def _close(folder: str) -> None:
    with _books_lock:
        book = _books.pop(folder, None)
    if book is not None:
        book.close()
