"""`demo`: which commands it runs; what they do is tested with the verbs themselves."""

import pytest

import model_defs
from pipelines import demo
from pipelines.cli import build_parser
from transforms.definition import configured
from transforms.errors import UsageError


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The commands of a small demo, in order, parsed."""
    monkeypatch.setattr(demo, "PATIENTS", 20)
    monkeypatch.setattr(demo, "STUDIES", 10)
    found = []
    demo.demo(tmp_path / "demo", lambda own: found.append(build_parser().parse_args(own)))
    return found


def test_everything_simulated_is_read(commands, tmp_path):
    read, *_ = commands
    hospital = tmp_path / "demo" / "hospital"
    given = {*read.fhir, *read.dicom, *read.labels, *read.pairs, *read.counts}
    assert given == {str(path) for path in hospital.iterdir()}
    assert read.id_key_file.read_text().strip()


def test_every_model_is_trained_and_scored_on_the_last_day(commands):
    assert [command.verb for command in commands] == [
        *("ingest", "train", "train", "score", "quarantine", "report"),
    ]
    _, one, ensembles, score, *_ = commands
    assert sorted(one.models + ensembles.models) == model_defs.names()
    assert score.models == ["all"]
    assert one.as_of == ensembles.as_of == score.as_of
    for train in (one, ensembles):
        for name in train.models:
            assert getattr(configured(model_defs.find(name), train.set), "members", 1) == 1


def test_a_demo_is_made_anew_and_nothing_else_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "PATIENTS", 20)
    monkeypatch.setattr(demo, "STUDIES", 10)
    for _ in range(2):
        demo.demo(tmp_path / "demo", lambda own: None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(UsageError, match="there is something else in it"):
        demo.demo(tmp_path / "mine", lambda own: None)
