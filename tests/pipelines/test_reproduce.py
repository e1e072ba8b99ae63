"""The history of one prediction back to the source files, and the same prediction once more."""

import datetime
import getpass
import json

import pytest

from pipelines.cli import main
from pipelines.query import open_tables
from pipelines.reproduce import Reproduced
from tests.golden import build
from tests.pipelines.trained import copy_of, know_only_logistic, trained_in
from tests.standins import logistic
from transforms.keys import Keys
from transforms.schemas import TABLES
from transforms.warehouse import open_warehouse

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")
ADA = Keys(build.KEY.encode()).resource_id("Observation", "ada-2")


@pytest.fixture
def scored(tmp_path, tmp_path_factory, monkeypatch):
    """A warehouse that was ingested and scored with a stand-in, through the command line."""
    version = trained_in(tmp_path_factory.getbasetemp())["logistic"].version
    know_only_logistic(monkeypatch)
    warehouse = tmp_path / "w"
    where = ["--warehouse", str(warehouse), "--quiet"]
    assert main(["ingest", *where, "--buckets", "2", *build.write_inputs(tmp_path / "in")]) == 0
    (warehouse / "models").mkdir(exist_ok=True)
    copy_of(version, warehouse / "models")
    assert main(["score", "logistic", *where, "--as-of", build.AS_OF]) == 0
    return tmp_path


def select(folder, sql):
    opened = open_warehouse(str(folder / "w"))
    with open_tables({name: opened.paths(name) for name in TABLES}) as connection:
        found = connection.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def change(folder, value=7.5, day="2024-02-10"):
    """A newer version of the observation that Ada's prediction read, and one before it."""
    newer = build._observation("ada-2", "Patient/ada", value, day)
    newer["meta"] = {"versionId": "2", "lastUpdated": "2024-02-10T13:00:00Z"}
    late = build._observation("ada-3", "Patient/ada", 0.25, "2024-01-20")
    (folder / "more.ndjson").write_text("\n".join(map(json.dumps, (newer, late))))
    where = ["--warehouse", str(folder / "w"), "--quiet"]
    assert main(["ingest", *where, "--fhir", str(folder / "more.ndjson")]) == 0


def run_of(folder, verb="score"):
    (row,) = select(folder, f"SELECT DISTINCT run_id FROM runs WHERE verb = '{verb}'")  # noqa: S608
    return row["run_id"]


def reproduce(folder, run_id):
    return main(["reproduce", run_id, "--warehouse", str(folder / "w")])


def test_the_history_of_a_prediction_ends_at_files_and_files_of_a_model(scored):
    rows = select(scored, f"FROM lineage({ADA})")
    assert {row["run_id"] for row in rows} == {run_of(scored)}
    assert {(row["verb"], row["ran_by"]) for row in rows} == {("score", getpass.getuser())}
    assert all(row["versions"]["apache-beam"] for row in rows)
    assert json.loads(rows[0]["parameters"])["as_of"] == "2024-03-01 23:59:59.999999"
    assert (scored / "w" / rows[0]["model_file"]).exists()
    creatinine = [row for row in rows if row["fact"] == "LOINC//2160-0"]
    assert [row["fact_time"].date() for row in creatinine] == [
        datetime.date(2024, 1, 10),
        datetime.date(2024, 2, 10),
    ]
    assert {row["uri"] for row in creatinine} == {str(scored / "in" / "all.ndjson")}
    (image,) = [row for row in rows if row["fact_table"] == "images"]
    assert (image["fact"], image["uri"]) == ("CT", str(scored / "in" / "scan.dcm"))
    assert all(row["known"] and row["content_hash"] for row in rows)
    assert all(
        row["fact_time"] is None or row["fact_time"] < row["prediction_time"] for row in rows
    )


def test_what_came_later_is_told_apart(scored):
    change(scored)
    late = [row for row in select(scored, f"FROM lineage({ADA})") if not row["known"]]
    assert {row["fact_time"].date() for row in late} == {
        datetime.date(2024, 1, 20),
        datetime.date(2024, 2, 10),
    }
    assert {row["uri"] for row in late} == {str(scored / "more.ndjson")}


def test_it_is_on_the_command_line(scored, capsys):
    where = ["--warehouse", str(scored / "w"), "--format", "json"]
    capsys.readouterr()
    assert main(["query", f"FROM lineage({ADA})", *where]) == 0
    assert str(scored / "in" / "all.ndjson") in capsys.readouterr().out


def test_a_prediction_is_reproduced_bit_for_bit_after_its_facts_changed(scored, capsys):
    run_id = run_of(scored)
    change(scored)
    where = ["--warehouse", str(scored / "w"), "--quiet"]
    assert main(["score", "logistic", *where, "--as-of", build.AS_OF]) == 0  # replaces the rows
    values = select(scored, "SELECT run_id FROM predictions")
    assert run_id not in {row["run_id"] for row in values}
    capsys.readouterr()
    assert reproduce(scored, run_id) == 0
    told = capsys.readouterr()
    assert "3 of 3 predictions are the same, bit for bit" in told.out
    assert "examples: 2 of 2 buckets" in told.err
    assert "score_logistic: 3 records" in told.err


def test_a_night_reads_what_it_ingested_itself(scored, capsys):
    newer = build._observation("ada-4", "Patient/ada", 8.0, "2024-03-01")
    (scored / "night.ndjson").write_text(json.dumps(newer))
    where = ["--warehouse", str(scored / "w"), "--quiet"]
    arguments = ["--fhir", str(scored / "night.ndjson"), "--as-of", "2024-03-02"]
    assert main(["nightly", *where, *arguments]) == 0
    change(scored)
    capsys.readouterr()
    assert reproduce(scored, run_of(scored, "nightly")) == 0
    assert "3 of 3" in capsys.readouterr().out


def test_what_comes_out_otherwise_is_told(scored, capsys, monkeypatch):
    def other(tables, as_of, config=None):
        import polars as pl

        return build.examples(tables, as_of).with_columns(pl.col("value") + 1e-6)

    monkeypatch.setattr(logistic, "examples", other)
    capsys.readouterr()
    assert reproduce(scored, run_of(scored)) == 1
    printed = capsys.readouterr()
    assert "0 of 3 predictions are the same" in printed.out
    assert "could not be reproduced" in printed.err


def test_what_cannot_be_reproduced_is_refused(scored, capsys):
    for run_id, why in [
        ("nothing", "there is no run nothing"),
        (run_of(scored, "ingest"), "scored no tables"),
    ]:
        assert reproduce(scored, run_id) == 2
        assert why in capsys.readouterr().err


def test_more_rows_than_before_are_not_the_same():
    assert not Reproduced("m", "v", 3, 3, 1).is_same
    assert Reproduced("m", "v", 3, 3, 1).describe().endswith("bit for bit; 1 more")
