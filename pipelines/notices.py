"""Who is told of a run besides the terminal: a metrics file, a lineage backend.

A run is told of at its start and at its end, whatever becomes of it. What cannot be told costs one
line of warning, never the run.
"""

import contextlib
import dataclasses
import datetime
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pipelines.run import Outcome, RunContext
from transforms.warehouse import Warehouse

Report = Callable[[Outcome, str], None]
_LINEAGE_FILES = ("openlineage.yml", "~/.openlineage/openlineage.yml")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass(frozen=True)
class RunEnd:
    """How a run ended: what it did, its status, the class of what it raised (None: nothing), when.

    The status is published, refused, failed or cut short, as in `pipelines.execute`; the time is
    of UTC, with its zone.
    """

    outcome: Outcome
    status: str = "failed"
    error: type[BaseException] | None = None
    ended: datetime.datetime = dataclasses.field(default_factory=_now, compare=False)


class Listener(Protocol):
    """Is told of one run; `name` says in a warning what was not written."""

    @property
    def name(self) -> str:
        """What is written."""

    def start(self) -> None:
        """The run begins."""

    def end(self, end: RunEnd) -> None:
        """The run is over."""


@contextlib.contextmanager
def noticed(listeners: Sequence[Listener], show: Report) -> Iterator[Report]:
    """Tells the listeners of the run in the `with` block; gives `execute` its `report`.

    `show` is called by `report`. A run that ends before `report` is called has failed.
    """
    end = RunEnd(Outcome())

    def report(outcome: Outcome, status: str) -> None:
        nonlocal end
        end = RunEnd(outcome, status)
        show(outcome, status)

    for listener in listeners:
        _tell(listener.name, listener.start)
    try:
        yield report
    except BaseException as error:
        end = dataclasses.replace(end, error=type(error))
        raise
    finally:
        end = dataclasses.replace(end, ended=_now())
        for listener in listeners:
            _tell(listener.name, functools.partial(listener.end, end))


def _tell(name: str, tell: Callable[[], None]) -> None:
    try:
        tell()
    except Exception as error:  # a library, a disk or a network may fail in any way
        # Its message may hold a URL with a password.
        sys.stderr.write(f"warning: {name} not written ({type(error).__name__}); the run goes on\n")


def listeners(
    context: RunContext,
    warehouse: Warehouse,
    metrics_file: Path | None,
    lineage_file: Path | None,
) -> list[Listener]:
    """Those that were asked for; their libraries are imported only then."""
    found: list[Listener] = []
    if metrics_file is not None:
        from pipelines.metrics_file import MetricsFile

        found.append(MetricsFile(context, warehouse.folder, metrics_file))
    if lineage_file is not None or lineage_is_configured():
        from pipelines.lineage_events import LineageEvents

        found.append(LineageEvents(context, warehouse, lineage_file))
    return found


def lineage_is_configured() -> bool:
    """Whether the OpenLineage library finds a configuration; without one it would use the console.

    Source: https://openlineage.io/docs/client/python/configuration
    """
    variables = any(
        value and (name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG") or "__TRANSPORT__" in name)
        for name, value in os.environ.items()
        if name.startswith("OPENLINEAGE_")
    )
    return variables or any(os.path.isfile(os.path.expanduser(path)) for path in _LINEAGE_FILES)
