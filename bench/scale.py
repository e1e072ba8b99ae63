r"""How `ingest` grows: 1, 4 and 16 times the same Bundles, local and on Flink, one and two workers.

    python -m bench.scale BUNDLES SCRATCH [--factors 1 4 16] [--flink] [--skew 1000000] \
        -o bench/out/scale.json

BUNDLES is a folder of Synthea transaction Bundles; copies about other patients are made in SCRATCH
(their size times the largest factor). For each run: seconds, MB/s, the largest resident memory of
each process by what it does, and what was shuffled: on Flink what its tasks wrote, else what was
merged. Seconds include start-up, and a machine that is shared makes them uncertain; memory is what
is read here. With `--skew` also one patient with so many Observations, read into a new warehouse
and then a second time.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bench.ingest import renumbered
from tests.flink.cluster import Cluster, install_workers, running

_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROLES = {
    b"TaskManagerRunner": "taskmanager",
    b"StandaloneSession": "jobmanager",
    b"FlinkJobServerDriver": "job server",
    b"worker_pool_main": "pool",
    b"SdkHarness": "worker",
    b"sdk_worker_main": "worker",
    b"pipelines.cli": "launcher",
}


def make_copies(bundles: Path, scratch: Path, number: int) -> list[Path]:
    """Folders of Bundles; those that are there are kept."""
    folders = [bundles]
    for copy in range(1, number):
        folder = scratch / f"copy-{copy}"
        folders.append(folder)
        if folder.exists():
            continue
        part = scratch / "part"
        part.mkdir(parents=True, exist_ok=True)
        for file in sorted(bundles.glob("*.json")):
            (part / file.name).write_bytes(renumbered(file.read_bytes(), copy))
        part.rename(folder)
    return folders


def write_one_patient(folder: Path, observations: int) -> Path:
    """A bulk export about one patient; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Patient.ndjson").write_text('{"resourceType": "Patient", "id": "p"}\n')
    first = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    with (folder / "Observation.ndjson").open("w") as file:
        for number in range(observations):
            at = (first + datetime.timedelta(minutes=number)).isoformat()
            observation = {
                "resourceType": "Observation",
                "id": f"o{number}",
                "meta": {"versionId": "1", "lastUpdated": at},
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
                "subject": {"reference": "Patient/p"},
                "effectiveDateTime": at,
                "valueQuantity": {"value": 60 + number % 40, "unit": "/min"},
            }
            file.write(json.dumps(observation) + "\n")
    return folder


def memory_mb() -> dict[str, float]:
    """Resident memory of the largest process of each role, in MB, of those begun here."""
    found: dict[str, float] = {}
    for folder in _descendants():
        with contextlib.suppress(OSError, IndexError):
            line = (folder / "cmdline").read_bytes()
            role = next((name for mark, name in _ROLES.items() if mark in line), None)
            if role is None or line.startswith((b"/bin/sh", b"sh\0")):
                continue
            pages = int((folder / "statm").read_text().split()[1])
            found[role] = max(found.get(role, 0.0), pages * _PAGE / 1e6)
    return found


def _descendants() -> list[Path]:
    children: dict[str, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(parent, []).append(folder.name)
    found, waiting = [], [str(os.getpid())]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return [Path("/proc", pid) for pid in found]


def run(command: list[str], log: Path) -> tuple[float, dict[str, float]]:
    """Seconds, and the peak memory by role."""
    peak: Counter[str] = Counter()
    begin = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    while process.poll() is None:
        for role, megabytes in memory_mb().items():
            peak[role] = max(peak[role], round(megabytes))
        time.sleep(0.2)
    if process.returncode:
        sys.exit(log.read_text())
    return time.monotonic() - begin, dict(peak)


def shuffled_mb(cluster: Cluster) -> float:
    """What the tasks of the last job wrote to each other."""
    jobs = cluster.ask("jobs/overview")["jobs"]
    last = max(jobs, key=lambda job: job["start-time"])
    vertices = cluster.ask(f"jobs/{last['jid']}")["vertices"]
    return round(sum(int(vertex["metrics"]["write-bytes"]) for vertex in vertices) / 1e6, 1)


def merged_mb(log: Path) -> float:
    """What the progress said last of the stage `merge`."""
    said = re.findall(r"^merge: [\d.,]+ of ([\d.,]+) MB", log.read_text(), re.MULTILINE)
    return float(said[-1].replace(",", ""))


def measure(
    folders: list[Path],
    scratch: Path,
    workers: int,
    cluster: Cluster | None,
    *,
    again: Path | None = None,
) -> dict[str, object]:
    """One ingest into a new warehouse, or into one that is there."""
    warehouse = again or scratch / f"warehouse-{time.time_ns()}"
    size_mb = sum(f.stat().st_size for folder in folders for f in folder.glob("*json")) / 1e6
    command = [sys.executable, "-m", "pipelines.cli", "ingest", "--warehouse", str(warehouse)]
    command += ["--fhir", *map(str, folders), "--workers", str(workers)]
    if cluster is not None:
        arguments = cluster.beam_arguments
        arguments[arguments.index("--parallelism") + 1] = str(workers)
        command += ["--", *arguments]
    log = scratch / "ingest.log"
    seconds, peak = run(command, log)
    if again is None:
        subprocess.run(["rm", "-r", str(warehouse)], check=True)
    return {
        "runner": "local" if cluster is None else "flink",
        "workers": workers,
        "factor": len(folders),
        "mb": round(size_mb),
        "seconds": round(seconds, 1),
        "mb_per_s": round(size_mb / seconds, 1),
        "peak_mb": peak,
        "shuffled_mb": merged_mb(log) if cluster is None else shuffled_mb(cluster),
    }


def runs(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    """One after the other."""
    copies = make_copies(options.bundles, options.scratch, max(options.factors))
    for factor in options.factors:
        for workers in options.workers:
            yield measure(copies[:factor], options.scratch, workers, None)
    if options.skew:
        one = write_one_patient(options.scratch / "one-patient", options.skew)
        warehouse = options.scratch / f"skew-{time.time_ns()}"
        for _ in range(2):
            found = measure([one], options.scratch, 1, None, again=warehouse)
            yield {**found, "observations_of_one": options.skew}
    if not options.flink:
        return
    environment = install_workers(options.scratch / f"workers-{time.time_ns()}")
    with running(options.scratch / f"cluster-{time.time_ns()}", environment) as cluster:
        for factor in options.factors:
            for workers in options.workers:
                yield measure(copies[:factor], options.scratch, workers, cluster)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=lambda name: Path(name).resolve())
    parser.add_argument("scratch", type=lambda name: Path(name).resolve())
    parser.add_argument("--factors", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--flink", action="store_true")
    parser.add_argument("--skew", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("NIGHTROUNDS_ID_KEY", "0123456789abcdef" * 4)
    found = []
    for result in runs(options):
        print(json.dumps(result), flush=True)
        found.append(result)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
