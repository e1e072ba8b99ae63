"""OpenLineage events: states, datasets, and what must stand in none of them."""

import datetime
import http.server
import json
import logging
import os
import threading
import uuid

import pytest
from openlineage.client.event_v2 import RunState
from openlineage.client.serde import Serde

from pipelines.cli import main
from pipelines.lineage_events import run_event, state_of
from pipelines.notices import RunEnd, lineage_is_configured
from pipelines.run import Outcome, new_run
from tests.builders import lines, observation, patient
from transforms.errors import Refused, RunFailed
from transforms.schemas import EVENTS
from transforms.warehouse import Change, open_warehouse

IDENTITY = "Annalivia-Plurabelle"
MOMENT = datetime.datetime(2024, 6, 1, 2, tzinfo=datetime.UTC)
pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    """The library looks into the environment, the folder and the home; it also adds variables."""
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "the key of the tests, not of a site")
    monkeypatch.chdir(tmp_path)
    yield
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE__")]:
        del os.environ[name]


@pytest.fixture
def ingest(tmp_path):
    """Runs `ingest` of a file that is named after its patient; its exit status."""
    export = tmp_path / "export" / f"{IDENTITY}.ndjson"
    export.parent.mkdir()

    def run(*more, broken=0):
        bad = (b'{"resourceType": "Observation", "id": "%s"}\n' % IDENTITY.encode()) * broken
        export.write_bytes(lines(patient(IDENTITY), observation("o", f"Patient/{IDENTITY}")) + bad)
        arguments = ["ingest", "--quiet", "--buckets", "2", "--warehouse", str(tmp_path / "w")]
        return main([*arguments, "--fhir", str(export), *more])

    return run


@pytest.fixture
def warehouse(tmp_path, ingest):
    ingest()
    return open_warehouse(str(tmp_path / "w"))


def event(warehouse, verb="score", state=RunState.COMPLETE, end=None):
    context = new_run(verb, MOMENT.date())
    return context, json.loads(Serde.to_json(run_event(context, warehouse, state, MOMENT, end)))


def names(datasets):
    return [dataset["name"] for dataset in datasets]


def test_a_run_is_told_of_twice_and_no_identity_with_it(tmp_path, ingest):
    file = tmp_path / "lineage.ndjson"
    assert ingest("--lineage-file", str(file)) == 0
    start, end = map(json.loads, file.read_text().splitlines())
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"]
    assert start["eventTime"] < end["eventTime"]
    url = f"file://{tmp_path}/w"
    for told in (start, end):
        assert told["job"] == {"namespace": url, "name": "nightrounds.ingest", "facets": {}}
        assert told["inputs"] == []
    assert start["outputs"] == []
    assert sorted(names(end["outputs"])) == [
        "clinical.events",
        "restricted.crosswalk",
        "restricted.links",
        "restricted.sources",
    ]
    assert {dataset["namespace"] for dataset in end["outputs"]} == {url}
    (events,) = (o for o in end["outputs"] if o["name"] == "clinical.events")
    fields = events["facets"]["schema"]["fields"]
    assert [(f["name"], f["type"]) for f in fields] == [(f.name, str(f.type)) for f in EVENTS]
    assert fields[0]["description"] == "owner id mod the warehouse's buckets"
    assert IDENTITY not in file.read_text()
    assert "export" not in file.read_text()


def test_a_refused_run_is_aborted_and_only_its_class_is_told(tmp_path, ingest):
    file = tmp_path / "lineage.ndjson"
    assert ingest("--lineage-file", str(file), broken=11) == 3
    _, end = map(json.loads, file.read_text().splitlines())
    assert (end["eventType"], end["outputs"]) == ("ABORT", [])
    error = end["run"]["facets"]["errorMessage"]
    assert (error["message"], error["programmingLanguage"]) == ("Refused", "Python")
    assert "stackTrace" not in error
    tags = {tag["key"]: tag["value"] for tag in end["run"]["facets"]["tags"]["tags"]}
    assert tags["status"] == "refused"
    assert IDENTITY not in file.read_text()


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        ("published", None, RunState.COMPLETE),
        ("published", BrokenPipeError, RunState.COMPLETE),
        ("refused", Refused, RunState.ABORT),
        ("failed", KeyboardInterrupt, RunState.ABORT),
        ("failed", RunFailed, RunState.FAIL),
        ("cut short", RunFailed, RunState.FAIL),
    ],
)
def test_every_end_has_its_state(status, error, state):
    assert state_of(RunEnd(Outcome(), status, error)) is state


def test_what_a_scoring_reads_is_told_with_its_snapshot(warehouse):
    done = Outcome([Change("predictions", (), ("f",))], predictions={"readmission": 3})
    context, told = event(warehouse, end=RunEnd(done, "published"))
    assert names(told["inputs"]) == ["clinical.events", "models.readmission"]
    version = told["inputs"][0]["facets"]["version"]["datasetVersion"]
    assert version == str(warehouse.base["events"])
    assert names(told["outputs"]) == ["clinical.predictions"]
    expected = uuid.uuid5(uuid.NAMESPACE_URL, f"nightrounds:{context.run_id}")
    assert told["run"]["runId"] == str(expected)
    facets = told["run"]["facets"]
    assert facets["nominalTime"]["nominalStartTime"] == "2024-06-01T00:00:00Z"
    assert [(t["key"], t["value"]) for t in facets["tags"]["tags"]] == [
        ("run_id", context.run_id),
        ("status", "published"),
    ]


def test_models_are_what_a_training_makes_and_an_evaluation_reads(warehouse):
    done = Outcome(models={"readmission": {"version": "v1"}, "outbreak": {"refused": "too few"}})
    _, told = event(warehouse, "train", end=RunEnd(done, "published"))
    assert names(told["outputs"]) == ["models.readmission"]
    assert told["outputs"][0]["facets"]["version"]["datasetVersion"] == "v1"
    del done.models["outbreak"]
    _, told = event(warehouse, "evaluate", end=RunEnd(done, "published"))
    assert (names(told["inputs"])[-1], told["outputs"]) == ("models.readmission", [])


def test_of_a_run_that_published_nothing_nothing_is_an_output(warehouse):
    done = Outcome([Change("predictions", (), ("f",))])
    _, told = event(warehouse, end=RunEnd(done, "failed", ValueError))
    assert told["outputs"] == []
    assert told["run"]["facets"]["errorMessage"]["message"] == "ValueError"


def test_a_backend_gets_the_events(monkeypatch, ingest):
    got = []

    class Backend(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)["eventType"]))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OPENLINEAGE_URL", f"http://127.0.0.1:{server.server_port}")
        assert ingest() == 0
        server.shutdown()
    assert got == [("/api/v1/lineage", "START"), ("/api/v1/lineage", "COMPLETE")]


def test_a_dead_backend_costs_a_line_and_not_the_run(monkeypatch, ingest, capfd, caplog):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__RETRY", '{"total": 1, "connect": 1}')
    assert ingest() == 0
    told = capfd.readouterr()
    warning = "warning: lineage not written (ConnectionError); the run goes on"
    assert told.err.splitlines() == [warning, warning]  # of its start and of its end
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "published" in told.out


def test_the_library_says_when_it_is_configured(monkeypatch, tmp_path):
    assert not lineage_is_configured()
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "ward")
    assert not lineage_is_configured()
    (tmp_path / "openlineage.yml").write_text("transport: {type: noop}\n")
    assert lineage_is_configured()
    (tmp_path / "openlineage.yml").unlink()
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:9")
    assert lineage_is_configured()
