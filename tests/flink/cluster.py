"""A standalone Flink cluster on loopback, Beam's job server, and Python worker pools.

A JobManager and two TaskManagers run as processes of their own, from the released distribution.
A job of two slots runs on one of the TaskManagers: both share the worker pool, which would take
their workers for the same ones. The pool runs from another virtual environment and another folder
than the launcher; the project was installed there as its own package.

Source: https://nightlies.apache.org/flink/flink-docs-release-1.19/docs/deployment/resource-providers/standalone/overview/,
https://beam.apache.org/documentation/runtime/sdk-harness-config/
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ARTEFACTS = Path(__file__).resolve().parents[2] / "build" / "flink"
_BEAM = ARTEFACTS / "beam" / "job-server-1.jar"
TASK_MANAGERS = 2
SLOTS = 2
_LOOPBACK = "127.0.0.1"
_START_S = 120.0
_ANSWER_S = 60.0  # on a machine that does much else
# Flink 1.19 reads fields of these packages by reflection; Java 17 has to be told so.
_OPENED = (
    *("lang", "lang.reflect", "net", "io", "nio", "text", "time", "util"),
    *("util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
_CONFIG = """\
jobmanager.bind-host: {host}
jobmanager.rpc.address: {host}
jobmanager.rpc.port: {rpc}
jobmanager.memory.process.size: 1000m
blob.server.port: {blob}
rest.address: {host}
rest.bind-address: {host}
rest.port: {rest}
taskmanager.bind-host: {host}
taskmanager.host: {host}
taskmanager.numberOfTaskSlots: {slots}
taskmanager.cpu.cores: 1
taskmanager.memory.framework.heap.size: 128m
taskmanager.memory.framework.off-heap.size: 128m
taskmanager.memory.task.heap.size: 640m
taskmanager.memory.task.off-heap.size: 128m
taskmanager.memory.network.min: 256m
taskmanager.memory.network.max: 256m
taskmanager.network.sort-shuffle.min-buffers: 64
taskmanager.memory.managed.size: 128m
taskmanager.memory.jvm-metaspace.size: 256m
taskmanager.memory.jvm-overhead.min: 128m
taskmanager.memory.jvm-overhead.max: 128m
classloader.resolve-order: parent-first
heartbeat.interval: 1000
heartbeat.timeout: 8000
io.tmp.dirs: {folder}/temporary
"""
_LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = console
appender.console.name = console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n
"""


def missing() -> str:
    """Why no cluster can be started here; empty when one can."""
    if shutil.which("java") is None:
        return "no java on the path"
    if not (ARTEFACTS / ".fetched").exists():
        return f"no Flink in {ARTEFACTS}: make flink-artefacts"
    return ""


