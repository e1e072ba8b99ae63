"""A long run of one target: starts child processes, and outlives their crashes and hangs.

python -m tests.fuzz.run TARGET --corpus DIR… --folder DIR [--mode guided|blind] …

Seeds are the files of the corpora that are small enough; nothing of them is part of the project.
The last line of stdout is a JSON object of counts; exit status 1 when anything was found.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.mutate import MUTATORS

HANG_S = 10.0
MEMORY_MB = 1024
MAX_SEED_BYTES = 1 << 17
_TICK_S = 0.25
_HEAD_BYTES = 24


def gather(corpora: list[Path], corpus: Path, *, is_fhir: bool) -> int:
    """Copies the seeds, each once, and returns how many there are."""
    corpus.mkdir(parents=True, exist_ok=True)
    for path in (found for folder in corpora for found in folder.rglob("*")):
        if path.is_file() and path.stat().st_size <= MAX_SEED_BYTES:
            data = path.read_bytes()
            if not is_fhir or data.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"):
                (corpus / hashlib.sha256(data).hexdigest()).write_bytes(data)
    return sum(1 for _ in corpus.iterdir())


def read_state(path: Path) -> tuple[int, int, bytes]:
    """(executions, failures, input at work)."""
    data = path.read_bytes()
    executed, failed, size = (int.from_bytes(data[at : at + 8], "little") for at in (0, 8, 16))
    return executed, failed, data[_HEAD_BYTES : _HEAD_BYTES + size]


def peak_mb(pid: int) -> int:
    """The most memory that a process has held, in MB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) // 1024 if lines else 0


class Run:
    """Counts of a run and what keeps it going."""

    def __init__(self, target: str, folder: Path, mode: str, seed: int) -> None:
        self.target, self.folder, self.mode, self.seed = target, folder, mode, seed
        self.crashes = self.hangs = self.peak_mb = self.children = 0
        (folder / "findings").mkdir(parents=True, exist_ok=True)
        (folder / "state").write_bytes(bytes(_HEAD_BYTES + MAX_SEED_BYTES))

    def one_child(self, until: float, executions: int) -> None:
        """Runs one child to its end: by crash, hang, or because it is enough."""
        self.children += 1
        command = [sys.executable, "-m", "tests.fuzz.child", self.target, str(self.folder)]
        command += [str(MEMORY_MB), str(self.seed + self.children), self.mode]
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(command, stdout=log, stderr=log)
        state = self.folder / "state"
        before, moved = read_state(state)[0], time.monotonic() + 60  # to import everything
        while child.poll() is None:
            time.sleep(_TICK_S)
            now, executed = time.monotonic(), read_state(state)[0]
            self.peak_mb = max(self.peak_mb, peak_mb(child.pid))
            if executed != before:
                before, moved = executed, now
            is_hanging = now - moved > HANG_S
            if is_hanging or now > until or executed >= executions:
                child.kill()
                child.wait()
                if is_hanging:
                    self.hangs += 1
                    self._keep("hang")
                return
        if child.returncode:
            self.crashes += 1
            self._keep("crash")

    def _keep(self, kind: str) -> None:
        """The input at work goes to the findings and leaves the corpus."""
        data = read_state(self.folder / "state")[2]
        (self.folder / "findings" / f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(
            data
        )
        for path in (self.folder / "corpus").iterdir():
            if path.stat().st_size == len(data) and path.read_bytes() == data:
                path.unlink()


def main() -> int:
    """Runs one target and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=MUTATORS)
    parser.add_argument("--corpus", type=Path, nargs="+", required=True)
    parser.add_argument("--folder", type=Path, required=True, help="emptied first")
    parser.add_argument("--mode", choices=("guided", "blind"), default="guided")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--executions", type=int, default=1_000_000)
    given = parser.parse_args()
    shutil.rmtree(given.folder, ignore_errors=True)
    seeds = gather(given.corpus, given.folder / "corpus", is_fhir=given.target.startswith("fhir"))
    run, started = Run(given.target, given.folder, given.mode, given.seed), time.monotonic()
    until, executed = started + given.seconds, 0
    while time.monotonic() < until and executed < given.executions:
        before = executed
        run.one_child(until, given.executions)
        executed = read_state(given.folder / "state")[0]
        if executed == before:
            sys.stderr.write((given.folder / "log").read_text()[-2000:])
            break
    _, failed, _ = read_state(given.folder / "state")
    found = sorted(given.folder.glob("findings/*.txt"))
    summary = {
        "target": given.target,
        "mode": given.mode,
        "seeds": seeds,
        "executions": executed,
        "seconds": round(time.monotonic() - started, 1),
        "failures": failed,
        "faults": [path.read_text().splitlines()[0] for path in found],
        "crashes": run.crashes,
        "hangs": run.hangs,
        "peak_mb": run.peak_mb,
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    return int(bool(failed or run.crashes or run.hangs))


if __name__ == "__main__":
    sys.exit(main())
