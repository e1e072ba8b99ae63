"""Training in several processes on loopback: one version, with the curve of one process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import model_defs
from pipelines import train_models as train_models_module
from pipelines.runner import pipeline_options
from tests.pipelines import train_worker
from tests.pipelines.trained import STANDINS
from tests.standins import examples as shared
from transforms.errors import RunFailed
from transforms.registry import MODEL, champion, verify

# Four processes take long on two cores: `make distributed`.
WORKERS = [int(n) for n in os.environ.get("NIGHTROUNDS_TRAINING_WORKERS", "2").split()]
_EPOCHS = 12
_LIMIT_S = 120


def _prepare(folder):
    """A small warehouse's buckets, where each worker finds them."""
    (folder / "hospital").mkdir()
    files = shared.as_buckets(shared.tables(), folder / "hospital").files
    (folder / "buckets.json").write_text(json.dumps(files))
    return folder


@pytest.fixture
def folder(tmp_path):
    return _prepare(tmp_path)


def _ports(number):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, workers, devices=0):
    """The processes of one training; what they print goes to files."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in _ports(workers)]}
    command = [sys.executable, "-m", "tests.pipelines.train_worker", str(folder), "logistic"]
    processes = []
    for index in range(workers):
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        environment["NIGHTROUNDS_LOGICAL_DEVICES"] = str(devices)
        if workers > 1:
            task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            environment["TF_CONFIG"] = json.dumps(task)
        with (folder / f"{index}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [*command, str(_EPOCHS)], env=environment, stdout=log, stderr=log, cwd=folder
                )
            )
    return processes


def end(processes):
    """Their exit statuses."""
    try:
        return [process.wait(_LIMIT_S) for process in processes]
    finally:
        for process in processes:
            process.kill()


def epochs_done(folder):
    """Whole epochs of a training that goes on."""
    found = list((folder / "models" / "logistic").glob(".work-*/built-epochs-0/state.json"))
    return len(json.loads(found[0].read_text())["losses"]) if found else 0


def trained(folder):
    """The only version, its loss after each epoch, and its measures."""
    version = champion(str(folder / "models"), "logistic")
    verify(version)
    names = sorted(path.name for path in (folder / "models" / "logistic").iterdir())
    assert names == sorted([version.version, "champion"])
    (losses,) = version.read_json(MODEL)["tuning_losses"]
    return losses, version.read_json("metrics.json")["measures"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The losses of one process, this one."""
    folder = _prepare(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_defs, "find", STANDINS.__getitem__)
        train_worker.train_in(folder, "logistic", _EPOCHS)
    return trained(folder)


@pytest.mark.parametrize("workers", WORKERS)
def test_several_processes_train_one_version_with_the_curve_of_one_also_after_a_loss(
    folder, alone, workers
):
    processes, begin = start(folder, workers), time.monotonic()
    while epochs_done(folder) < 2 and time.monotonic() - begin < _LIMIT_S:
        time.sleep(0.01)
    processes[-1].send_signal(signal.SIGKILL)
    assert end(processes) == [1] * (workers - 1) + [-signal.SIGKILL]
    assert "another worker of this training is gone: start all" in (folder / "0.log").read_text()
    assert 2 <= epochs_done(folder) < _EPOCHS
    assert end(start(folder, workers)) == [0] * workers
    losses, measures = trained(folder)
    assert len(losses) == len(alone[0]) == _EPOCHS
    # Within a batch that is not full, what each worker has weighs the same: a few percent.
    assert losses == pytest.approx(alone[0], rel=0.12)
    assert measures["auroc"]["value"] == pytest.approx(alone[1]["auroc"]["value"], abs=0.02)


def test_two_devices_of_one_process_train_with_the_curve_of_one(folder, alone):
    assert end(start(folder, 1, devices=2)) == [0], (folder / "0.log").read_text()
    losses, _ = trained(folder)
    assert losses == pytest.approx(alone[0], rel=0.12)
    assert losses != alone[0]  # else there was one device


def test_a_lost_worker_is_no_fault_of_the_model_so_no_other_is_begun(monkeypatch):
    begun = []

    def lost(name, *_, **__):
        begun.append(name)
        raise RunFailed("another worker is gone")

    monkeypatch.setattr(train_models_module, "train", lost)
    configs = {"first": None, "second": None}
    with pytest.raises(RunFailed, match="another worker is gone"):
        train_models_module.train_models(
            "models", "work", configs, None, None, pipeline_options(), None, skip=True
        )
    assert begun == ["first"]
