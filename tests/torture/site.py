"""A hospital, a warehouse with one published night and a trained model, and one more night to run.

The warehouse knows its files by absolute paths, so a copy is only good in its own place: it is
kept beside and put back before each fault.
"""

import collections
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.simulate import simulate_hospital
from tests.table_state import State, table_state
from transforms.parquet import read_files
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse, open_warehouse

_MODEL = "readmission"
DAY = "2024-12-31"  # of the simulated hospital


@dataclasses.dataclass
class Site:
    """Where all of it lies; `day` is the night's date."""

    root: Path
    day: str
    patients: int
    _known: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)

    @property
    def warehouse(self) -> Path:
        """The warehouse that is tortured."""
        return self.root / "warehouse"

    @property
    def location(self) -> str:
        """What `--warehouse` takes."""
        return str(self.warehouse)

    def command(self, verb: str, *arguments: str) -> list[str]:
        """A verb of the command line on this warehouse."""
        command = [sys.executable, "-m", "pipelines.cli", verb, *arguments]
        return [*command, "--warehouse", self.location]

    def nightly(self, workers: int = 2) -> list[str]:
        """The night that is disturbed: the bulk export, by default with two worker processes."""
        export = str(self.root / "hospital" / "fhir" / "bulk")
        arguments = ["--fhir", export, "--id-key-file", str(self.root / "key"), "--quiet"]
        return self.command("nightly", *arguments, "--as-of", self.day, "--workers", str(workers))

    def keep(self) -> None:
        """What `put_back` then puts back, taken away."""
        self.warehouse.rename(self.root / "before")

    def publishes(self) -> bool:
        """Whether a journal is there."""
        return any(self.warehouse.glob("journal/*.json"))

    def data_files(self) -> set[str]:
        """The Parquet files below the tables' folders."""
        return {
            str(path)
            for table in TABLES.values()
            for path in (self.warehouse / table.namespace / table.name).glob("data/**/*.parquet")
        }

    def put_back(self) -> None:
        """The warehouse as it was before the night."""
        shutil.rmtree(self.warehouse, ignore_errors=True)
        shutil.copytree(self.root / "before", self.warehouse)

    def open(self) -> Warehouse:
        """The warehouse, a publication that was cut short finished."""
        return open_warehouse(self.location)

    def state(self) -> State:
        """What the tables say; `runs` is left out."""
        return table_state(self.open(), self._known)

    def published_runs(self) -> list[str]:
        """The ids of the runs that were published, each as often as there is a row of `ingest`."""
        frame = pl.DataFrame(read_files(self.open().paths("runs"), TABLES["runs"].schema))
        found = frame.filter((pl.col("status") == "published") & (pl.col("stage") == "read_fhir"))
        return sorted(found["run_id"].to_list())


def prepare(root: Path, patients: int) -> Site:
    """Makes all of it, in a new folder."""
    found = simulate_hospital(
        root / "hospital", patients=patients, studies=10, seed=11, broken=False
    )
    assert str(found.as_of) == DAY
    site = Site(root, DAY, patients)
    key = root / "key"
    key.write_text("0123456789abcdef" * 4 + "\n")
    key.chmod(0o600)
    one, arguments = str(found.fhir / "bundles"), ["--id-key-file", str(key), "--quiet"]
    subprocess.run(
        site.command("ingest", "--fhir", one, "--buckets", "2", *arguments),
        check=True,
        stdout=sys.stderr,
    )
    training = [_MODEL, "--as-of", site.day, "--set", "epochs=2", "--quiet"]
    subprocess.run(site.command("train", *training), check=True, stdout=sys.stderr)
    shutil.copytree(site.warehouse, root / "before")
    return site


def prepared(root: Path, patients: int) -> Site:
    """The site in a folder; made, where no other script has."""
    if (root / "before").exists():
        return Site(root, DAY, patients)
    return prepare(root, patients)


@dataclasses.dataclass
class Running:
    """A command in a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    started_s: float

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started_s

    def members(self) -> list[int]:
        """The process ids of the group, the launcher's left out."""
        return sorted(pid for pid in _group(self.process.pid) if pid != self.process.pid)

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        wanted = [b"-m", b"apache_beam.runners.worker.sdk_worker_main"]  # and not the shell of it
        return [pid for pid in self.members() if _arguments(pid)[1:] == wanted]

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status; None when it takes longer."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kills what is left of the group."""
        if self.members() or self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start(command: list[str], log: Path) -> Running:
    """Starts it; what it prints goes to the file."""
    began = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    return Running(process, log, began)


def _group(leader: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it is gone
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            yield int(folder.name)


def _arguments(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def count(values: Iterator[str]) -> dict[str, int]:
    """How often each is there, by name."""
    return dict(sorted(collections.Counter(values).items()))
