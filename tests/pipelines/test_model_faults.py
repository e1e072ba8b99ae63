"""A model that fails is set aside; what the others say is published, and the exit status is 1."""

import polars as pl
import pytest

import model_defs
from pipelines import cli
from pipelines.nightly import models_folder
from pipelines.query import open_tables
from pipelines.report import build_report, render_report
from tests.pipelines.trained import STANDINS, copy_of, trained_in
from tests.pipelines.warehouses import select
from tests.standins import examples as shared
from tests.standins import forest, logistic, panel
from transforms import inference
from transforms.errors import ModelFailed
from transforms.keras_estimator import KerasEstimator
from transforms.parquet import write_file
from transforms.registry import promote
from transforms.schemas import TABLES
from transforms.warehouse import Change, open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
SECRET = "Mustermann"


@pytest.fixture
def hospital(tmp_path, tmp_path_factory, monkeypatch):
    """A warehouse with the stand-ins' events and two champions: logistic (Keras) and forest."""
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)
    monkeypatch.setattr(model_defs, "names", lambda: ["forest", "logistic"])
    warehouse = open_warehouse(str(tmp_path / "w"), create=True, buckets=shared.BUCKETS)
    files = []
    events = shared.tables().events.with_columns(bucket=pl.col("subject_id") % shared.BUCKETS)
    for bucket in range(shared.BUCKETS):
        part = events.filter(pl.col("bucket") == bucket).to_arrow()
        part = part.select(TABLES["events"].schema.names).cast(TABLES["events"].schema)
        files.append(write_file(part, str(tmp_path / "w/clinical/events/data"), str(bucket)))
    warehouse.publish("seed", [Change("events", (), tuple(files))])
    trained = trained_in(tmp_path_factory.getbasetemp())
    for name in ("forest", "logistic"):
        (tmp_path / "w" / "models").mkdir(exist_ok=True)
        version = copy_of(trained[name].version, tmp_path / "w" / "models")
        assert version.folder.startswith(models_folder(warehouse))
        promote(version)
    return tmp_path


def score(tmp_path):
    arguments = ["score", "all", "--warehouse", str(tmp_path / "w"), "--quiet"]
    return cli.main([*arguments, "--as-of", f"{shared.AS_OF:%Y-%m-%dT%H:%M:%S}"])


def fails(*_, **__):
    raise ValueError(SECRET)


def fails_at_load(scoring, load=inference.load_estimator):
    return fails() if scoring.version.model == "logistic" else load(scoring)


FAULTS = {
    "examples": (logistic, "examples", fails),
    "load": (inference, "load_estimator", fails_at_load),
    "predict": (KerasEstimator, "predict", fails),
    "to_predictions": (logistic, "to_predictions", fails),
}


@pytest.mark.parametrize("step", FAULTS)
def test_the_others_are_published(step, hospital, monkeypatch, capsys):
    monkeypatch.setattr(*FAULTS[step])
    assert score(hospital) == 1
    printed = capsys.readouterr()
    assert f"logistic: {step}: ValueError at test_model_faults.py" in printed.err
    assert SECRET not in printed.err + printed.out
    assert select(hospital, "SELECT model, count(*) FROM predictions GROUP BY ALL") == [
        ("forest", 200)
    ]
    stages = select(
        hospital,
        "SELECT stage, status, read, written, map_keys(skipped) FROM runs ORDER BY stage",
    )
    assert stages[0] == ("score_forest", "published", 200, 200, [])
    stage, status, read, written, reasons = stages[1]
    assert (stage, status, written) == ("score_logistic", "failed", 0)
    assert read == (0 if step == "examples" else 200)
    assert [reason.split(" at ")[0] for reason in reasons] == [f"failed: {step}: ValueError"]
    warehouse = open_warehouse(str(hospital / "w"))
    found = list((hospital / "w").glob("clinical/predictions/data/**/*.parquet"))
    assert sorted(map(str, found)) == warehouse.paths("predictions")  # nothing of it is left
    with open_tables({table: warehouse.paths(table) for table in TABLES}) as connection:
        report = build_report(connection)
    assert report.run.status == "published"
    assert report.run.failed == ("score_logistic",)
    assert "published without: score_logistic" in render_report(report)


