import dataclasses

import polars as pl
import pyarrow as pa
import pytest

import model_defs
from pipelines.runner import pipeline_options
from pipelines.score import ScoreRun, score
from tests.pipelines.trained import CLASSIFIERS, STANDINS, copy_of, folders, hospital_in, trained_in
from tests.standins import examples as shared
from tests.standins import logistic
from transforms.errors import Refused
from transforms.parquet import read_files
from transforms.schemas import PREDICTIONS


@pytest.fixture(autouse=True)
def standins(monkeypatch):
    """The stand-ins take the place of the models that the package has."""
    monkeypatch.setattr(model_defs, "find", STANDINS.__getitem__)


@pytest.fixture
def hospital(tmp_path_factory):
    return hospital_in(tmp_path_factory.getbasetemp())


@pytest.fixture
def trained(tmp_path_factory):
    return trained_in(tmp_path_factory.getbasetemp())


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_a_champion_scores_every_example(model, trained, hospital, tmp_path):
    run = ScoreRun("run7", shared.AS_OF, folders(tmp_path))
    found = score([trained[model].version], hospital, run, pipeline_options())
    stage = found.stages[model]
    assert (stage.read, stage.written, stage.quarantined) == (200, 200, 0)
    table = read_files([file.path for file in found.files], PREDICTIONS)
    rows = pl.DataFrame(table)
    assert rows["entity_id"].sort().to_list() == list(range(5001, 5201))
    assert set(rows["model_version"]) == {trained[model].version.version}
    assert set(rows["run_id"]) == {"run7"}
    assert rows["input_hash"].n_unique() == 200
    total = [sum(row.values()) for row in map(dict, table["probabilities"].to_pylist())]
    assert total == pytest.approx([1.0] * 200, abs=1e-5)


def test_several_models_score_in_one_pass_since_a_day(trained, hospital, tmp_path):
    versions = [trained[name].version for name in CLASSIFIERS]
    since = shared.AS_OF - 100 * shared.DAY
    run = ScoreRun("run8", shared.AS_OF, folders(tmp_path), since)
    found = score(versions, hospital, run, pipeline_options())
    truth = shared.examples(shared.tables(), shared.AS_OF)
    recent = truth.filter(pl.col("prediction_time") >= since).height
    assert 0 < recent < 200
    for stage in found.stages.values():
        assert stage.written == recent
        assert stage.skipped == {"before since": 200 - recent}
    assert {file.model for file in found.files} == set(CLASSIFIERS)


def test_drivers_are_the_largest_contributions(trained, hospital, tmp_path):
    run = ScoreRun("run9", shared.AS_OF, folders(tmp_path))
    found = score([trained["logistic"].version], hospital, run, pipeline_options())
    rows = read_files([file.path for file in found.files], PREDICTIONS).to_pylist()
    for row in rows:
        names = [driver["feature"] for driver in row["drivers"]]
        sizes = [abs(driver["contribution"]) for driver in row["drivers"]]
        assert set(names) <= {"value", "ward"}
        assert sizes == sorted(sizes, reverse=True)
        assert ("ward" in names) == bool(row["subject_id"] % 2)


def test_a_changed_file_is_refused_by_name(trained, hospital, tmp_path):
    version = copy_of(trained["forest"].version, tmp_path)
    with open(version.file("model.json"), "a") as file:
        file.write(" ")
    run = ScoreRun("r", shared.AS_OF, folders(tmp_path))
    with pytest.raises(Refused, match=r"model\.json was changed"):
        score([version], hospital, run, pipeline_options())


def _other_config():
    @dataclasses.dataclass(frozen=True)
    class Renamed:
        seed: int = 0

    return Renamed


@pytest.mark.parametrize(
    ("name", "now", "why"),
    [
        ("FEATURES", pa.schema([("value", pa.float32())]), "trained on other features than"),
        ("Config", _other_config(), "trained with another Config than"),
    ],
)
def test_a_version_of_another_definition_is_set_aside(
    name, now, why, trained, hospital, tmp_path, monkeypatch
):
    monkeypatch.setattr(logistic, name, now)
    run = ScoreRun("r", shared.AS_OF, folders(tmp_path))
    both = [trained["logistic"].version, trained["forest"].version]
    found = score(both, hospital, run, pipeline_options())
    assert list(found.failed) == ["logistic"]
    assert why in found.failed["logistic"]
    assert found.failed["logistic"].endswith(": train again")
    assert {file.model for file in found.files} == {"forest"}
    assert found.stages["forest"].written == 200
    alone = score(both[:1], hospital, run, pipeline_options())
    assert (list(alone.failed), alone.files) == (["logistic"], [])
