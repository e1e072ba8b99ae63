"""One process of a long run: guided by the coverage of the readers and of pydicom, or blind.

python -m tests.fuzz.child TARGET FOLDER MEMORY_MB SEED guided|blind

Guided, libFuzzer keeps what reaches new code, at about a thousand runs a second. Blind runs are
several times as many in the same time; they want no atheris, and begin best with the corpus that
a guided run has grown.

FOLDER holds `corpus/`, which grows, and `findings/`. What must survive the death of this process
stands in the file `state`: how often the target has run, how often it failed, the input at work.
"""

import contextlib
import hashlib
import mmap
import random
import resource
import struct
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

IS_GUIDED = sys.argv[-1] == "guided"
if IS_GUIDED:  # before the readers are imported
    import atheris

    with atheris.instrument_imports(include=["transforms.fhir", "transforms.dicom", "pydicom"]):
        from tests.fuzz.targets import TARGETS
else:
    from tests.fuzz.targets import TARGETS
from tests.fuzz.mutate import MUTATORS, any_bytes  # noqa: E402

MAX_BYTES = 1 << 17
HEAD = struct.Struct("<QQQ")
"""Executions, failures, length of the input at work."""
STATE_BYTES = HEAD.size + MAX_BYTES


@contextlib.contextmanager
def open_state(path: Path) -> Iterator[mmap.mmap]:
    """The state file, as memory that the parent can read at any moment."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), STATE_BYTES) as state:
        yield state


def place_of(error: BaseException) -> str:
    """Where an exception was raised: the same fault has the same place."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/transforms/" in frame.filename] or list(frames)
    last = own[-1]
    return f"{type(error).__name__} {Path(last.filename).name}:{last.lineno} {str(error)[:60]!r}"


class Recorder:
    """A target that never raises: it counts its runs and keeps the smallest input of each fault."""

    def __init__(self, target: str, folder: Path, state: mmap.mmap) -> None:
        self._test, self._state, self._findings = TARGETS[target], state, folder / "findings"

    def __call__(self, data: bytes) -> None:
        executed, failed, _ = HEAD.unpack_from(self._state)
        HEAD.pack_into(self._state, 0, executed + 1, failed, len(data))
        self._state[HEAD.size : HEAD.size + len(data)] = data
        try:
            self._test(data)
        except Exception as error:  # whatever comes out is the finding
            HEAD.pack_into(self._state, 0, executed + 1, failed + 1, len(data))
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        name = hashlib.sha256(place_of(error).encode()).hexdigest()[:12]
        smallest = self._findings / f"{name}.input"
        if not smallest.exists() or smallest.stat().st_size > len(data):
            smallest.write_bytes(data)
            text = "".join(traceback.format_exception(error)[-12:])
            (self._findings / f"{name}.txt").write_text(f"{place_of(error)}\n\n{text}")


def limit_memory(memory_mb: int) -> None:
    """Lets the process take so much more address space than it has now."""
    used_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = used_pages * resource.getpagesize() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run_guided(run_one: Recorder, target: str, folder: Path, seed: int) -> None:
    """libFuzzer, until it is stopped."""
    mutate = MUTATORS[target]

    def mutated(data: bytes, max_size: int, number: int) -> bytes:
        rng = random.Random(number)  # noqa: S311
        out = data if rng.random() < 0.3 else mutate(data, rng)
        out = atheris.Mutate(out, max_size) if out == data else out
        return out[:max_size]

    options = {
        "max_len": MAX_BYTES,
        "len_control": 0,
        "timeout": 100_000,  # the parent watches
        "rss_limit_mb": 0,  # the address space is limited
        "seed": seed,
        "artifact_prefix": f"{folder / 'findings'}/",
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([target, *arguments, str(folder / "corpus")], run_one, custom_mutator=mutated)
    atheris.Fuzz()


def run_blind(run_one: Recorder, target: str, folder: Path, seed: int) -> None:
    """Mutations of the corpus as it is, until the process is stopped."""
    mutate, rng = MUTATORS[target], random.Random(seed)  # noqa: S311
    seeds = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
    while True:
        data = mutate(rng.choice(seeds), rng)
        run_one((any_bytes(data, rng) if rng.random() < 0.1 else data)[:MAX_BYTES])


def main(target: str, folder: Path, memory_mb: int, seed: int) -> None:
    """Runs until it is stopped."""
    with open_state(folder / "state") as state:
        limit_memory(memory_mb)
        run = run_guided if IS_GUIDED else run_blind
        run(Recorder(target, folder, state), target, folder, seed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
