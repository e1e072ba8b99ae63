"""A warehouse written by an earlier release opens, and works, in this one."""

import datetime
import shutil
from pathlib import Path

import pytest

import model_defs
from pipelines.cli import main
from pipelines.query import open_tables
from tests.golden import build
from tests.golden.move import unpack
from tests.standins import logistic
from transforms.registry import champion, verify
from transforms.schemas import TABLES
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
HERE = Path(__file__).parent
ARCHIVES = sorted(HERE.glob("*.tar.xz"))
# What the inputs of build.py are, whichever release read them.
ROWS = {
    "images": 1,
    "labels": 1,
    "predictions": 3,
    "quarantine": 1,
    "sources": 3,
    "crosswalk": 3,
    "deletions": 1,
}


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.split(".")[0])
def golden(request, tmp_path, monkeypatch):
    monkeypatch.setenv("NIGHTROUNDS_ID_KEY", build.KEY)
    monkeypatch.setattr(model_defs, "find", lambda name: logistic)
    monkeypatch.setattr(model_defs, "names", lambda: ["logistic"])
    monkeypatch.setattr(logistic, "examples", build.examples)
    return unpack(request.param, tmp_path)


def select(warehouse, sql):
    opened = open_warehouse(str(warehouse))
    with open_tables({name: opened.paths(name) for name in TABLES}) as connection:
        return connection.execute(sql).fetchall()


def counts(warehouse):
    return {name: len(select(warehouse, f"FROM {name}")) for name in ROWS}


def ingest(warehouse, folder):
    where = ["--warehouse", str(warehouse), "--quiet"]
    return main(["ingest", *where, *build.write_inputs(folder)])


def test_there_are_golden_warehouses_and_they_are_small():
    assert len(ARCHIVES) >= 2
    assert sum(path.stat().st_size for path in ARCHIVES) < 100_000


def test_it_is_what_it_was(golden):
    assert counts(golden) == ROWS
    creatinine = "SELECT count(*), max(numeric_value) FROM events WHERE code = 'LOINC//2160-0'"
    assert select(golden, creatinine) == [(5, 2.5)]
    everything = [select(golden, f"FROM {name} LIMIT 1") for name in TABLES]
    assert len(everything) == len(TABLES)  # also tables that came later, empty
    ran = select(golden, "SELECT DISTINCT verb, status FROM runs ORDER BY ALL")
    assert ran == [("ingest", "published"), ("score", "published")]


def test_the_same_inputs_again_double_nothing(golden, tmp_path):
    assert ingest(golden, tmp_path / "inputs") == 0
    again = counts(golden)
    # They lie elsewhere now: sources, and the refusal of one, are told apart by their URI.
    assert again == {**ROWS, "sources": 6, "quarantine": 2}
    assert select(golden, "SELECT count(*) FROM events WHERE code = 'LOINC//2160-0'") == [(5,)]


def test_what_is_new_goes_into_it(golden, tmp_path):
    inputs = tmp_path / "inputs"
    build.write_inputs(inputs)
    new = build._observation("ada-3", "Patient/ada", 9.0, "2024-02-20")
    newer = build._observation("bo-2", "Patient/bo", 4.0, "2024-02-21")
    (inputs / "all.ndjson").write_text("\n".join(map(build.json.dumps, (new, newer))))
    where = ["--warehouse", str(golden), "--quiet"]
    assert main(["ingest", *where, "--fhir", str(inputs / "all.ndjson")]) == 0
    values = "SELECT numeric_value FROM events WHERE code = 'LOINC//2160-0' ORDER BY 1"
    assert select(golden, values) == [(0.5,), (0.5,), (2.5,), (2.5,), (4.0,), (9.0,)]
    # A table that was written to has every column of this release; older files have null there.
    table = open_warehouse(str(golden)).catalog.load_table("clinical.events")
    assert set(TABLES["events"].schema.names) <= {field.name for field in table.schema().fields}


def test_its_model_is_verified_and_scores_as_it_did(golden):
    version = champion(str(golden / "models"), "logistic")
    verify(version)
    before = select(golden, "SELECT entity_id, score, input_hash FROM predictions ORDER BY 1")
    arguments = ["--warehouse", str(golden), "--quiet", "--as-of", build.AS_OF]
    assert main(["score", "logistic", *arguments]) == 0
    after = select(golden, "SELECT entity_id, score, input_hash FROM predictions ORDER BY 1")
    assert [(row[0], row[2]) for row in after] == [(row[0], row[2]) for row in before]
    assert [row[1] for row in after] == pytest.approx([row[1] for row in before], abs=1e-5)
    columns = {f.name for f in table_of(golden, "predictions").schema().fields}
    assert set(TABLES["predictions"].schema.names) <= columns


def table_of(warehouse, name):
    return open_warehouse(str(warehouse)).catalog.load_table(TABLES[name].identifier)


def test_it_reports_exports_and_cleans(golden, tmp_path, capsys):
    where = ["--warehouse", str(golden)]
    assert main(["report", *where, "-o", str(tmp_path / "report.html")]) == 0
    assert "logistic" in (tmp_path / "report.html").read_text()
    assert main(["export-meds", str(tmp_path / "meds"), *where]) == 0
    assert main(["quarantine", "list", *where, "--format", "json"]) == 0
    assert main(["gc", *where]) == 0
    ((run_id,),) = select(golden, "SELECT DISTINCT run_id FROM predictions")
    assert main(["reproduce", run_id, *where]) == 2
    assert "a release that did not record what it read" in capsys.readouterr().err
    assert counts(golden) == ROWS


def test_a_night_in_it(golden, tmp_path):
    where = ["--warehouse", str(golden), "--quiet"]
    day = datetime.date.fromisoformat(build.AS_OF) + datetime.timedelta(days=1)
    inputs = build.write_inputs(tmp_path / "inputs")
    assert main(["nightly", *where, *inputs, "--as-of", day.isoformat()]) == 0
    days = select(golden, "SELECT run_date, count(*) FROM predictions GROUP BY ALL ORDER BY ALL")
    assert [rows for _, rows in days] == [3, 3]


def test_what_is_missing_is_seen(golden):
    """The move is what makes it readable: without a file of it the tables do not open."""
    shutil.rmtree(golden / "clinical" / "events" / "metadata")
    with pytest.raises(FileNotFoundError):
        open_warehouse(str(golden))
