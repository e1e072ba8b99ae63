"""What the tests of training, evaluation and scoring share."""

import dataclasses
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
from transforms.progress_notes import ProgressNotes

CLASSIFIERS = {"logistic": logistic, "forest": forest, "softmax": softmax}
STANDINS = {**CLASSIFIERS, "panel": panel}


@functools.cache
def hospital_in(root: Path):
    """Buckets of a small warehouse, made once in a session's folder."""
    folder = root / "hospital"
    folder.mkdir()
    return shared.as_buckets(shared.tables(), folder)


class _Trained(dict):
    """Stand-ins by name, each trained when it is first asked for; `told`: of which stages."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root, self.told = root, {}

    def __missing__(self, name: str):
        notes, options = ProgressNotes(str(self._root / "notes" / name)), pipeline_options()
        with pytest.MonkeyPatch.context() as patch, notes.shared(options):
            patch.setattr(model_defs, "find", STANDINS.__getitem__)
            source, models = hospital_in(self._root), str(self._root / "models")
            self[name] = train(name, source, models, shared.AS_OF, options)
            self.told |= notes.totals()
        return self[name]


@functools.cache
def trained_in(root: Path):
    """The stand-ins, each trained once in a session's folder."""
    return _Trained(root)


def told_in(root: Path):
    """What the trainings of all told of themselves, by stage."""
    trained = trained_in(root)
    for name in CLASSIFIERS:
        trained[name]
    return trained.told


def train_model(model, source, models, **options):
    return train(model, source, str(models), shared.AS_OF, pipeline_options(), **options)


def know_only_logistic(monkeypatch):
    """The stand-in is the only model, makes its examples of the golden inputs, under their key."""
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", build.KEY)
    monkeypatch.setattr(model_defs, "find", lambda name: logistic)
    monkeypatch.setattr(model_defs, "names", lambda: ["logistic"])
    monkeypatch.setattr(logistic, "examples", build.examples)


def set_defaults(monkeypatch, name, **settings):
    """Other defaults of a model's Config, as of one that is trained sooner."""
    definition = model_defs.find(name)
    fields = [(field, type(value), value) for field, value in settings.items()]
    config = dataclasses.make_dataclass("Config", fields, bases=(definition.Config,), frozen=True)
    monkeypatch.setattr(definition, "Config", config)


def copy_of(version, models):
    """The version, as champion, in a registry of its own: a folder or a URL."""
    copy = registry.store(version.folder, str(models), version.model, version.version)
    registry.promote(copy)
    return copy


def folders(root):
    """Where a scoring writes to."""
    return {name: str(root / name) for name in ("predictions", "extractions")}