class Cluster:
    """Processes by name, all ended by `close`."""

    def __init__(self, folder: Path, workers: Path) -> None:
        """`folder` for logs and temporary files; `workers`: the virtual environment of the pool."""
        self._folder, self._workers = folder, workers
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        names = ("rpc", "blob", "rest", "job", "artifact", "expansion", "pool")
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        for name in ("conf", "logs", "temporary", "artifacts", "pool"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(host=_LOOPBACK, folder=folder, slots=SLOTS, **self._ports)
        (folder / "conf" / "config.yaml").write_text(config)
        (folder / "conf" / "log4j2.properties").write_text(_LOG4J)

    @property
    def beam_arguments(self) -> list[str]:
        """What stands after `--` on the command line."""
        at = f"{_LOOPBACK}:"
        return [
            *("--runner", "FlinkRunner", "--flink_version", "1.19"),
            *("--job_endpoint", f"{at}{self._ports['job']}"),
            *("--artifact_endpoint", f"{at}{self._ports['artifact']}"),
            *("--environment_type", "EXTERNAL"),
            *("--environment_config", f"{at}{self._ports['pool']}"),
            *("--parallelism", str(TASK_MANAGERS)),
        ]

    def start(self) -> None:
        """Starts everything. Raises: RuntimeError, with the end of a log, when it does not."""
        self._java("jobmanager", "runtime.entrypoint.StandaloneSessionClusterEntrypoint", 600)
        for number in range(TASK_MANAGERS):
            self.start_task_manager(number)
        ports = {f"--{name}-port": self._ports[name] for name in ("job", "artifact", "expansion")}
        self._start(
            "jobserver",
            [
                *_java(512, str(_BEAM)),
                "org.apache.beam.runners.flink.FlinkJobServerDriver",
                f"--flink-master={_LOOPBACK}:{self._ports['rest']}",
                f"--job-host={_LOOPBACK}",
                *(f"{name}={port}" for name, port in ports.items()),
                f"--artifacts-dir={self._folder / 'artifacts'}",
            ],
        )
        python = [str(self._workers / "bin" / "python"), "-m"]
        pool = "apache_beam.runners.worker.worker_pool_main"
        self._start("pool", [*python, pool, f"--service_port={self._ports['pool']}"])
        for name in ("job", "artifact", "pool"):
            self._wait(lambda port=self._ports[name]: _listens(port), f"{name} port")
        self._wait(lambda: self.overview()["taskmanagers"] == TASK_MANAGERS, "TaskManagers")

    def start_task_manager(self, number: int) -> None:
        """Starts one, or one that was killed again."""
        name = f"taskmanager-{number}"
        known = ("-D", f"taskmanager.resource-id={name}")
        self._java(name, "runtime.taskexecutor.TaskManagerRunner", 768, *known)

    def busy(self) -> str | None:
        """The name of a TaskManager that runs tasks."""
        found = self.ask("taskmanagers")["taskmanagers"]
        return next((m["id"] for m in found if m["freeSlots"] < m["slotsNumber"]), None)

    def kill(self, name: str) -> None:
        """SIGKILL, as when a machine is gone."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def overview(self) -> dict[str, int]:
        """Flink's own counts: `taskmanagers`, `jobs-running`, `jobs-finished`, `jobs-failed`, …"""
        found: dict[str, int] = self.ask("overview")
        return found

    def ask(self, path: str) -> dict[str, Any]:
        """A question to Flink's REST service."""
        url = f"http://{_LOOPBACK}:{self._ports['rest']}/{path}"
        with urllib.request.urlopen(url, timeout=_ANSWER_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def close(self) -> None:
        """Ends what was started, the pool's own children too."""
        for process in reversed(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()

    def _java(self, name: str, entry: str, heap_mb: int, *more: str) -> None:
        settings = f"-Dlog4j.configurationFile={self._folder}/conf/log4j2.properties"
        # With Beam on Flink's own path worker processes outlive the stages of a job.
        path = f"{ARTEFACTS / 'cluster' / 'lib'}/*:{_BEAM}"
        command = [*_java(heap_mb, path, settings)]
        self._start(
            name,
            [*command, f"org.apache.flink.{entry}", "--configDir", f"{self._folder}/conf", *more],
        )

    def _start(self, name: str, command: Sequence[str]) -> None:
        path = f"{self._workers / 'bin'}:{os.environ['PATH']}"  # the pool starts `python`
        environment = {**os.environ, "PATH": path}
        environment.pop("PYTHONPATH", None)
        with (self._folder / "logs" / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder / "pool",
                env=environment,
                start_new_session=True,
            )

    def _wait(self, ready: object, what: str) -> None:
        assert callable(ready)
        end = time.monotonic() + _START_S
        while True:
            with contextlib.suppress(OSError):
                if ready():
                    return
            dead = [name for name, p in self._processes.items() if p.poll() is not None]
            if dead or time.monotonic() > end:
                logs = {n: (self._folder / "logs" / f"{n}.log").read_text()[-2000:] for n in dead}
                raise RuntimeError(f"{what}: not there; {logs}")
            time.sleep(0.2)


@contextlib.contextmanager
def running(folder: Path, workers: Path) -> Iterator[Cluster]:
    """A cluster that is up, ended afterwards."""
    cluster = Cluster(folder, workers)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


def install_workers(folder: Path) -> Path:
    """A virtual environment with the project installed as its own package.

    The libraries are those of this process's environment, by a path file; the project's own
    checkout is not on that path.
    """
    root = Path(__file__).resolve().parents[2]
    build = folder / "source"
    build.mkdir(parents=True)
    for name in ("pipelines", "transforms", "model_defs"):
        shutil.copytree(root / name, build / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(root / name, build)
    environment = folder / "environment"
    _run([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    pip = [sys.executable, "-m", "pip", "--quiet"]
    (site,) = environment.glob("lib/python*/site-packages")
    _run([*pip, "install", "--no-deps", "--target", str(site), str(build)])
    shutil.rmtree(build)
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _java(heap_mb: int, path: str, *settings: str) -> list[str]:
    opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _OPENED]
    opened += [f"--add-opens=java.base/sun.{n}=ALL-UNNAMED" for n in ("nio.ch", "net.util")]
    # Of short lives: what the second compiler gains, it costs.
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
    return ["java", *quick, *opened, f"-Xmx{heap_mb}m", *settings, "-cp", path]


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind((_LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _listens(port: int) -> bool:
    with socket.create_connection((_LOOPBACK, port), timeout=1):
        return True
