"""What the tests of training, evaluation and scoring share."""

import functools
from pathlib import Path

import pytest

import model_defs
from pipelines.runner import pipeline_options
from pipelines.train import train
from tests.golden import build
from tests.standins import examples as shared
from tests.standins import forest, logistic, panel, softmax
from transforms import registry

CLASSIFIERS = {"logistic": logistic, "forest": forest, "softmax": softmax}
STANDINS = {**CLASSIFIERS, "panel": panel}


@functools.cache
def hospital_in(root: Path):
    """Buckets of a small warehouse, made once in a session's folder."""
    folder = root / "hospital"
    folder.mkdir()
    return shared.as_buckets(shared.tables(), folder)


@functools.cache
def trained_in(root: Path):
    """Each stand-in, trained once in a session's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_defs, "find", STANDINS.__getitem__)
        return {name: train_model(name, hospital_in(root), root / "models") for name in CLASSIFIERS}


def train_model(model, source, models, **options):
    return train(model, source, str(models), shared.AS_OF, pipeline_options(), **options)


def know_only_logistic(monkeypatch):
    """The stand-in is the only model, makes its examples of the golden inputs, under their key."""
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", build.KEY)
    monkeypatch.setattr(model_defs, "find", lambda name: logistic)
    monkeypatch.setattr(model_defs, "names", lambda: ["logistic"])
    monkeypatch.setattr(logistic, "examples", build.examples)


def copy_of(version, models):
    """The version, as champion, in a registry of its own: a folder or a URL."""
    copy = registry.store(version.folder, str(models), version.model, version.version)
    registry.promote(copy)
    return copy


def folders(root):
    """Where a scoring writes to."""
    return {name: str(root / name) for name in ("predictions", "extractions")}
