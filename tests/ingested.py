"""Files through the product's `ingest`, for tests that look at what a model then sees."""

import datetime
from collections.abc import Iterable
from pathlib import Path

from pipelines.execute import execute
from pipelines.ingest import Inputs, ingest
from pipelines.run import new_run
from pipelines.runner import pipeline_options
from transforms.bucket_tables import Tables, read_tables
from transforms.keys import Keys
from transforms.warehouse import open_warehouse


def tables_of(
    folder: Path, keys: Keys, as_of: datetime.datetime, wanted: Iterable[str], **inputs: Path
) -> Tables:
    """Files by kind of input -> the wanted tables of a new warehouse; nothing may be refused."""
    warehouse = open_warehouse(str(folder / "w"), create=True, buckets=1)
    run = new_run("ingest", as_of.date())
    paths = Inputs(**{kind: (str(path),) for kind, path in inputs.items()})
    outcome = execute(
        run,
        warehouse,
        lambda: ingest(run, warehouse, keys, paths, pipeline_options()),
        lambda outcome, status: None,
        0.0,
    )
    assert not any(stage.quarantined for stage in outcome.stages.values())
    warehouse = open_warehouse(str(folder / "w"))
    files = {table: warehouse.paths(table) for table in wanted}
    return read_tables(files, with_labels="labels" in files)
