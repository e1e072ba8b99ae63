"""How far the readers are, told to the launcher through small files beside the warehouse.

Beam's local runner shows no metrics while it runs. Each worker process appends to a file of its
own; the launcher adds them up. On object stores, where nothing can be appended, nothing is told.
"""

import dataclasses
import os
from collections import defaultdict
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ProgressNotes:
    """A local folder for notes; an empty one, or a URL, takes none."""

    folder: str

    def add(self, stage: str, *, found: int = 0, done: int = 0) -> None:
        """Notes bytes that a stage has found to do, and bytes it has done."""
        if not self.folder or "://" in self.folder:
            return
        path, line = os.path.join(self.folder, f"{os.getpid()}.notes"), f"{stage} {found} {done}\n"
        try:
            _append(path, line)
        except FileNotFoundError:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            _append(path, line)

    def totals(self) -> dict[str, tuple[int, int]]:
        """Stage -> bytes (done, found); a line that is still being written waits."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        if not self.folder or not os.path.isdir(self.folder):
            return {}
        for path in sorted(Path(self.folder).glob("*.notes")):
            for line in path.read_text().rpartition("\n")[0].splitlines():
                stage, found, done = line.split()
                sums[stage][0] += int(done)
                sums[stage][1] += int(found)
        return {stage: (done, found) for stage, (done, found) in sums.items()}


def _append(path: str, line: str) -> None:
    """A short append is written whole, and the process id in the name keeps the writers apart."""
    with open(path, "ab", buffering=0) as file:
        file.write(line.encode())
