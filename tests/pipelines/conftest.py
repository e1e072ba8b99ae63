"""What the tests of the verbs share."""

import datetime
from pathlib import Path

import pytest

from pipelines.execute import execute
from pipelines.ingest import Inputs, ingest
from pipelines.run import Outcome, new_run
from pipelines.runner import pipeline_options
from transforms.limits import DEFAULT_LIMITS, Limits
from transforms.warehouse import open_warehouse

DAY = datetime.date(2024, 6, 1)


@pytest.fixture
def run(tmp_path, keys):
    """Ingests a folder into the test's warehouse, and `more` by kind; gives the outcome."""

    def ingest_folder(
        folder: Path,
        *,
        kind: str = "fhir",
        limit: float = 0.01,
        limits: Limits = DEFAULT_LIMITS,
        **more: Path,
    ) -> Outcome:
        warehouse = open_warehouse(str(tmp_path / "w"), create=True, buckets=2)
        context = new_run("ingest", DAY)
        paths = {name: (str(path),) for name, path in {kind: folder, **more}.items()}
        inputs = Inputs(**paths, limits=limits)
        return execute(
            context,
            warehouse,
            lambda: ingest(context, warehouse, keys, inputs, pipeline_options()),
            lambda outcome, status: None,
            limit,
        )

    return ingest_folder
