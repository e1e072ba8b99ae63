"""`kill -9` of a training: of three points two while it fits, one anywhere.

    python -m tests.torture.kill_train FOLDER --points 10

The folder is new, or one that `tests.torture.kill` has prepared. After each: every version in the
registry is whole, and the same command again gives the weights and the measures of a training that
nobody disturbed. Prints a line for each point and a summary in JSON; exit status 1 when anything
else was seen.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tests.torture.site import Site, count, prepared, start
from transforms.registry import METRICS, ModelVersion, verify, version_of

_MODEL = "readmission"
_TIMEOUT_S = 300.0
_LAYERS = "model/layer_with_weights"
# Enough epochs that most points lie between two of them, not in the start of the process.
_SETTINGS = ("--set", "epochs=60", "--set", "patience=60")


def _command(site: Site) -> list[str]:
    return site.command("train", _MODEL, "--as-of", site.day, *_SETTINGS, "--quiet")


def _versions(site: Site) -> list[ModelVersion]:
    models = f"{site.warehouse}/models"
    names = sorted(p.name for p in Path(models, _MODEL).iterdir() if p.is_dir())
    return [version_of(models, _MODEL, name) for name in names if not name.startswith(".")]


def _in_work(site: Site, pattern: str) -> list[Path]:
    """What a training has left, to be gone on with."""
    return list(Path(site.warehouse, "models", _MODEL).glob(f".work-*/{pattern}"))


def _said(version: ModelVersion) -> tuple[object, dict[str, bytes]]:
    """Its measures, and the bytes of its weights; what an optimizer leaves there may differ."""
    import tensorflow as tf

    found = tf.train.load_checkpoint(f"{version.folder}/saved_model/variables/variables")
    names = [n for n in found.get_variable_to_shape_map() if n.startswith(_LAYERS)]
    values = {name: np.asarray(found.get_tensor(name)).tobytes() for name in names}
    return version.read_json(METRICS), values


def _train(site: Site, log: str) -> tuple[int | None, float, list[float]]:
    """Its exit status, how long it took, and when there was an epoch to go on with."""
    running, fitting = start(_command(site), site.root / log), []
    while running.process.poll() is None and running.seconds < _TIMEOUT_S:
        if _in_work(site, "*-epochs-*/state.json"):
            fitting.append(running.seconds)
        time.sleep(0.02)
    seconds = running.seconds
    running.end()
    return running.process.returncode, seconds, fitting


def torture_point(site: Site, after_s: float, before: set[str], alone: object) -> dict[str, object]:
    """One kill and what follows it."""
    site.put_back()
    running = start(_command(site), site.root / "killed-train.log")
    status = running.wait(after_s)
    if status is None:
        os.kill(running.process.pid, signal.SIGKILL)
        status = running.wait(_TIMEOUT_S)
    running.end()
    found = _versions(site)
    for version in found:
        verify(version)
    is_kept = bool(_in_work(site, "*-epochs-*/state.json"))
    repeated, seconds, _ = _train(site, "repeat-train.log")
    new = [version for version in _versions(site) if version.version not in before]
    return {
        "after_s": round(after_s, 2),
        "ended": f"exit {status}",
        "versions": len(found) - len(before),
        "epochs_kept": is_kept,
        "repeat": repeated,
        "repeat_s": round(seconds, 1),
        "repeat_equal": bool(new) and all(_said(version) == alone for version in new),
        "left": len(_in_work(site, "")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begin = time.monotonic()
    site = prepared(options.folder, options.patients)
    site.put_back()
    before = {version.version for version in _versions(site)}
    status, alone_s, fitting = _train(site, "undisturbed-train.log")
    assert status == 0, (site.root / "undisturbed-train.log").read_text()
    (undisturbed,) = (v for v in _versions(site) if v.version not in before)
    alone = _said(undisturbed)
    draw, results = random.Random(options.seed), []  # noqa: S311 - no secret
    for number in range(options.points):
        span = (fitting[0], fitting[-1]) if number % 3 else (0.0, alone_s)
        results.append(torture_point(site, draw.uniform(*span), before, alone))
        print(json.dumps(results[-1]), flush=True)  # noqa: T201 - the result
    bad = sum(r["repeat"] != 0 or not r["repeat_equal"] or r["left"] != 0 for r in results)
    summary = {
        "points": len(results),
        "undisturbed_s": round(alone_s, 1),
        "fit_s": round(fitting[-1] - fitting[0], 1),
        "seconds": round(time.monotonic() - begin),
        "ended": count(str(r["ended"]) for r in results),
        "with_epochs_kept": sum(bool(r["epochs_kept"]) for r in results),
        "bad": bad,
    }
    print(json.dumps(summary, indent=1))  # noqa: T201 - the result
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
