"""A warehouse at a URL, its catalog in PostgreSQL: what a folder does not show of the verbs."""

import datetime
import json
import os
import tempfile

import pytest

import model_defs
from pipelines import work_folder
from pipelines.cli import main
from pipelines.gc import collect_garbage
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, score
from tests.golden import build
from tests.pipelines.trained import (
    STANDINS,
    copy_of,
    folders,
    hospital_in,
    know_only_logistic,
    train_model,
    trained_in,
)
from tests.standins import examples as shared
from tests.table_state import file_state, table_state
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


def test_a_night_there_is_a_night_in_a_folder(
    object_store, tmp_path, tmp_path_factory, monkeypatch, capsys
):
    version = trained_in(tmp_path_factory.getbasetemp())["logistic"].version
    know_only_logistic(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    inputs = build.write_inputs(tmp_path / "in")
    places = [str(tmp_path / "w"), object_store.new_location()]
    found = {}
    for place in places:
        open_warehouse(place, create=True, buckets=2)
        copy_of(version, f"{place}/models")
        night = ["nightly", *inputs, "--as-of", build.AS_OF, "--warehouse", place]
        with monkeypatch.context() as patch:
            # As on a cluster: a night that trains nothing needs no working folder.
            patch.setattr(work_folder, "runs_here", lambda options: False)
            assert main([*night, "--quiet"]) == 0
        assert f"{place}/reports/{build.AS_OF}.html" in capsys.readouterr().err
        warehouse = open_warehouse(place)
        sql = "SELECT model, entity_id, score, drivers FROM predictions ORDER BY 2"
        assert main(["query", sql, "--format", "json", "--warehouse", place]) == 0
        rows = json.loads(capsys.readouterr().out)
        run = json.loads(_select("SELECT any_value(run_id) AS run_id FROM runs", place, capsys))
        assert main(["reproduce", run[0]["run_id"], "--warehouse", place]) == 0
        found[place] = (rows, table_state(warehouse, {}), capsys.readouterr().out)
    folder, url = (found[place] for place in places)
    assert folder == url
    assert len(url[0]) > 0
    names = object_store.names(places[1])
    assert f"reports/{build.AS_OF}.html" in names
    assert not [name for name in names if name.startswith(("staging", "journal"))]
    assert "<title>" in object_store.read(f"{places[1]}/reports/{build.AS_OF}.html")
    assert not os.path.exists("s3:")


def _select(sql, place, capsys):
    assert main(["query", sql, "--format", "json", "--warehouse", place]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("model", ["forest", "logistic"])
def test_a_version_there_scores_as_one_in_a_folder(
    model, object_store, tmp_path, tmp_path_factory, monkeypatch
):
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)
    root = tmp_path_factory.getbasetemp()
    here = trained_in(root)[model].version  # TensorFlow leaves files of a training
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    there = copy_of(here, f"{object_store.new_bucket()}/models")
    states = []
    for number, version in enumerate((here, there)):
        run = ScoreRun("r", shared.AS_OF, folders(tmp_path / str(number)))
        result = score([version], hospital_in(root), run, pipeline_options())
        files = [file for file in result.files if file.table == "predictions"]
        states.append(sorted(file_state(file.path, "predictions") for file in files))
    assert states[0] == states[1] != []
    assert list((tmp_path / "temporary").iterdir()) == []  # no copy of the model is left


def test_training_works_in_a_folder_and_stores_there(
    object_store, tmp_path, tmp_path_factory, monkeypatch
):
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)
    models, work = f"{object_store.new_bucket()}/models", tmp_path / "work"
    source = hospital_in(tmp_path_factory.getbasetemp())
    found = train_model("forest", source, models, work_root=str(work))
    assert found.version.folder.startswith(f"{models}/forest/")
    names = object_store.names(f"{models}/forest")
    assert f"{found.version.version}/MANIFEST.json" in names
    assert object_store.read(f"{models}/forest/champion").strip() == found.version.version
    assert list((work / "forest").iterdir()) == []


def test_others_need_a_working_folder_that_they_see_too(
    object_store, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    location = object_store.new_location()
    open_warehouse(location, create=True, buckets=2)
    train = ["train", "readmission", "--warehouse", location, "--quiet"]
    assert main([*train, "--", "--runner", "FlinkRunner"]) == 2
    assert "as work_folder in " in capsys.readouterr().err
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", build.KEY)
    night = ["nightly", "--refit", "outbreak", *build.write_inputs(tmp_path / "in"), *train[2:]]
    assert main([*night, "--", "--runner", "FlinkRunner"]) == 2
    assert "as work_folder in " in capsys.readouterr().err
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert main(train) == 2
    assert f"{location}/nightrounds.toml" in capsys.readouterr().err


def test_gc_takes_what_dead_runs_left(object_store, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    location = object_store.new_location()
    warehouse = open_warehouse(location, create=True, buckets=2)
    left = ["staging/dead/run.json", "clinical/events/data/dead/00001-x.parquet"]
    for name in left:
        object_store.write(f"{location}/{name}", "12345")
    work = tmp_path / "home" / ".cache" / "nightrounds" / "readmission" / ".work-1"
    work.mkdir(parents=True)
    (work / "examples").write_text("123")
    now = datetime.datetime.now(datetime.UTC)
    assert collect_garbage(warehouse, now) == (0, 0)
    assert collect_garbage(warehouse, now + datetime.timedelta(days=2)) == (3, 13)
    assert object_store.names(location) == ["nightrounds.toml"]
    assert not work.exists()
