"""A run whose launcher died when its work was done is published by `commit`."""

import dataclasses
import json
from pathlib import Path

import pytest

from pipelines import execute
from pipelines.cli import main
from tests.golden import build
from tests.pipelines.trained import copy_of, know_only_logistic, trained_in
from tests.table_state import table_state
from transforms.file_systems import FileSystems
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
NIGHT = ["--as-of", build.AS_OF]


class Died(BaseException):
    """The launcher is gone: nothing of it runs any more."""


@dataclasses.dataclass
class Site:
    """Two warehouses that know a stand-in's champion, and nothing else, by name."""

    inputs: Path
    places: dict[str, str]

    def waiting(self):
        """The ids of the runs whose staging folders are there."""
        found = FileSystems.match([f"{self.places['died']}/staging/*/**"])[0].metadata_list
        return {file.path.split("/staging/")[1].split("/")[0] for file in found}


@pytest.fixture
def site(request, tmp_path, tmp_path_factory, monkeypatch):
    """In folders, or with the parameter `object store` there."""
    version = trained_in(tmp_path_factory.getbasetemp())["logistic"].version
    know_only_logistic(monkeypatch)
    names = ("died", "alone")
    places = {name: str(tmp_path / name) for name in names}
    if getattr(request, "param", "folder") == "object store":
        store = request.getfixturevalue("object_store")
        places = {name: store.new_location() for name in names}
    for place in places.values():
        open_warehouse(place, create=True, buckets=2)
        copy_of(version, f"{place}/models")
    build.write_inputs(tmp_path / "in")
    return Site(tmp_path / "in", places)


everywhere = pytest.mark.parametrize("site", ["folder", "object store"], indirect=True)


def call(site, name, verb, *arguments):
    inputs = build.write_inputs(site.inputs) if verb in ("ingest", "nightly") else []
    return main([verb, *arguments, *inputs, "--warehouse", site.places[name], "--quiet"])


def die(site, verb, *arguments):
    """The verb on one warehouse, whose launcher dies before it publishes; the run's id."""

    def gone(*_):
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "publish", gone)
        patch.setattr(execute, "_record", lambda *_: None)
        with pytest.raises(Died):
            call(site, "died", verb, *arguments)
    (run,) = site.waiting()
    return run


def commit(site, run, *more):
    return main(["commit", run, "--warehouse", site.places["died"], *more])


def state(site, name):
    return table_state(open_warehouse(site.places[name]), {})


@pytest.mark.parametrize(
    ("site", "verbs"),
    [
        ("folder", [("ingest",)]),
        ("folder", [("ingest",), ("score", "logistic", *NIGHT)]),
        ("folder", [("nightly", *NIGHT)]),
        ("object store", [("nightly", *NIGHT)]),
    ],
    indirect=["site"],
)
def test_what_is_published_is_what_the_launcher_would_have(site, capsys, verbs):
    for verb in verbs:
        assert call(site, "alone", *verb) == 0
    for verb in verbs[:-1]:
        assert call(site, "died", *verb) == 0
    before = state(site, "died")
    run = die(site, *verbs[-1])
    assert state(site, "died") == before != state(site, "alone")
    capsys.readouterr()
    assert commit(site, run) == 0
    assert f"run {run}: published" in capsys.readouterr().out
    assert state(site, "died") == state(site, "alone")
    assert site.waiting() == set()
    assert commit(site, run) == 2
    assert "none does" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_not_published(site, capsys):
    run = die(site, "nightly", *NIGHT)
    FileSystems.delete([f"{site.places['died']}/staging/{run}/scores.json"])
    before = state(site, "died")
    assert commit(site, run) == 1
    assert "is not finished" in capsys.readouterr().err
    assert commit(site, "other") == 2
    assert f"these do: {run}" in capsys.readouterr().err
    assert state(site, "died") == before


def test_metrics_and_lineage_tell_of_it_as_of_the_run(site):
    run = die(site, "ingest")
    prom, events = site.inputs / "n.prom", site.inputs / "lineage.ndjson"
    assert commit(site, run, "--metrics-file", str(prom), "--lineage-file", str(events)) == 0
    assert f'nightrounds_last_run_info{{run_id="{run}",verb="ingest"' in prom.read_text()
    end = json.loads(events.read_text().splitlines()[-1])
    assert (end["eventType"], end["job"]["name"]) == ("COMPLETE", "nightrounds.ingest")
    assert {"key": "run_id", "source": "NIGHTROUNDS", "value": run} in end["run"]["facets"]["tags"][
        "tags"
    ]


@everywhere
def test_what_another_run_changed_since_is_not_overwritten(site, capsys):
    run = die(site, "ingest")
    assert call(site, "died", "ingest") == 0
    before = state(site, "died")
    assert commit(site, run) == 1
    assert "was changed by another run" in capsys.readouterr().err
    assert state(site, "died") == before


def test_too_many_refusals_stop_it_as_they_would_have(site, capsys, monkeypatch):
    run = die(site, "ingest", "--max-quarantined", "0")
    monkeypatch.setattr("pipelines.run.MIN_REFUSAL", -1)
    assert commit(site, run) == 3
    assert "--max-quarantined 0" in capsys.readouterr().err
