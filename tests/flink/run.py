"""Verbs on a Flink cluster give the rows of the local runner, also after a machine is lost.

    python -m tests.flink.run FOLDER [--fhir P… --dicom P…] [--hospital] [--models MODEL…]
        [--object-store]

With `--object-store` the warehouse of the cluster is on a stand-in for S3 with its catalog in
PostgreSQL; the local runner's stays a folder.

Without paths a hospital is simulated, and beside them with `--hospital`, so that every model can be
trained. Prints what was compared; exit status 1 when tables differ.
The models are trained once, locally. Then a TaskManager is killed in the middle of a night: the
job recovers or fails, and the same night again gives the rows of the local runner.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.run import BEGUN
from pipelines.simulate import simulate_hospital
from tests.flink.cluster import Cluster, install_workers, missing, running
from tests.services import missing as missing_services
from tests.services import running as running_services
from tests.table_state import State, table_state
from transforms.file_systems import FileSystems
from transforms.registry import champion, promote, store
from transforms.warehouse import open_warehouse

_KEY = "0123456789abcdef" * 4
DAY, _NEXT_DAY = "2025-01-01", "2025-01-02"
_LIMIT_S = 3600.0


@dataclasses.dataclass
class Step:
    """One verb on both runners."""

    verb: str
    seconds: dict[str, float]
    different: list[str]
    rows: dict[str, int]


class Comparison:
    """Two warehouses, one per runner, to which the same is done."""

    def __init__(
        self, folder: Path, cluster: Cluster, inputs: Sequence[str], url: str | None = None
    ) -> None:
        """`inputs` are arguments that name what is read; `url` the cluster's warehouse."""
        self._folder, self._cluster, self._inputs = folder, cluster, list(inputs)
        self._places = {"local": str(folder / "local"), "flink": url or str(folder / "flink")}
        self._known: dict[str, tuple[int, int]] = {}
        self.steps: list[Step] = []
        key = folder / "key"
        key.write_text(_KEY + "\n")
        key.chmod(0o600)

    def ingest(self) -> None:
        """The first night's reading; on Flink the launcher dies, and `commit` publishes it."""
        reading = [*self._inputs, "--buckets", "8", *self._with_key()]
        begin = time.monotonic()
        with self._started("flink", "ingest", *reading) as process:
            self._wait(lambda: self._cluster.overview()["jobs-running"] > 0, process)
            assert process.poll() is None, self.log("flink")
        while self._cluster.overview()["jobs-running"]:
            time.sleep(0.2)
        begun = FileSystems.match([f"{self._places['flink']}/staging/*/{BEGUN}"])[0].metadata_list
        (run,) = [file.path.split("/")[-2] for file in begun]
        assert self.run("flink", "commit", run) == 0, self.log("flink")
        flink_s = time.monotonic() - begin
        begin = time.monotonic()
        assert self.run("local", "ingest", *reading) == 0, self.log("local")
        self._compare("ingest", {"local": time.monotonic() - begin, "flink": flink_s})

    def train(self, models: Sequence[str]) -> None:
        """Trained locally, and the same versions given to the other warehouse."""
        given = ["--as-of", DAY, "--quiet"]
        status = self.run("local", "train", *models, *given)
        assert status == 0, self.log("local")
        local, flink = (f"{self._places[runner]}/models" for runner in ("local", "flink"))
        for name in os.listdir(local):
            if version := champion(local, name):  # `all` leaves folders of what could not be
                promote(store(version.folder, flink, name, version.version))

    def score(self, models: Sequence[str]) -> None:
        """Predictions for a day."""
        self.both("score", *models, "--as-of", DAY)

    def nightly(self) -> None:
        """The inputs once more, and predictions for the day after."""
        self.both("nightly", *self.night())

    def lose_a_task_manager(self, after_s: float, verb: str, *arguments: str) -> str:
        """Kills one so long after a Flink job of a verb began, and repeats it; what became of it.

        The tables are those of before, or the new ones when Flink recovered.
        """
        before = self.state("flink")
        with self._started("flink", verb, *arguments) as process:
            self._wait(lambda: self._cluster.busy() is not None, process)
            time.sleep(after_s)
            lost = self._cluster.busy()
            assert lost is not None, "the job was over before the kill"
            self._cluster.kill(lost)
            status = process.wait(_LIMIT_S)
        said = self.log("flink")
        assert status in (0, 1), said
        assert "unexpected" not in said, said
        found = self.state("flink")
        self._cluster.start_task_manager(int(lost.rpartition("-")[2]))
        self.both(verb, *arguments)
        assert found == (before if status else self.state("local")), "a mix of before and after"
        return "recovered" if status == 0 else said.strip().splitlines()[-1]

    def both(self, verb: str, *arguments: str) -> None:
        """A verb on both, and whether the tables are the same afterwards."""
        seconds = {}
        for runner in ("local", "flink"):
            begin = time.monotonic()
            status = self.run(runner, verb, *arguments)
            assert status == 0, self.log(runner)
            seconds[runner] = time.monotonic() - begin
        self._compare(verb, seconds)

    def _compare(self, verb: str, seconds: dict[str, float]) -> None:
        rounded = {runner: round(took, 1) for runner, took in seconds.items()}
        local, flink = self.state("local"), self.state("flink")
        different = sorted(name for name in local if local[name] != flink[name])
        rows = {name: rows for name, (rows, _) in sorted(flink.items()) if rows}
        self.steps.append(Step(verb, rounded, different, rows))

    def run(self, runner: str, verb: str, *arguments: str) -> int:
        """The exit status of a verb."""
        with self._started(runner, verb, *arguments) as process:
            return process.wait(_LIMIT_S)

    def state(self, runner: str) -> State:
        """What its tables say."""
        return table_state(open_warehouse(self._places[runner]), self._known)

    def log(self, runner: str) -> str:
        """What the last verb printed."""
        return (self._folder / f"{runner}.log").read_text()

    def night(self) -> list[str]:
        """The arguments of `nightly`."""
        return [*self._inputs, "--as-of", _NEXT_DAY, *self._with_key()]

    def _with_key(self) -> list[str]:
        return ["--id-key-file", str(self._folder / "key")]

    @contextlib.contextmanager
    def _started(self, runner: str, verb: str, *arguments: str):
        command = [sys.executable, "-m", "pipelines.cli", verb, *arguments]
        command += ["--warehouse", self._places[runner]]
        if runner == "flink" and verb != "commit":
            command += ["--", *self._cluster.beam_arguments]
        with (self._folder / f"{runner}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and not ready():
            time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())
    parser.add_argument("--fhir", nargs="+", default=[])
    parser.add_argument("--dicom", nargs="+", default=[])
    parser.add_argument("--hospital", action="store_true")
    parser.add_argument("--models", nargs="+", default=["all"])
    parser.add_argument("--kill-after", type=float, nargs="+", default=[3.0])
    parser.add_argument("--object-store", action="store_true")
    options = parser.parse_args()
    if why := missing() or (options.object_store and missing_services()):
        sys.exit(str(why))
    fhir, dicom, inputs = options.fhir, options.dicom, []
    if options.hospital or not (fhir or dicom):
        found = simulate_hospital(
            options.folder / "hospital", patients=200, studies=80, seed=3, broken=True
        )
        fhir, dicom = [*fhir, str(found.fhir)], [*dicom, str(found.dicom)]
        inputs += ["--pairs", str(found.pairs), "--counts", str(found.counts)]
        inputs += ["--labels", str(found.labels)]
    inputs += [
        word
        for name, paths in (("--fhir", fhir), ("--dicom", dicom))
        if paths
        for word in (name, *paths)
    ]
    options.folder.mkdir(parents=True, exist_ok=True)
    workers = install_workers(options.folder / "workers")
    with contextlib.ExitStack() as stack:
        url = None
        if options.object_store:
            services = stack.enter_context(running_services())
            os.environ.update(services.environment)
            url = services.new_location()
        cluster = stack.enter_context(running(options.folder / "cluster", workers))
        comparison = Comparison(options.folder, cluster, inputs, url)
        steps: list[Callable[[], object]] = [
            comparison.ingest,
            lambda: comparison.train(options.models),
            lambda: comparison.score(options.models),
            comparison.nightly,
            *(
                lambda s=s: comparison.lose_a_task_manager(s, "nightly", *comparison.night())
                for s in options.kill_after
            ),
        ]
        for step in steps:
            done = len(comparison.steps)
            if said := step():
                print(f"a TaskManager was killed: {said}")  # noqa: T201 - the result
            for new in comparison.steps[done:]:
                print(json.dumps(dataclasses.asdict(new)), flush=True)  # noqa: T201
    return int(any(step.different for step in comparison.steps))


if __name__ == "__main__":
    sys.exit(main())
