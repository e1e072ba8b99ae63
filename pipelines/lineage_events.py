"""OpenLineage events of a run: START, then COMPLETE, FAIL or ABORT.

Datasets are the warehouse's tables and models, by name. Input files are in no event: their names
hold identities. Of an error only the class is told.

Source: https://openlineage.io/docs/spec/object-model, https://openlineage.io/docs/client/python
"""

import dataclasses
import datetime
import importlib.metadata
import logging
import os
import uuid
from pathlib import Path

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    error_message_run,
    nominal_time_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.transport.file import FileConfig, FileTransport

from pipelines.notices import RunEnd
from pipelines.run import RunContext
from transforms.bucket_tables import READ_BY_MODELS
from transforms.schemas import TABLES
from transforms.warehouse import Warehouse

PRODUCER = f"urn:nightrounds:{importlib.metadata.version('nightrounds')}"
_READS_FILES_ONLY = ("ingest", "quarantine")
set_producer(PRODUCER)


@dataclasses.dataclass(frozen=True)
class LineageEvents:
    """Sends the events of one run to `file`, else where the library's configuration says."""

    context: RunContext
    warehouse: Warehouse
    file: Path | None = None
    name: str = "lineage"

    def start(self) -> None:
        """START. Raises: whatever the transport does."""
        self._emit(RunState.START, self.context.started.replace(tzinfo=datetime.UTC))

    def end(self, end: RunEnd) -> None:
        """COMPLETE of a run that published; ABORT of one that was stopped; else FAIL."""
        self._emit(state_of(end), end.ended, end)

    def _emit(self, state: RunState, moment: datetime.datetime, end: RunEnd | None = None) -> None:
        transport = None
        if self.file is not None:
            transport = FileTransport(FileConfig(log_file_path=str(self.file), append=True))
        event = run_event(self.context, self.warehouse, state, moment, end)
        retries = logging.getLogger("urllib3.connectionpool")
        level = retries.level
        retries.setLevel(logging.ERROR)  # a line for each retry; the warning is one for all
        try:
            client = OpenLineageClient(transport=transport)
            client.emit(event)
            client.close()
        finally:
            retries.setLevel(level)


def state_of(end: RunEnd) -> RunState:
    """How OpenLineage calls the end of a run: a limit or a person stops it, or it fails."""
    if end.status == "published":
        return RunState.COMPLETE
    stopped = end.status == "refused" or end.error is KeyboardInterrupt
    return RunState.ABORT if stopped else RunState.FAIL


def run_event(
    context: RunContext,
    warehouse: Warehouse,
    state: RunState,
    moment: datetime.datetime,
    end: RunEnd | None = None,
) -> RunEvent:
    """One event; `moment` with its zone, `end` None while the run goes on.

    The run's UUID follows from its id, which stands among the tags as `run_id`.
    """
    tags = {"run_id": context.run_id, **({"status": end.status} if end else {})}
    facets: dict[str, RunFacet] = {
        "nominalTime": nominal_time_run.NominalTimeRunFacet(f"{context.run_date}T00:00:00Z"),
        "tags": tags_run.TagsRunFacet(
            [tags_run.TagsRunFacetFields(key, value, "NIGHTROUNDS") for key, value in tags.items()]
        ),
    }
    if end and end.error and end.status != "published":
        # The class alone: messages of libraries quote the data they failed on.
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(
            end.error.__name__, "Python"
        )
    return RunEvent(
        eventTime=moment.isoformat(),
        eventType=state,
        producer=PRODUCER,
        run=Run(str(uuid.uuid5(uuid.NAMESPACE_URL, f"nightrounds:{context.run_id}")), facets),
        job=Job(
            os.environ.get("OPENLINEAGE_NAMESPACE") or warehouse.url, f"nightrounds.{context.verb}"
        ),
        inputs=_inputs(context, warehouse, end),
        outputs=_outputs(context, warehouse, end),
    )


def _inputs(context: RunContext, warehouse: Warehouse, end: RunEnd | None) -> list[InputDataset]:
    """The tables that models read, at the snapshots the run began from, and the models used."""
    if context.verb in _READS_FILES_ONLY:
        return []
    found = [
        InputDataset(
            warehouse.url, TABLES[name].identifier, facets={**_schema(name), **_version(snapshot)}
        )
        for name in READ_BY_MODELS
        if (snapshot := warehouse.base[name]) is not None
    ]
    used: dict[str, str | None] = {}
    if end is not None:
        used = dict.fromkeys(end.outcome.predictions)
        if context.verb == "evaluate":
            used = {model: about["version"] for model, about in end.outcome.models.items()}
    return found + [
        InputDataset(warehouse.url, f"models.{model}", facets=_version(version))
        for model, version in used.items()
    ]


def _outputs(context: RunContext, warehouse: Warehouse, end: RunEnd | None) -> list[OutputDataset]:
    """The tables and models that were published; of a run that published nothing, none."""
    if end is None or end.status != "published":
        return []
    tables = sorted({change.table for change in end.outcome.changes})
    found = [OutputDataset(warehouse.url, TABLES[t].identifier, facets=_schema(t)) for t in tables]
    trained = {} if context.verb == "evaluate" else end.outcome.models
    return found + [
        OutputDataset(warehouse.url, f"models.{model}", facets=_version(about["version"]))
        for model, about in trained.items()
        if "version" in about
    ]


def _schema(table: str) -> dict[str, DatasetFacet]:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            field.name, str(field.type), (field.metadata or {}).get(b"meaning", b"").decode()
        )
        for field in TABLES[table].schema
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}


def _version(version: object) -> dict[str, DatasetFacet]:
    if version is None:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(str(version))}
