"""Counts that travel beside the data, exact under retries, and the sum that must hold."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from transforms.errors import RunFailed


class Count(NamedTuple):
    """What is counted: `read`, `written`, `quarantined`, `duplicate`, `skipped` of a stage.

    `reason` tells skipped inputs apart, and the resource type of those that were read.
    """

    stage: str
    field: str
    reason: str = ""


@dataclasses.dataclass
class StageCounts:
    """The counts of one stage of one run."""

    stage: str
    read: int = 0
    written: int = 0
    quarantined: int = 0
    duplicate: int = 0
    skipped: Counter[str] = dataclasses.field(default_factory=Counter)
    by_type: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, count: Count, number: int) -> None:
        """Adds a number to what `count` names."""
        if count.field == "skipped":
            self.skipped[count.reason] += number
            return
        setattr(self, count.field, getattr(self, count.field) + number)
        if count.field == "read" and count.reason:
            self.by_type[count.reason] += number

    @property
    def accounted(self) -> int:
        """Written + quarantined + duplicate + skipped."""
        return self.written + self.quarantined + self.duplicate + self.skipped.total()

    def check(self) -> None:
        """Raises: RunFailed, when an input that was read is in none or in two of the counts."""
        if self.read != self.accounted:
            raise RunFailed(
                f"{self.stage}: {self.read} inputs were read, but {self.written} written + "
                f"{self.quarantined} quarantined + {self.duplicate} duplicate + "
                f"{self.skipped.total()} skipped = {self.accounted}; nothing was published"
            )

    def summary(self) -> dict[str, object]:
        """The stage as the command line's JSON shows it."""
        return {
            "stage": self.stage,
            "read": self.read,
            "written": self.written,
            "quarantined": self.quarantined,
            "duplicate": self.duplicate,
            "skipped": dict(sorted(self.skipped.items())),
        }


def collect(counts: Iterable[tuple[Count, int]]) -> dict[str, StageCounts]:
    """Counts -> by stage, in the order of their names.

    >>> collect([(Count("read_fhir", "read"), 2), (Count("read_fhir", "skipped", "x"), 2)])[
    ...     "read_fhir"
    ... ].accounted
    2
    """
    stages: dict[str, StageCounts] = {}
    for count, number in counts:
        stages.setdefault(count.stage, StageCounts(count.stage)).add(count, number)
    return dict(sorted(stages.items()))
