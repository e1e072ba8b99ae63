"""A small hospital on a real Flink cluster, its workers in an environment of their own."""

import pytest

from pipelines.simulate import simulate_hospital
from tests.flink.cluster import install_workers, missing, running
from tests.flink.run import DAY, Comparison

_MODEL = "readmission"


@pytest.mark.skipif(bool(missing()), reason=missing() or "Flink is there")
def test_a_cluster_gives_the_rows_of_the_local_runner_also_after_a_machine_is_lost(tmp_path):
    found = simulate_hospital(tmp_path / "hospital", patients=60, studies=10, seed=11, broken=False)
    inputs = ["--fhir", str(found.fhir), "--dicom", str(found.dicom)]
    with running(tmp_path / "cluster", install_workers(tmp_path / "workers")) as cluster:
        comparison = Comparison(tmp_path, cluster, inputs)
        comparison.ingest()
        comparison.train([_MODEL, "--set", "epochs=2"])
        comparison.lose_a_task_manager(1.0, "score", _MODEL, "--as-of", DAY)
        assert [step.different for step in comparison.steps] == [[], []]
        assert comparison.steps[-1].rows["events"] > 5000
        assert comparison.steps[-1].rows["predictions"] > 100
        modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "flink").rglob("*")}
        assert modes == {0o600, 0o700}
