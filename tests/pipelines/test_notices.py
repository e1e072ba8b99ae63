"""Who is told of a run: always, in order, and never at its cost."""

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.cli import main
from pipelines.notices import RunEnd, noticed
from pipelines.run import Outcome
from tests.builders import lines, patient
from transforms.errors import Refused

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


class Told:
    name = "told"

    def __init__(self, fails=False):
        self.fails, self.events = fails, []

    def start(self):
        self.events.append("start")
        if self.fails:
            raise OSError("a URL with a password")

    def end(self, end):
        self.events.append(end)
        if self.fails:
            raise ValueError("a URL with a password")


def test_listeners_hear_of_the_start_and_of_the_end():
    told, shown, done = Told(), [], Outcome(predictions={"m": 1})
    with noticed([told], lambda *end: shown.append(end)) as report:
        assert told.events == ["start"]
        report(done, "published")
    assert told.events == ["start", RunEnd(done, "published")]
    assert shown == [(done, "published")]


def test_what_the_run_raises_goes_on_and_its_class_is_told():
    told, done = Told(), Outcome()
    with pytest.raises(Refused), noticed([told], lambda *_: None) as report:
        report(done, "refused")
        raise Refused("too many")
    assert told.events[1] == RunEnd(done, "refused", Refused)


def test_a_run_that_ends_before_its_report_has_failed():
    told = Told()
    with pytest.raises(KeyboardInterrupt), noticed([told], lambda *_: None):
        raise KeyboardInterrupt
    assert told.events[1] == RunEnd(Outcome(), "failed", KeyboardInterrupt)


def test_a_listener_that_fails_costs_a_line_and_the_next_is_told(capsys):
    second = Told()
    with noticed([Told(fails=True), second], lambda *_: None) as report:
        report(Outcome(), "published")
    assert [type(e) for e in second.events] == [str, RunEnd]
    assert capsys.readouterr().err.splitlines() == [
        "warning: told not written (OSError); the run goes on",
        "warning: told not written (ValueError); the run goes on",
    ]


@pytest.fixture
def ingest(tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", "the key of the tests, not of a site")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "a.ndjson").write_bytes(lines(patient("a")))
    arguments = ["ingest", "--quiet", "--buckets", "2", "--warehouse", str(tmp_path / "w")]
    return lambda *more: main([*arguments, "--fhir", str(tmp_path / "export"), *more])


def test_the_command_line_writes_the_metrics_of_good_and_bad_runs(tmp_path, ingest):
    file = tmp_path / "n.prom"

    def value(name, **labels):
        (found,) = (
            sample.value
            for family in text_string_to_metric_families(file.read_text())
            for sample in family.samples
            if sample.name == f"nightrounds_{name}" and labels.items() <= sample.labels.items()
        )
        return found

    assert ingest("--metrics-file", str(file)) == 0
    assert value("last_run_status", status="published") == 1
    assert value("last_run_added_rows", table="crosswalk") == 1
    success = value("last_success_timestamp_seconds")
    (tmp_path / "export" / "Annalivia.ndjson").write_bytes(b"{Annalivia\n" * 11)
    assert ingest("--metrics-file", str(file)) == 3
    assert value("last_run_status", status="refused") == 1
    assert value("last_run_stage_inputs", stage="read_fhir", field="quarantined") == 11
    assert value("last_success_timestamp_seconds") == success
    assert "Annalivia" not in file.read_text()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--metrics-file", "nowhere/n.prom"), "there is no folder nowhere"),
        (("--metrics-file", "n.txt"), "the node exporter reads only files *.prom"),
        (("--lineage-file", "."), ". is a folder"),
    ],
)
def test_files_that_cannot_be_are_refused_before_any_work(
    tmp_path, ingest, capsys, option, message
):
    with pytest.raises(SystemExit) as ended:
        ingest(*option)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_the_libraries_are_imported_only_when_asked_for():
    code = (
        "import sys; import pipelines.verbs; "
        "print([m for m in ('prometheus_client', 'openlineage') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout == b"[]\n"