def test_what_it_said_before_stays(hospital, monkeypatch):
    assert score(hospital) == 0
    before = select(hospital, "SELECT run_id FROM predictions WHERE model = 'logistic'")
    monkeypatch.setattr(logistic, "to_predictions", fails)
    assert score(hospital) == 1
    assert select(hospital, "SELECT run_id FROM predictions WHERE model = 'logistic'") == before
    forests = select(hospital, "SELECT DISTINCT run_id FROM predictions WHERE model = 'forest'")
    assert len(forests) == 1
    assert forests[0] != before[0]


def test_a_model_without_memory_is_set_aside(hospital, monkeypatch, capsys):
    import tensorflow as tf

    calls = []

    def too_large(self, batch):
        calls.append(batch.num_rows)
        raise tf.errors.ResourceExhaustedError(None, None, SECRET)

    monkeypatch.setattr(KerasEstimator, "predict", too_large)
    assert score(hospital) == 1
    assert "logistic: predict: ResourceExhaustedError" in capsys.readouterr().err
    assert len(calls) < 40  # it is not asked for each of 200 rows
    assert select(hospital, "SELECT DISTINCT model FROM predictions") == [("forest",)]


def test_a_model_that_refuses_most_rows_is_set_aside(hospital, monkeypatch, capsys):
    import tensorflow as tf

    def bad(self, batch):
        raise tf.errors.InvalidArgumentError(None, None, SECRET)

    monkeypatch.setattr(KerasEstimator, "predict", bad)
    assert score(hospital) == 1
    assert "logistic: 200 of 200 inputs were refused" in capsys.readouterr().err
    assert select(hospital, "SELECT DISTINCT model FROM predictions") == [("forest",)]


def test_nothing_is_published_where_all_fail(hospital, monkeypatch, capsys):
    monkeypatch.setattr(logistic, "examples", fails)
    monkeypatch.setattr(forest, "examples", fails)
    assert score(hospital) == 1
    assert "logistic: examples: ValueError" in capsys.readouterr().err
    assert open_warehouse(str(hospital / "w")).paths("predictions") == []
    assert select(hospital, "SELECT DISTINCT status FROM runs") == [("failed",)]


def test_a_model_that_gathers_fails_alone(hospital, monkeypatch):
    from pipelines.runner import pipeline_options
    from pipelines.score import ScoreRun
    from pipelines.score import score as score_all
    from tests.pipelines.trained import folders, train_model
    from transforms.registry import version_of

    (hospital / "buckets").mkdir()
    buckets = shared.as_buckets(shared.tables(), hospital / "buckets")
    trained = train_model("panel", buckets, hospital / "m", config=panel.Config(epochs=1))
    monkeypatch.setattr(panel, "gather", fails)
    models = str(hospital / "w" / "models")
    name = next(p.name for p in (hospital / "w/models/forest").iterdir() if p.is_dir())
    versions = [trained.version, version_of(models, "forest", name)]
    run = ScoreRun("r", shared.AS_OF, folders(hospital))
    found = score_all(versions, buckets, run, pipeline_options())
    assert list(found.failed) == ["panel"]
    assert found.failed["panel"].startswith("gather: ValueError at ")
    assert {file.model for file in found.files} == {"forest"}


def test_a_night_publishes_its_facts_without_the_model_that_failed(hospital, monkeypatch, capsys):
    from tests.builders import lines, observation, patient

    (hospital / "new.ndjson").write_bytes(lines(patient("a"), observation("o", "Patient/a")))
    monkeypatch.setattr(logistic, "to_predictions", fails)
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "k" * 32)
    where = ["--warehouse", str(hospital / "w"), "--fhir", str(hospital / "new.ndjson")]
    status = cli.main(["nightly", *where, "--quiet", "--json", "--as-of", "2024-01-02"])
    assert status == 1
    assert '"failed": {"score_logistic": "to_predictions: ValueError' in capsys.readouterr().out
    assert select(hospital, "SELECT count(*) FROM crosswalk") == [(1,)]
    assert select(hospital, "SELECT DISTINCT model FROM predictions") == [("forest",)]
    (report,) = (hospital / "w" / "reports").glob("*.html")
    assert "published without: score_logistic" in report.read_text()


def test_the_error_names_every_model():
    from pipelines.execute import raise_failed
    from pipelines.run import Outcome

    raise_failed(Outcome())
    with pytest.raises(ModelFailed, match=r"what failed \(a: x; b: y\)"):
        raise_failed(Outcome(failed={"a": "x"}) + Outcome(failed={"b": "y"}))
